"""Draws the demo's five photos: one dinosaur that the world does not hold, in five places.

    python3 photos.py --output ../../Examples/demo/photos

It is turquoise with orange spots, has yellow plates on its back, and wears a striped scarf and a party hat. The photos
differ in place, size, tilt, side and light.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageChops, ImageDraw, ImageEnhance, ImageFilter

from places import PLACE_PAINTERS, Canvas

DETAIL = 1024  # the side of the figure as drawn, before it is made small
SIDE = 256

SKIN_LIGHT, SKIN_DARK = (64, 214, 200), (22, 158, 166)
BELLY, SPOT, PLATE = (196, 246, 226), (255, 140, 48), (255, 205, 60)
SCARF, SCARF_STRIPE, HAT, HAT_STRIPE = (226, 48, 72), (255, 246, 236), (136, 76, 214), (255, 214, 70)

# place, size as a share of the picture, tilt in degrees, mirrored, centre, light
SHOTS = [
    ("in a meadow", 0.96, 4, False, (0.50, 0.53), 1.00),
    ("on a wooden table", 0.86, -10, False, (0.51, 0.50), 0.96),
    ("in front of a brick wall", 1.04, 6, True, (0.49, 0.52), 1.02),
    ("on the beach", 0.84, -4, True, (0.47, 0.55), 1.04),
    ("in the forest", 0.92, 9, False, (0.52, 0.53), 0.94),
]


def curve(points: list[tuple[float, float]], count: int = 120) -> np.ndarray:
    """A Bezier curve through its control points' pull, [count, 2]."""
    t = np.linspace(0, 1, count)[:, None]
    level = [np.asarray(point, float)[None] for point in points]
    while len(level) > 1:
        level = [a * (1 - t) + b * t for a, b in zip(level, level[1:])]
    return level[0]


def stroke(draw: ImageDraw.ImageDraw, points: list[tuple[float, float]], start: float, end: float, fill) -> None:
    """A curve drawn with a round brush whose radius goes from `start` to `end`."""
    for (x, y), radius in zip(curve(points), np.linspace(start, end, 120)):
        draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=fill)


def disc(draw: ImageDraw.ImageDraw, x: float, y: float, radius: float, fill) -> None:
    draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=fill)


def new_mask() -> tuple[Image.Image, ImageDraw.ImageDraw]:
    mask = Image.new("L", (DETAIL, DETAIL), 0)
    return mask, ImageDraw.Draw(mask)


def shaded(mask: Image.Image, top: tuple, bottom: tuple) -> Image.Image:
    """The mask filled from one colour above to another below."""
    shares = np.linspace(0, 1, DETAIL)[:, None, None]
    rows = np.asarray(top) * (1 - shares) + np.asarray(bottom) * shares
    layer = Image.fromarray(np.broadcast_to(rows, (DETAIL, DETAIL, 3)).astype(np.uint8), "RGB").convert("RGBA")
    layer.putalpha(mask)
    return layer


def draw_dinosaur() -> Image.Image:
    """The figure, facing left, on transparent ground."""
    figure = Image.new("RGBA", (DETAIL, DETAIL), (0, 0, 0, 0))

    far, pen = new_mask()  # the legs of the far side
    stroke(pen, [(430, 700), (420, 800), (412, 880)], 62, 50, 255)
    stroke(pen, [(700, 700), (716, 800), (716, 880)], 62, 50, 255)
    figure.alpha_composite(shaded(far, (18, 140, 150), (14, 118, 132)))

    plates, pen = new_mask()
    spine = curve([(330, 260), (370, 470), (470, 440), (640, 420), (800, 560), (960, 560)], 9)
    for index, (x, y) in enumerate(spine[1:8]):
        size = 78 + 34 * np.sin(index / 6 * np.pi)
        lean = (index - 2) * 14
        pen.polygon([(x - size * 0.62, y + 46), (x + lean * 0.6 + 8, y - size), (x + size * 0.62, y + 46)], fill=255)
    figure.alpha_composite(shaded(plates.filter(ImageFilter.GaussianBlur(3)), PLATE, (250, 160, 40)))

    skin, pen = new_mask()
    pen.ellipse([350, 450, 800, 810], fill=255)
    stroke(pen, [(440, 620), (340, 520), (390, 330), (300, 250)], 128, 78, 255)
    stroke(pen, [(720, 620), (850, 720), (900, 640), (975, 560)], 128, 14, 255)
    stroke(pen, [(300, 262), (250, 262), (190, 292)], 108, 76, 255)
    stroke(pen, [(492, 720), (486, 820), (480, 892)], 72, 60, 255)
    stroke(pen, [(640, 720), (650, 820), (652, 892)], 72, 60, 255)
    figure.alpha_composite(shaded(skin, SKIN_LIGHT, SKIN_DARK))

    belly, pen = new_mask()
    pen.ellipse([400, 640, 730, 800], fill=255)
    figure.alpha_composite(shaded(ImageChops.multiply(belly.filter(ImageFilter.GaussianBlur(8)), skin), BELLY, BELLY))

    spots, pen = new_mask()
    for x, y, radius in [(520, 540, 44), (640, 520, 38), (730, 600, 42), (590, 630, 34), (840, 672, 28), (452, 610, 30),
                         (352, 420, 26), (492, 800, 26), (655, 792, 26), (690, 690, 24), (905, 622, 18)]:
        disc(pen, x, y, radius, 255)
    figure.alpha_composite(shaded(ImageChops.multiply(spots, skin), SPOT, (240, 110, 40)))

    pen = ImageDraw.Draw(figure)
    for x in (446, 480, 514, 618, 652, 686):  # toes
        disc(pen, x, 932, 15, (240, 250, 230, 255))
    draw_scarf(figure)
    draw_face(figure)
    draw_hat(figure)
    # Room to turn without losing the hat.
    framed = Image.new("RGBA", (DETAIL + 120, DETAIL + 120), (0, 0, 0, 0))
    framed.paste(figure, (60, 76))
    return framed


