"""CLIP tokenizers and the ids that transformers gives for difficult text.

`transformers.CLIPTokenizer` builds the same pipeline round any vocabulary. A small one is made here from
a few sentences in many scripts and laid out as CLIP's is: 256 bytes, 256 bytes at the end of a word,
merges, and the two markers.

`tokenizer/` holds four folders as users have them: `sd1` (vocab.json and merges.txt, markers found in any
case), `sd2` (padding with "!"), `transformers5` (tokenizer.json alone) and `added` (words added to it, one
of every kind), and `holes`, whose vocabulary lacks some bytes. `tokenizer.json` holds texts and, for
each folder, the ids of every text, and prompts with their padded ids. `clip-sd1` and `clip-sd2` stand there
for folders with CLIP's own merges, which are part of the Swift sources; see `clip_merges.py`.
"""

import collections
import json
import pathlib
import random
import shutil
import tempfile
import unicodedata

from tokenizers import AddedToken, pre_tokenizers
from transformers import CLIPTokenizer

import clip_merges
import common

FOLDERS = common.GOLDENS / "tokenizer"
BOS, EOS = "<|startoftext|>", "<|endoftext|>"

CORPUS = """
a photo of a sks dog in a bucket, a painting of a sks cat wearing a red hat in the jungle
a photo of the dog, the cat and the person on the beach at sunset with the mountains behind it's don't we're i've
an oil painting of a lighthouse by the sea, highly detailed, 4k, trending on artstation, masterpiece, best quality
portrait of a woman standing in the rain, dramatic lighting, sharp focus, bokeh, f/1.8, 85mm, iso 100, 2024, 1990s
ein foto von einem hund auf der straße, größe, müde, fußball, schöne grüße aus köln, über den dächern der stadt
une photo d'un chien sur la plage, été, garçon, déjà vu, l'œuvre, naïve, à l'hôtel, français, où es-tu
una foto de un perro en la playa, niño, mañana, corazón, ¿qué tal?, ¡hola!, español, pingüino, cigüeña
türkiye istanbul ışık çiçek öğrenci şeker güneş yağmur ağaç ılık ızgara diyarbakır kırmızı balık
фотография собаки на пляже, кошка в шляпе, красивый закат над морем, съёмка, мальчик, девочка, хорошо
φωτογραφία ενός σκύλου στην παραλία, σοφός, οδυσσεύς, κόσμος, θάλασσα, άνθρωπος, ήλιος, εικόνα
犬の写真 海辺の猫 美しい夕焼け 山と川 一张狗的照片 海边的猫 美丽的日落 개 사진 바닷가의 고양이 아름다운 노을
صورة كلب على الشاطئ قطة ترتدي قبعة غروب جميل תמונה של כלב בחוף חתול עם כובע שקיעה יפה
एक कुत्ते की तस्वीर समुद्र तट पर सुंदर सूर्यास्त รูปถ่ายของสุนัขบนชายหาด ảnh một con chó trên bãi biển đẹp
""".strip().splitlines()

CONTRACTIONS = ["it's", "IT'S", "don't", "we're", "I've", "I'm", "they'll", "she'd", "'s", "' s", "''s", "!'s", "'sun",
                "rock'n'roll", "o'clock", "'tis", "l'été", "y'all'd've", "'re're", "’s don’t", "a'b'c", "'llama", "'d'",
                "it's's", "'Ve", "'ſ"]
MARKERS = [EOS, BOS, f"a{EOS}b", f"a {EOS} b", f"{BOS}{EOS}", f"{EOS}{EOS}", "<|ENDOFTEXT|>", "<|StartOfText|>",
           "<|endoftext", "endoftext|>", "<|endoftext|>>", "<<|endoftext|>", "!!<|ENDOFTEXT|>!!", "a<|ENDOFTEXT|>b",
           "<| endoftext |>", "</w>", "a</w>b", "<|endoftext|></w>", "!", "!!", "a!", "! !", "hello! world!!", "!dog!",
           "<|startoftext|>a photo<|endoftext|>", "<|STARTOFTEXT|>'s", "x<|endo<|endoftext|>ftext|>"]
SPACES = ["", " ", "  ", "\t", "\n", "\r\n", " a", "a ", " a  b ", "a\u00a0b", "a\u2003b", "a\u3000b", "a\u2028b", "a\u2029b",
          "a\u0085b", "a\u200bb", "a\ufeffb", "a\u180eb", "a\u1680b", "a\u202fb", "a\u205fb", "\u00a0", "a\x0bb\x0cc",
          "a\x1cb\x1db\x1eb\x1fb", "\u2060a", "a \u00a0 \t b", "\u2000\u2001\u2004\u2005\u2006\u2007\u2008\u2009\u200a"]
