"""Draws the glyphs of Noto Color Emoji as 96-pixel RGBA sprites and stores them in one .npz file.

    python3 sprites.py --output sprites.npz

`class_sprites` [N, 96, 96, 4] with `class_indices` [N] are the world's named things; `other_sprites` [M, 96, 96, 4] are
all remaining glyphs, which only the autoencoder sees.
"""

import argparse
import unicodedata

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from vocabulary import CLASS_NAMES, CLASSES

FONT = "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf"  # Debian's fonts-noto-color-emoji
BITMAP_SIZE = 109  # the only size the font's bitmaps come in
SIDE = 96
# Flags, clocks, letters in boxes and modifiers look alike or show text: of no use to a model of pictures.
SKIPPED_WORDS = ("CLOCK FACE", "REGIONAL", "MODIFIER", "SQUARED", "CIRCLED", "KEYCAP", "DIGIT", "SYMBOL", "BUTTON",
                 "ARROW", "SIGN", "TAG ", "VARIATION")


def draw_glyph(character: str, font: ImageFont.FreeTypeFont) -> Image.Image | None:
    canvas = Image.new("RGBA", (200, 200), (0, 0, 0, 0))
    ImageDraw.Draw(canvas).text((20, 20), character, font=font, embedded_color=True)
    box = canvas.getchannel("A").getbbox()
    if box is None:
        return None
    glyph = canvas.crop(box)
    side = max(glyph.size) + 2
    square = Image.new("RGBA", (side, side), (0, 0, 0, 0))
    square.paste(glyph, ((side - glyph.width) // 2, (side - glyph.height) // 2))
    return square.resize((SIDE, SIDE), Image.LANCZOS)


def other_characters() -> list[str]:
    named = set("".join(CLASSES.values()))
    candidates = [*range(0x2600, 0x27C0), *range(0x1F300, 0x1F650), *range(0x1F680, 0x1F700), *range(0x1F900, 0x1FB00)]
    characters = []
    for code in candidates:
        name = unicodedata.name(chr(code), "")
        if name and chr(code) not in named and not any(word in name for word in SKIPPED_WORDS):
            characters.append(chr(code))
    return characters


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", default="sprites.npz")
    arguments = parser.parse_args()
    font = ImageFont.truetype(FONT, BITMAP_SIZE)

    class_sprites, class_indices = [], []
    for index, name in enumerate(CLASS_NAMES):
        for character in CLASSES[name]:
            sprite = draw_glyph(character, font)
            if sprite is None:
                raise SystemExit(f"the font has no picture of {name} ({character})")
            class_sprites.append(np.asarray(sprite))
            class_indices.append(index)

    others = []
    for character in other_characters():
        sprite = draw_glyph(character, font)
        # A glyph without colour is text or missing; nothing in the world looks like it.
        if sprite is not None and np.asarray(sprite.convert("RGB").convert("HSV"))[..., 1].max() > 40:
            others.append(np.asarray(sprite))
    np.savez_compressed(arguments.output, class_sprites=np.stack(class_sprites), class_indices=np.array(class_indices),
                        other_sprites=np.stack(others))
    print(f"{len(class_sprites)} sprites of {len(CLASS_NAMES)} classes and {len(others)} others")


if __name__ == "__main__":
    main()
