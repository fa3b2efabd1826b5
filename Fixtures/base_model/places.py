"""Painters of the world's places. Each takes a `Canvas` of n pictures and returns [n, 3, 128, 128] in 0...1."""

import torch
import torch.nn.functional as functional

from vocabulary import BACKDROPS

SIDE = 128
BACKDROP_COLOURS = list(BACKDROPS.values())


class Canvas:
    """The coordinates and the randomness that painters share. x runs right and y down, both 0...1."""

    def __init__(self, count: int, device: torch.device, generator: torch.Generator):
        self.count, self.device, self.generator = count, device, generator
        line = (torch.arange(SIDE, device=device) + 0.5) / SIDE
        self.x = line[None, None, None, :].expand(count, 1, SIDE, SIDE)
        self.y = line[None, None, :, None].expand(count, 1, SIDE, SIDE)

    def random(self, low: float, high: float, channels: int = 1) -> torch.Tensor:
        """A number for each picture, [n, channels, 1, 1]."""
        unit = torch.rand(self.count, channels, 1, 1, device=self.device, generator=self.generator)
        return unit * (high - low) + low

    def cells(self, rows: int, columns: int, channels: int = 1) -> torch.Tensor:
        """A number in 0...1 for each cell of a grid, constant inside the cell, [n, channels, 128, 128]."""
        unit = torch.rand(self.count, channels, rows, columns, device=self.device, generator=self.generator)
        return functional.interpolate(unit, size=(SIDE, SIDE), mode="nearest")

    def noise(self, rows: int, columns: int) -> torch.Tensor:
        """Smooth noise about -1...1, [n, 1, 128, 128]."""
        unit = torch.rand(self.count, 1, rows, columns, device=self.device, generator=self.generator) * 2 - 1
        return functional.interpolate(unit, size=(SIDE, SIDE), mode="bicubic", align_corners=False)

    def colour(self, red: float, green: float, blue: float, jitter: float = 0.03) -> torch.Tensor:
        base = torch.tensor([red, green, blue], device=self.device)[None, :, None, None]
        return base + self.random(-jitter, jitter) + self.random(-jitter / 2, jitter / 2, 3)

    def gradient(self, top: torch.Tensor, bottom: torch.Tensor, start: float = 0.0, end: float = 1.0) -> torch.Tensor:
        return torch.lerp(top.expand(-1, -1, SIDE, SIDE), bottom, ((self.y - start) / (end - start)).clamp(0, 1))

    def wave(self, waves: float, height: float) -> torch.Tensor:
        """A hilly line, as an offset of y for every x."""
        phase = self.random(0, 6.283)
        slope = torch.sin(self.x * self.random(0.8 * waves, 1.2 * waves) * 6.283 + phase)
        return slope * height + torch.sin(self.x * waves * 14.1 + phase * 2) * height * 0.25

    def disc(self, x: torch.Tensor, y: torch.Tensor, radius: torch.Tensor, softness: float = 0.012) -> torch.Tensor:
        distance = ((self.x - x) ** 2 + (self.y - y) ** 2).sqrt()
        return edge(radius - distance, softness)

    def dots(self, cells: int, radius: float, share: float) -> torch.Tensor:
        """Round dots, at most one in each cell of a grid, wholly inside it."""
        margin = min(radius * cells, 0.45)
        x, y, size, present = self.cells(cells, cells, 4).split(1, dim=1)
        inside_x, inside_y = (self.x * cells) % 1, (self.y * cells) % 1
        x, y = margin + x * (1 - 2 * margin), margin + y * (1 - 2 * margin)
        distance = ((inside_x - x) ** 2 + (inside_y - y) ** 2).sqrt() / cells
        return edge(radius * (0.45 + 0.55 * size) - distance, 0.01) * (present < share)

    def backdrop(self, colour: tuple[float, float, float]) -> torch.Tensor:
        base = self.colour(*colour)
        return self.gradient(base + 0.05, base - 0.06)


def edge(signed_distance: torch.Tensor, softness: float = 0.012) -> torch.Tensor:
    """1 inside, 0 outside, with a smooth border about a pixel and a half wide."""
    return (signed_distance / softness + 0.5).clamp(0, 1)


