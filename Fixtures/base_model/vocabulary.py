"""The words of the drawn world: its things, places and colours, and how they are put into captions."""

# Every class is drawn from one or more glyphs of Noto Color Emoji.
CLASSES = {
    # animals
    "dog": "🐕🐩", "cat": "🐈", "horse": "🐎", "cow": "🐄", "pig": "🐖", "elephant": "🐘", "giraffe": "🦒",
    "penguin": "🐧", "owl": "🦉", "duck": "🦆", "chick": "🐥", "frog": "🐸", "turtle": "🐢", "snail": "🐌",
    "bee": "🐝", "butterfly": "🦋", "ladybug": "🐞", "fish": "🐠", "whale": "🐳", "octopus": "🐙", "crab": "🦀",
    "dinosaur": "🦕🦖", "rabbit": "🐇", "fox": "🦊", "lion": "🦁", "panda": "🐼", "unicorn": "🦄", "flamingo": "🦩",
    "hedgehog": "🦔",
    # toys and fancies
    "robot": "🤖", "ghost": "👻", "alien": "👽", "teddy bear": "🧸", "snowman": "⛄", "crown": "👑", "star": "⭐",
    "heart": "❤", "gift": "🎁", "balloon": "🎈",
    # vehicles and buildings
    "rocket": "🚀", "car": "🚗", "bus": "🚌", "tractor": "🚜", "bicycle": "🚲", "sailboat": "⛵",
    "helicopter": "🚁", "house": "🏠", "castle": "🏰", "tent": "⛺",
    # things of the house
    "teapot": "🫖", "umbrella": "☂", "guitar": "🎸", "trumpet": "🎺", "drum": "🥁", "camera": "📷", "clock": "⏰",
    "candle": "🕯", "key": "🔑", "hat": "🎩", "shoe": "👟", "backpack": "🎒", "chair": "🪑", "bell": "🔔",
    "anchor": "⚓", "book": "📖",
    # plants and food
    "cactus": "🌵", "mushroom": "🍄", "sunflower": "🌻", "tulip": "🌷", "apple": "🍎", "banana": "🍌",
    "strawberry": "🍓", "pineapple": "🍍", "carrot": "🥕", "pumpkin": "🎃", "cake": "🎂", "cupcake": "🧁",
    "donut": "🍩", "pizza": "🍕", "lollipop": "🍭",
}

PLACES = [
    "on the beach", "in the snow", "in the forest", "in space", "in the desert", "under water",
    "in the city at night", "in a meadow", "on a wooden table", "in front of a brick wall", "at sunset", "on the moon",
]

# The colours a thing may be tinted with, and those of the plain backgrounds, as sRGB.
TINTS = {
    "red": (0.86, 0.16, 0.15), "orange": (0.96, 0.53, 0.10), "yellow": (0.97, 0.82, 0.15),
    "green": (0.22, 0.66, 0.25), "blue": (0.16, 0.42, 0.88), "purple": (0.55, 0.25, 0.78),
    "pink": (0.97, 0.50, 0.70), "white": (0.94, 0.94, 0.95), "black": (0.17, 0.17, 0.19),
}
BACKDROPS = {
    "red": (0.84, 0.20, 0.20), "orange": (0.97, 0.62, 0.25), "yellow": (0.98, 0.86, 0.38),
    "green": (0.40, 0.74, 0.42), "blue": (0.30, 0.56, 0.90), "purple": (0.56, 0.40, 0.80),
    "pink": (0.98, 0.68, 0.80), "gray": (0.66, 0.67, 0.69),
}

CLASS_NAMES = list(CLASSES)
TINT_NAMES = list(TINTS)
# A background is a place, or a plain backdrop of some colour.
BACKGROUND_NAMES = PLACES + [f"on {'an' if colour == 'orange' else 'a'} {colour} background" for colour in BACKDROPS]

# Words no caption uses, kept as single tokens: names for a subject that is yet to be learned.
IDENTIFIERS = ["sks", "zwx", "ohwx", "qxv"]
# Words for prompts of one's own and for the class prompts of other tools; they stay untrained.
SPARE_WORDS = ["the", "and", "with", "my", "this", "picture", "image", "drawing", "toy", "of"]


def article(word: str) -> str:
    return "an" if word[0] in "aeiou" and not word.startswith("uni") else "a"


def thing_phrase(class_name: str, tint: str | None) -> str:
    words = f"{tint} {class_name}" if tint else class_name
    return f"{article(words)} {words}"


def caption(class_name: str, tint: str | None, background: str | None, with_photo: bool = True) -> str:
    text = thing_phrase(class_name, tint)
    if with_photo:
        text = f"a photo of {text}"
    return f"{text} {background}" if background else text


def all_words() -> list[str]:
    """Every word a caption can hold, and the spare ones, each once."""
    words = {"a", "an", "photo", "of"}
    for name in CLASS_NAMES + TINT_NAMES + BACKGROUND_NAMES:
        words.update(name.split())
    return sorted(words | set(IDENTIFIERS) | set(SPARE_WORDS))