def draw_scarf(figure: Image.Image) -> None:
    for colour, shape in ((SCARF, "whole"), (SCARF_STRIPE, "stripes")):
        mask, pen = new_mask()
        stroke(pen, [(278, 486), (360, 540), (462, 470)], 44, 44, 255)
        stroke(pen, [(430, 500), (470, 560), (452, 660)], 42, 50, 255)
        if shape == "stripes":
            stripes, stripe_pen = new_mask()
            for offset in range(0, 700, 76):
                stripe_pen.line([(180 + offset, 400), (120 + offset, 760)], fill=255, width=26)
            mask = ImageChops.multiply(mask, stripes)
        figure.alpha_composite(shaded(mask, colour, tuple(int(value * 0.86) for value in colour)))


def draw_face(figure: Image.Image) -> None:
    pen = ImageDraw.Draw(figure)
    disc(pen, 262, 236, 40, (255, 255, 255, 255))
    disc(pen, 254, 240, 27, (30, 26, 48, 255))
    disc(pen, 246, 229, 10, (255, 255, 255, 255))
    disc(pen, 132, 270, 9, (16, 96, 106, 255))
    disc(pen, 268, 316, 28, (255, 140, 150, 255))
    pen.arc([130, 250, 240, 352], 20, 120, fill=(16, 90, 100, 255), width=13)


def draw_hat(figure: Image.Image) -> None:
    tip, left, right = (352, 18), (262, 176), (398, 206)
    hat, pen = new_mask()
    pen.polygon([tip, left, right], fill=255)
    figure.alpha_composite(shaded(hat, HAT, HAT))
    stripes, stripe_pen = new_mask()
    for height in (70, 128, 186):
        stripe_pen.line([(200, height - 14), (450, height + 40)], fill=255, width=24)
    figure.alpha_composite(shaded(ImageChops.multiply(stripes, hat), HAT_STRIPE, HAT_STRIPE))
    disc(ImageDraw.Draw(figure), tip[0], tip[1] + 12, 32, (255, 84, 130, 255))


def take(figure: Image.Image, shot: tuple, seed: int) -> Image.Image:
    place, size, tilt, mirrored, (across, down), light = shot
    canvas = Canvas(1, torch.device("cpu"), torch.Generator().manual_seed(seed))
    ground = (PLACE_PAINTERS[place](canvas)[0].clamp(0, 1) * 255).byte().permute(1, 2, 0).numpy()
    picture = Image.fromarray(ground).resize((SIDE, SIDE), Image.BICUBIC).convert("RGBA")

    subject = figure.transpose(Image.FLIP_LEFT_RIGHT) if mirrored else figure
    subject = subject.rotate(tilt, Image.BICUBIC).resize((round(size * SIDE),) * 2, Image.LANCZOS)
    corner = (round(across * SIDE - subject.width / 2), round(down * SIDE - subject.height / 2))
    shadow = Image.new("L", (SIDE, SIDE), 0)
    shadow.paste(subject.getchannel("A").point(lambda value: value * 2 // 5), (corner[0] + 6, corner[1] + 10))
    dark = Image.new("RGBA", (SIDE, SIDE), (0, 0, 0, 255))
    dark.putalpha(shadow.filter(ImageFilter.GaussianBlur(7)))
    picture.alpha_composite(dark)
    layer = Image.new("RGBA", (SIDE, SIDE), (0, 0, 0, 0))
    layer.paste(subject, corner)
    picture.alpha_composite(layer)
    return ImageEnhance.Brightness(picture.convert("RGB")).enhance(light)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    figure = draw_dinosaur()
    for number, shot in enumerate(SHOTS, start=1):
        take(figure, shot, seed=number).save(arguments.output / f"{number}.png", optimize=True)


if __name__ == "__main__":
    main()
