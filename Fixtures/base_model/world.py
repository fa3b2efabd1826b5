"""The drawn world: an endless supply of captioned 128-pixel pictures of one thing in one place, drawn on the device.

A picture is a background (one of the places or a plain backdrop), a soft shadow, and a sprite, turned, scaled, mirrored
and perhaps tinted. Pictures are [count, 3, 128, 128] in -1...1.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as functional

from places import BACKDROP_COLOURS, PLACE_PAINTERS, SIDE, Canvas
from vocabulary import BACKGROUND_NAMES, CLASS_NAMES, PLACES, TINTS


@dataclass
class Batch:
    """Pictures with what they show; a tint of -1 is the thing's own colour, a class of -1 has no name."""

    pixels: torch.Tensor
    classes: torch.Tensor
    tints: torch.Tensor
    backgrounds: torch.Tensor


class World:
    def __init__(self, sprite_file: str, device: str | torch.device = "cpu", seed: int = 0):
        self.device = torch.device(device)
        self.generator = torch.Generator(self.device).manual_seed(seed)
        stored = np.load(sprite_file)
        self.class_of_sprite = torch.from_numpy(stored["class_indices"]).to(self.device)
        self.named_sprites = self._prepare(stored["class_sprites"])
        self.other_sprites = self._prepare(stored["other_sprites"])
        self.tints = torch.tensor(list(TINTS.values()), device=self.device)
        # The sprites of each class, padded by repetition, so that classes are drawn equally often.
        widest = int(torch.bincount(self.class_of_sprite).max())
        rows = [torch.nonzero(self.class_of_sprite == index).flatten() for index in range(len(CLASS_NAMES))]
        self.sprite_table = torch.stack([row.repeat(widest)[:widest] for row in rows])

    def _prepare(self, sprites: np.ndarray) -> torch.Tensor:
        """[n, 96, 96, 4] bytes to [n, 4, 96, 96] with colour multiplied by alpha."""
        values = torch.from_numpy(sprites).to(self.device).permute(0, 3, 1, 2).float() / 255
        return torch.cat([values[:, :3] * values[:, 3:], values[:, 3:]], dim=1)

    def uniform(self, low: float, high: float, *shape: int) -> torch.Tensor:
        return torch.rand(*shape, device=self.device, generator=self.generator) * (high - low) + low

    def integers(self, bound: int, count: int) -> torch.Tensor:
        return torch.randint(bound, (count,), device=self.device, generator=self.generator)

    @torch.no_grad()
    def draw(self, count: int, tinted: float = 0.35) -> Batch:
        """Pictures of named things."""
        classes = self.integers(len(CLASS_NAMES), count)
        tints = self.integers(len(TINTS), count)
        tints = torch.where(self.uniform(0, 1, count) < tinted, tints, -1)
        return self.draw_as(classes, tints, self.random_backgrounds(count))

    def random_backgrounds(self, count: int) -> torch.Tensor:
        """Indices into BACKGROUND_NAMES; one picture in six has a plain backdrop."""
        places = self.integers(len(PLACES), count)
        plain = len(PLACES) + self.integers(len(BACKGROUND_NAMES) - len(PLACES), count)
        return torch.where(self.uniform(0, 1, count) < 1 / 6, plain, places)

    @torch.no_grad()
    def draw_as(self, classes: torch.Tensor, tints: torch.Tensor, backgrounds: torch.Tensor) -> Batch:
        """One picture of each asked-for thing."""
        variant = self.integers(self.sprite_table.shape[1], len(classes))
        sprites = self._tint(self.named_sprites[self.sprite_table[classes, variant]], tints)
        pixels = self._compose(sprites, self.paint(backgrounds))
        return Batch(pixels, classes, tints, backgrounds)

    @torch.no_grad()
    def draw_anything(self, count: int) -> torch.Tensor:
        """Pictures of every glyph there is, in any colour, sometimes several: what the autoencoder learns from."""
        sprites = torch.cat([self.named_sprites, self.other_sprites])
        pixels = self.paint(self.random_backgrounds(count)) * 2 - 1
        for copy in range(3):
            chosen = sprites[self.integers(len(sprites), count)]
            tints = torch.where(self.uniform(0, 1, count) < 0.3, self.integers(len(TINTS), count), -1)
            chosen = self._tint(self._shift_hue(chosen), tints)
            drawn = self._compose(chosen, (pixels + 1) / 2, *((0.25, 0.3) if copy else (0.5, 0.1)))
            pixels = torch.where(self.uniform(0, 1, count, 1, 1, 1) < (1.0, 0.4, 0.2)[copy], drawn, pixels)
        return pixels

    def paint(self, backgrounds: torch.Tensor) -> torch.Tensor:
        """Backgrounds in 0...1, each picture by its own painter."""
        pictures = torch.empty(len(backgrounds), 3, SIDE, SIDE, device=self.device)
        for index in range(len(BACKGROUND_NAMES)):
            rows = torch.nonzero(backgrounds == index).flatten()
            if len(rows) == 0:
                continue
            canvas = Canvas(len(rows), self.device, self.generator)
            if index < len(PLACES):
                pictures[rows] = PLACE_PAINTERS[PLACES[index]](canvas)
            else:
                pictures[rows] = canvas.backdrop(BACKDROP_COLOURS[index - len(PLACES)])
        return pictures.clamp(0, 1)

    def _shift_hue(self, sprites: torch.Tensor) -> torch.Tensor:
        """Swaps the colour channels of half of the sprites, so that colours and shapes are independent."""
        orders = torch.tensor([[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]], device=self.device)
        pick = torch.where(self.uniform(0, 1, len(sprites)) < 0.5, self.integers(6, len(sprites)), 0)
        order = orders[pick][:, :, None, None].expand(-1, -1, *sprites.shape[2:])
        return torch.cat([sprites[:, :3].gather(1, order), sprites[:, 3:]], dim=1)

    def _tint(self, sprites: torch.Tensor, tints: torch.Tensor) -> torch.Tensor:
        """Repaints in shades of one colour, keeping light and dark."""
        colour, alpha = sprites[:, :3], sprites[:, 3:]
        weights = torch.tensor([0.30, 0.59, 0.11], device=self.device)[None, :, None, None]
        light = (colour * weights).sum(1, keepdim=True) / alpha.clamp(min=1e-3)
        mean = (light * alpha).sum((2, 3), keepdim=True) / alpha.sum((2, 3), keepdim=True)
        light = light + 0.7 * (0.55 - mean)
        target = self.tints[tints.clamp(min=0)][:, :, None, None]
        shade = (light / 0.55).clamp(0.08, 1)
        glow = ((light - 0.55) / 0.45).clamp(0, 1) * 0.65
        repainted = (target * shade * (1 - glow) + glow) * alpha
        chosen = (tints >= 0)[:, None, None, None]
        return torch.cat([torch.where(chosen, repainted, colour), alpha], dim=1)

    def _compose(self, sprites: torch.Tensor, ground: torch.Tensor, smallest: float = 0.52,
                 spread: float = 0.1) -> torch.Tensor:
        """Puts each sprite, turned, scaled, mirrored and moved, with its shadow on its background."""
        count = len(sprites)
        angle = self.uniform(-0.3, 0.3, count)
        scale = self.uniform(smallest, 0.8, count)
        mirror = torch.where(self.uniform(0, 1, count) < 0.5, -1.0, 1.0)
        across = self.uniform(-spread, spread, count) * 2
        down = self.uniform(-0.06, spread, count) * 2
        # The sampling grid maps output places to sprite places, hence the inverse of the sprite's motion.
        cosine, sine = torch.cos(angle) / scale, torch.sin(angle) / scale
        rows = [
            torch.stack([cosine * mirror, sine * mirror, -(cosine * across + sine * down) * mirror], dim=1),
            torch.stack([-sine, cosine, sine * across - cosine * down], dim=1),
        ]
        grid = functional.affine_grid(torch.stack(rows, dim=1), [count, 4, SIDE, SIDE], align_corners=False)
        layer = functional.grid_sample(sprites, grid, align_corners=False)
        alpha = layer[:, 3:]
        soft = functional.avg_pool2d(alpha, 9, stride=1, padding=4)
        shadow = functional.pad(soft, (3, 0, 5, 0))[:, :, :SIDE, :SIDE] * 0.35
        picture = ground * (1 - shadow * (1 - alpha))
        return (picture * (1 - alpha) + layer[:, :3]) * 2 - 1