LETTERS = ["İstanbul", "IŞIK ışık ıI iİ", "STRASSE straße ẞ", "ΟΔΥΣΣΕΥΣ Σ ΣΑΣ σς ΆΣ", "ǅungla Ǆ ǆ", "ﬁ ﬂ ﬃ ſ ŉ", "Å Å Å", "é é É É",
           "ﷺ", "ℌℑℕ", "Ⅷ ⅷ ⅓ ² ³ ½ ①⑳ ㊿ ๓ ४ ٣ 𝟘 𒐀", "K Ω", "ᾳ ᾼ ᾳι ῼ", "ŐŰőű", "ĲĳŒœÆæ", "Ⴀ Ა ა ᏸ Ꭰ ꭰ", "𐐀𐐨 𞤀𞤢",
           "ạ́ ạ́ ạ́", "q̣̇ q̣̇", "각 각 가", "क़ क़", "يّ ّي", "שּׁ שׁ", "ﬀ①ﾊﾝｶｸ ハンカク", "Ǖǖ ǖ",
           "\u0344 \u0308\u0301", "\u0374 \u037e \u0387", "\u2126 \u212a \u212b", "豈 更", "a\u0338 \u226e <\u0338", "Ø O̸"]
SIGNS = ["dog,", "dog.cat", "a,b;c:d", "...", "—–-_", "f/1.8", "85mm", "1990s", "3.14159", "1,000,000", "$9.99", "a_b_c", "(((a)))",
         "[[b]]", "c++", "#hashtag @user", "http://example.com/a?b=c&d=%20", "a@b.co", "\\n\\t", "`code`", "\"quoted\"", "~^|<>=+*/",
         "5'10\"", "100%", "№5", "°C", "€£¥", "→←↔", "«»‹›", "、。「」", "،؛؟", "a\x00b", "\x01\x02\x7f", "\x80\x9f", "\u00ad soft\u00adhyphen",
         "\u200d\u200c", "\ufffd", "\ufffe", "\ue000", "\U0010ffff", "\U000f0000"]
EMOJI = ["🐶", "🐶🐱", "a🐶b", "👩‍👩‍👧‍👦 family", "🇩🇪🇫🇷", "👍🏽", "❤️", "❤", "1️⃣", "😀!", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "☃️☃", "🫠🪿", "♥︎", "©®™"]
ADDED = ["<sks-cat>", "a <sks-cat> here", "<SKS-CAT>", "a<sks-cat>b", "<sks-cat><sks-cat>", "<sks-cat>_1", "<sks-cat", "sks-cat>",
         "zwx", "a zwx b", "azwxb", "zwx,zwx", "éÉlan", "élan ÉLAN é lan", "a <left> b", "a <right> b", "a  <both>  b", "<both>",
         "a\u00a0<left>b", "[unused]", "[UNUSED]", "x[unused]y", "zwx_zwx zwxé zwx-zwx", "<sks", "<sks-cat>-tail", "tail<sks-cat>-tail",
         "<left><right><both>", "  <both>  <both>  "]
LONG = ["a" * 300, "photo" * 60, "é" * 120, "犬" * 100, "1" * 100, "!" * 200, "a photo of a dog " * 30, "🐶" * 60, "ab" * 2000]


def generated(count, rng):
    """Random texts: of words of the corpus, of characters of one script, and of anything at all."""
    words = " ".join(CORPUS).split()
    specials = CONTRACTIONS + MARKERS + SPACES + LETTERS + SIGNS + EMOJI + ADDED
    ranges = [(0x20, 0x7E), (0xA0, 0x24F), (0x250, 0x36F), (0x370, 0x3FF), (0x400, 0x52F), (0x590, 0x6FF), (0x900, 0x97F), (0xE00, 0xE7F),
              (0x10A0, 0x11FF), (0x1E00, 0x1FFF), (0x2000, 0x218F), (0x2460, 0x26FF), (0x3000, 0x30FF), (0x4E00, 0x4FFF),
              (0xA640, 0xA7CA), (0xAC00, 0xAD00), (0xF900, 0xFB4F), (0xFE00, 0xFEFF), (0x10400, 0x1044F), (0x1F300, 0x1F64F)]
    for index in range(count):
        kind = index % 4
        if kind == 0:
            yield " ".join(rng.choice(words) for _ in range(rng.randint(1, 12)))
        elif kind == 1:
            low, high = rng.choice(ranges)
            yield "".join(chr(rng.randint(low, high)) for _ in range(rng.randint(1, 12)))
        elif kind == 2:
            yield "".join(chr(rng.randint(*rng.choice(ranges))) for _ in range(rng.randint(1, 12)))
        else:
            yield "".join(rng.choice([rng.choice(words), rng.choice(specials), " "]) for _ in range(rng.randint(2, 5)))


def is_old_enough(text):
    """Leaves out code points younger than Unicode 14, on whose class the libraries need not agree."""
    return all(unicodedata.category(character) != "Cn" or ord(character) & 0xFFFE == 0xFFFE for character in text)


