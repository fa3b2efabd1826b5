"""Draws the captions of the demo's picture: Examples/demo/captions/{photos,before,after,class}.png.

    python3 demo_captions.py

They are pictures so that the demo needs no font.
"""

import json
import pathlib

from PIL import Image, ImageDraw, ImageFont

DEMO = pathlib.Path(__file__).resolve().parent.parent / "Examples" / "demo"
WIDTH, HEIGHT, SIZE = 992, 34, 21


def caption(title, text):
    """A strip with a bold-looking title and a grey explanation behind it."""
    strip = Image.new("RGB", (WIDTH, HEIGHT), "white")
    draw = ImageDraw.Draw(strip)
    font = ImageFont.load_default(SIZE)
    draw.text((0, 2), title, fill=(24, 24, 27), font=font, stroke_width=0.4, stroke_fill=(24, 24, 27))
    draw.text((draw.textlength(title, font=font) + 14, 2), text, fill=(113, 113, 122), font=font)
    return strip


def main():
    plan = json.loads((DEMO / "demo.json").read_text())
    subject = plan["instance_prompt"]
    texts = {
        "photos": ("Five photos", "of somebody the model has never met"),
        "before": ("Before", f"“{subject}” in space, in the snow, on the moon, under water, at night"),
        "after": ("After", "the same words and the same noise, in places no photo showed"),
        "class": ("The others", f"“{plan['class_prompt']}” is still any of its kind"),
    }
    (DEMO / "captions").mkdir(parents=True, exist_ok=True)
    for name, (title, text) in texts.items():
        caption(title, text).save(DEMO / "captions" / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