def cover(picture: torch.Tensor, colour: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return picture + (colour - picture) * mask


def beach(c: Canvas) -> torch.Tensor:
    horizon, shore = c.random(0.38, 0.48), c.random(0.62, 0.70)
    picture = c.gradient(c.colour(0.42, 0.72, 0.96), c.colour(0.80, 0.93, 1.0), 0, 0.45)
    sea = c.gradient(c.colour(0.08, 0.42, 0.72), c.colour(0.25, 0.78, 0.82), 0.4, 0.66)
    picture = cover(picture, sea, edge(c.y - horizon))
    line = c.y - shore - c.wave(1.2, 0.018)
    picture = cover(picture, c.colour(0.97, 0.99, 1.0, 0.01), edge(line + 0.022))
    sand = c.gradient(c.colour(0.93, 0.82, 0.58), c.colour(0.98, 0.88, 0.66), 0.65, 1) + c.noise(9, 9) * 0.015
    return cover(picture, sand, edge(line))


def snow(c: Canvas) -> torch.Tensor:
    picture = c.gradient(c.colour(0.62, 0.76, 0.90), c.colour(0.86, 0.92, 0.97), 0, 0.6)
    far, near = c.random(0.48, 0.58), c.random(0.64, 0.74)
    picture = cover(picture, c.gradient(c.colour(0.90, 0.95, 1.0), c.colour(0.80, 0.88, 0.96), 0.45, 0.8),
                    edge(c.y - far - c.wave(0.9, 0.05)))
    picture = cover(picture, c.gradient(c.colour(0.98, 0.99, 1.0, 0.01), c.colour(0.88, 0.93, 0.98), 0.6, 1),
                    edge(c.y - near - c.wave(0.7, 0.04)))
    return cover(picture, torch.ones_like(picture), c.dots(9, 0.020, 0.75))


def forest(c: Canvas) -> torch.Tensor:
    picture = c.gradient(c.colour(0.48, 0.68, 0.38), c.colour(0.66, 0.80, 0.48), 0, 0.7)
    for row, (shade, columns) in enumerate([(0.75, 9), (0.5, 6)]):
        place, width = c.cells(1, columns, 2).split(1, dim=1)
        inside = (c.x * columns) % 1
        trunk = edge((0.07 + 0.09 * width - (inside - 0.25 - 0.5 * place).abs()) / columns)
        picture = cover(picture, c.colour(0.42, 0.27, 0.16) * (1.15 - 0.3 * row), trunk)
        crown = c.y - c.random(0.20, 0.30) + 0.1 * row - c.wave(2.6, 0.035)
        leaves = c.gradient(c.colour(0.10, 0.34, 0.14), c.colour(0.22, 0.50, 0.22), 0, 0.3) * (0.75 + shade / 2)
        picture = cover(picture, leaves, edge(-crown))
    ground = c.gradient(c.colour(0.26, 0.46, 0.18), c.colour(0.16, 0.32, 0.12), 0.65, 1)
    return cover(picture, ground, edge(c.y - c.random(0.68, 0.76) - c.wave(1.1, 0.02)))


def space(c: Canvas) -> torch.Tensor:
    picture = c.gradient(c.colour(0.04, 0.03, 0.14, 0.02), c.colour(0.09, 0.05, 0.22, 0.02))
    cloud = (c.noise(4, 4) * 0.8 + 0.1).clamp(0, 1)
    picture = cover(picture, c.colour(0.45, 0.18, 0.62, 0.08), cloud * 0.7)
    picture = cover(picture, c.colour(0.15, 0.35, 0.75, 0.08), (c.noise(4, 4) * 0.7).clamp(0, 1) * 0.5)
    stars = c.dots(11, 0.013, 0.5) + c.dots(7, 0.018, 0.25)
    return cover(picture, c.colour(1.0, 0.97, 0.88, 0.02), stars.clamp(0, 1))


def desert(c: Canvas) -> torch.Tensor:
    picture = c.gradient(c.colour(0.98, 0.78, 0.46), c.colour(1.0, 0.92, 0.70), 0, 0.55)
    sun = c.disc(c.random(0.15, 0.85), c.random(0.12, 0.24), c.random(0.07, 0.10))
    picture = cover(picture, c.colour(1.0, 0.98, 0.85, 0.01), sun)
    heights = [c.random(0.44, 0.54), c.random(0.58, 0.66), c.random(0.74, 0.82)]
    colours = [(0.87, 0.58, 0.31), (0.80, 0.48, 0.23), (0.88, 0.60, 0.33)]
    for height, tone in zip(heights, colours):
        line = c.y - height - c.wave(0.8, 0.045)
        dune = c.colour(*tone) + 0.10 - (line * 0.6).clamp(0, 0.2)
        picture = cover(picture, dune, edge(line))
    return picture


def under_water(c: Canvas) -> torch.Tensor:
    picture = c.gradient(c.colour(0.30, 0.80, 0.90), c.colour(0.02, 0.28, 0.55), 0, 0.9)
    lean, phase = c.random(-0.5, 0.5), c.random(0, 6.283)
    rays = torch.sin((c.x + c.y * lean) * 22 + phase) + torch.sin((c.x + c.y * lean) * 13 + phase * 2)
    picture = picture + (rays * 0.06).clamp(min=0) * (1 - c.y) ** 1.5 * 1.6
    floor = c.gradient(c.colour(0.62, 0.66, 0.48), c.colour(0.40, 0.50, 0.42), 0.8, 1)
    picture = cover(picture, floor, edge(c.y - c.random(0.82, 0.90) - c.wave(1.2, 0.02)))
    return cover(picture, c.colour(0.80, 0.96, 1.0, 0.02), c.dots(6, 0.032, 0.35) * 0.55)


def city_at_night(c: Canvas) -> torch.Tensor:
    picture = c.gradient(c.colour(0.05, 0.05, 0.18, 0.02), c.colour(0.26, 0.16, 0.42), 0, 0.7)
    moon = c.disc(c.random(0.15, 0.85), c.random(0.10, 0.18), c.random(0.05, 0.07))
    picture = cover(picture, c.colour(0.98, 0.96, 0.82, 0.02), moon)
    for columns, base, shade in [(11, 0.30, 0.20), (8, 0.45, 0.11)]:
        top = base + c.cells(1, columns) * 0.26
        house = c.colour(shade, shade, shade * 1.7, 0.02)
        tall = edge(c.y - top)
        picture = cover(picture, house, tall)
        wide = columns * 3
        lit = c.cells(24, wide)
        pane = edge(0.30 - ((c.x * wide) % 1 - 0.5).abs(), 0.12) * edge(0.30 - ((c.y * 24) % 1 - 0.5).abs(), 0.12)
        edge_of_house = ((c.x * columns) % 1 - 0.5).abs() < 0.45
        windows = pane * (lit < 0.4) * edge_of_house * (c.y - top > 0.03)
        picture = cover(picture, c.colour(1.0, 0.84, 0.36, 0.02), windows)
    street = c.gradient(c.colour(0.20, 0.19, 0.26, 0.02), c.colour(0.13, 0.12, 0.18, 0.02), 0.82, 1)
    return cover(picture, street, edge(c.y - 0.84))


def meadow(c: Canvas) -> torch.Tensor:
    picture = c.gradient(c.colour(0.36, 0.68, 0.98), c.colour(0.78, 0.92, 1.0), 0, 0.55)
    for _ in range(2):
        x, y, size = c.random(0.05, 0.95), c.random(0.10, 0.30), c.random(0.05, 0.08)
        puffs = c.disc(x, y, size) + c.disc(x - size, y + 0.02, size * 0.7) + c.disc(x + size, y + 0.02, size * 0.75)
        picture = cover(picture, torch.ones_like(picture), puffs.clamp(0, 1) * 0.92)
    far = c.gradient(c.colour(0.52, 0.80, 0.36), c.colour(0.40, 0.72, 0.28), 0.4, 0.7)
    picture = cover(picture, far, edge(c.y - c.random(0.46, 0.54) - c.wave(0.8, 0.04)))
    near = c.y - c.random(0.58, 0.66) - c.wave(0.7, 0.03)
    picture = cover(picture, c.gradient(c.colour(0.36, 0.72, 0.22), c.colour(0.22, 0.54, 0.16), 0.6, 1), edge(near))
    hue = c.cells(8, 8)
    petals = torch.where(hue < 0.33, c.colour(1.0, 0.98, 0.95, 0.01),
                         torch.where(hue < 0.66, c.colour(1.0, 0.84, 0.20), c.colour(0.98, 0.50, 0.68)))
    return cover(picture, petals, c.dots(8, 0.022, 0.6) * (near > 0.03))


def wooden_table(c: Canvas) -> torch.Tensor:
    planks = 5
    tone = c.cells(planks, 1)
    base = c.colour(0.66, 0.42, 0.22, 0.05) * (0.90 + 0.20 * tone)
    bend = c.noise(6, 3)
    grain = torch.sin((c.y * 26 + bend * 0.9 + tone * 9) * 6.283)
    picture = base + grain * 0.022 + c.noise(40, 4) * 0.03
    seam = ((c.y * planks) % 1 - 0.5).abs()
    return cover(picture, base * 0.5, edge(seam - 0.47, 0.05))


def brick_wall(c: Canvas) -> torch.Tensor:
    rows, columns = 9, 5
    row = torch.floor(c.y * rows)
    across = c.x * columns + 0.5 * (row % 2) + c.random(0, 1)
    shade = torch.sin(torch.floor(across) * 12.9898 + row * 78.233 + c.random(0, 6)) * 43758.5453
    shade = shade - torch.floor(shade)
    brick = c.colour(0.70, 0.30, 0.22, 0.04) * (0.84 + 0.30 * shade) + c.noise(24, 24) * 0.012
    joint_x = (0.5 - ((across % 1) - 0.5).abs()) / columns
    joint_y = (0.5 - (((c.y * rows) % 1) - 0.5).abs()) / rows
    gap = edge(0.009 - torch.minimum(joint_x, joint_y))
    return cover(brick, c.colour(0.80, 0.75, 0.69), gap)


def sunset(c: Canvas) -> torch.Tensor:
    picture = c.gradient(c.colour(0.38, 0.18, 0.50), c.colour(0.98, 0.45, 0.34), 0, 0.42)
    picture = cover(picture, c.colour(1.0, 0.80, 0.36), ((c.y - 0.36) / 0.30).clamp(0, 1))
    horizon, x, radius = c.random(0.60, 0.68), c.random(0.2, 0.8), c.random(0.14, 0.19)
    picture = cover(picture, c.colour(1.0, 0.93, 0.62, 0.02), c.disc(x, horizon, radius))
    sea = c.gradient(c.colour(0.62, 0.25, 0.42), c.colour(0.22, 0.11, 0.30), 0.62, 1)
    ripple = edge(torch.sin(c.y * 95) - 0.2, 0.5) * edge(radius * 0.9 - (c.x - x).abs(), 0.10)
    sea = cover(sea, c.colour(1.0, 0.76, 0.42), ripple * 0.8)
    return cover(picture, sea, edge(c.y - horizon))


def moon(c: Canvas) -> torch.Tensor:
    picture = c.colour(0.02, 0.02, 0.06, 0.01).expand(-1, -1, SIDE, SIDE)
    picture = cover(picture, c.colour(0.95, 0.95, 1.0, 0.02), c.dots(8, 0.012, 0.5))
    x, y, radius = c.random(0.12, 0.88), c.random(0.13, 0.22), c.random(0.08, 0.11)
    land = edge(c.noise(9, 9) - 0.25, 0.3)
    earth = cover(c.colour(0.16, 0.42, 0.86), c.colour(0.30, 0.65, 0.34), land)
    picture = cover(picture, earth, c.disc(x, y, radius))
    line = c.y - c.random(0.56, 0.64) - c.wave(0.6, 0.025)
    ground = c.gradient(c.colour(0.78, 0.78, 0.80), c.colour(0.56, 0.56, 0.60), 0.55, 1)
    for _ in range(4):
        x, y, size = c.random(0.05, 0.95), c.random(0.72, 0.96), c.random(0.05, 0.10)
        reach = (((c.x - x) / size) ** 2 + ((c.y - y) / (size * 0.42)) ** 2).sqrt()
        ground = cover(ground, c.colour(0.46, 0.46, 0.50, 0.02), edge(1 - reach, 0.2) * 0.8)
        ground = cover(ground, c.colour(0.86, 0.86, 0.88, 0.02), edge(0.16 - (reach - 1.08).abs(), 0.2) * 0.6)
    return cover(picture, ground, edge(line))


PLACE_PAINTERS = {
    "on the beach": beach, "in the snow": snow, "in the forest": forest, "in space": space, "in the desert": desert,
    "under water": under_water, "in the city at night": city_at_night, "in a meadow": meadow,
    "on a wooden table": wooden_table, "in front of a brick wall": brick_wall, "at sunset": sunset, "on the moon": moon,
}