def small_vocabulary_and_merges():
    """A vocabulary in CLIP's layout and the merges that belong to it.

    The trainer of the tokenizers library breaks ties differently from run to run, so the merges are chosen here: each
    time the most frequent pair, the first by its symbols among equals.
    """
    pipeline = CLIPTokenizer().backend_tokenizer
    words = collections.Counter(
        word for line in CORPUS
        for word, _ in pipeline.pre_tokenizer.pre_tokenize_str(pipeline.normalizer.normalize_str(line)))
    parts = {word: [*word[:-1], word[-1] + "</w>"] for word in words}
    merges = []
    while len(merges) < 800:
        pairs = collections.Counter()
        for word, symbols in parts.items():
            for pair in zip(symbols, symbols[1:]):
                pairs[pair] += words[word]
        first, second = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append((first, second))
        for symbols in parts.values():
            for index in range(len(symbols) - 1):
                if symbols[index:index + 2] == [first, second]:
                    symbols[index:index + 2] = [first + second]
    return numbered(merges), merges


def numbered(merges):
    """The ids of all symbols, in CLIP's order."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    symbols = alphabet + [symbol + "</w>" for symbol in alphabet]
    known = set(symbols)
    symbols += dict.fromkeys(first + second for first, second in merges if first + second not in known)
    return {symbol: index for index, symbol in enumerate(symbols + [BOS, EOS])}


def write_slow_folder(folder, vocabulary, merges, pad):
    """A folder as older versions wrote it, and as the Stable Diffusion models have it."""
    folder.mkdir(parents=True)
    token = {"lstrip": False, "normalized": True, "rstrip": False, "single_word": False}
    markers = {"bos_token": {"content": BOS, **token}, "eos_token": {"content": EOS, **token},
               "unk_token": {"content": EOS, **token}, "pad_token": pad}
    config = {key: {"__type": "AddedToken", **value} if isinstance(value, dict) else value for key, value in markers.items()}
    dump(folder / "vocab.json", vocabulary)
    dump(folder / "special_tokens_map.json", markers)
    dump(folder / "tokenizer_config.json", {**config, "model_max_length": 77, "tokenizer_class": "CLIPTokenizer"})
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2"] + [" ".join(merge) for merge in merges]) + "\n")


def dump(path, value):
    path.write_text(json.dumps(value, ensure_ascii=False) + "\n")


def main():
    rng = random.Random(0)
    shutil.rmtree(FOLDERS, ignore_errors=True)
    small, merges = small_vocabulary_and_merges()
    write_slow_folder(FOLDERS / "sd1", small, merges, pad=EOS)
    write_slow_folder(FOLDERS / "sd2", small, merges, pad="!")

    merged = {part for merge in merges for part in merge}
    lost = [symbol for symbol in small if len(symbol.removesuffix("</w>")) == 1 and symbol not in merged][::3]
    kept = {symbol: index for index, symbol in enumerate(symbol for symbol in small if symbol not in lost)}
    write_slow_folder(FOLDERS / "holes", kept, merges, pad=EOS)

    fresh = CLIPTokenizer(vocab=small, merges=merges, model_max_length=77)
    fresh.save_pretrained(str(FOLDERS / "transformers5"))
    fresh.add_tokens(["<sks-cat>", "zwx", "<sks-cat>_1", "Élan", AddedToken("<left>", lstrip=True), AddedToken("<right>", rstrip=True),
                      AddedToken("<both>", lstrip=True, rstrip=True, normalized=False),
                      AddedToken("[unused]", single_word=True), AddedToken("<sks-cat>-tail", special=True)])
    fresh.save_pretrained(str(FOLDERS / "added"))

    texts = CORPUS + CONTRACTIONS + MARKERS + SPACES + LETTERS + SIGNS + EMOJI + ADDED + LONG
    texts += [line.upper() for line in CORPUS] + [unicodedata.normalize("NFD", line) for line in CORPUS]
    texts += filter(is_old_enough, generated(2400, rng))
    prompts = texts[:60] + LONG
    ids, padded = {}, {}

    def encode(folder):
        tokenizer = CLIPTokenizer.from_pretrained(str(folder))
        ids[folder.name] = [tokenizer(text, add_special_tokens=False).input_ids for text in texts]
        padded[folder.name] = tokenizer(prompts, padding="max_length", truncation=True, max_length=77).input_ids

    for folder in sorted(FOLDERS.iterdir()):
        encode(folder)
        for file in folder.iterdir():
            common.record(file, __file__)
    merges = clip_merges.merges()
    with tempfile.TemporaryDirectory() as home:
        for name, pad in [("clip-sd1", EOS), ("clip-sd2", "!")]:
            write_slow_folder(pathlib.Path(home, name), numbered(merges), merges, pad)
            encode(pathlib.Path(home, name))
    value = {"texts": texts, "ids": ids, "prompts": prompts, "padded": padded}
    common.write_json("tokenizer", value, __file__, indent=None)


if __name__ == "__main__":
    main()
