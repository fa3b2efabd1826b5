"""Writes the tokenizer: CLIP's byte-level BPE with merges for the words of the drawn world.

    python3 tokenizer.py --output MODEL/tokenizer
"""

import argparse
import json
from collections import Counter
from pathlib import Path

from transformers import CLIPTokenizer

from vocabulary import all_words

START, END = "<|startoftext|>", "<|endoftext|>"


def byte_alphabet() -> list[str]:
    """GPT-2's printable stand-ins for the 256 bytes, in CLIP's order: printable bytes first, then the others."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) for byte in printable] + [chr(256 + index) for index in range(len(others))]


def learn_merges(words: list[str]) -> list[tuple[str, str]]:
    """Merges after which every word is one token.

    Plain BPE: join the commonest pair, of equally common ones the first in order, so that every run gives the same ids.
    """
    pieces = [[*word[:-1], word[-1] + "</w>"] for word in words]
    merges: list[tuple[str, str]] = []
    while True:
        counts = Counter(pair for word in pieces for pair in zip(word, word[1:]))
        if not counts:
            return merges
        left, right = min(counts, key=lambda pair: (-counts[pair], pair))
        merges.append((left, right))
        for word in pieces:
            index = 0
            while index < len(word) - 1:
                if word[index] == left and word[index + 1] == right:
                    word[index:index + 2] = [left + right]
                index += 1


def write_tokenizer(folder: Path) -> CLIPTokenizer:
    folder.mkdir(parents=True, exist_ok=True)
    words = all_words()
    merges = learn_merges(words)
    alphabet = byte_alphabet()
    tokens = alphabet + [letter + "</w>" for letter in alphabet] + ["".join(merge) for merge in merges] + [START, END]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    if len(vocabulary) != len(tokens):
        raise SystemExit("two merges make the same token")
    tokenizer = CLIPTokenizer(vocab=vocabulary, merges=merges, unk_token=END, bos_token=START, eos_token=END,
                              pad_token=END, model_max_length=77)
    tokenizer.save_pretrained(folder)
    # transformers 5 writes tokenizer.json alone; the two older files are what most other readers look for.
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False))
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *map(" ".join, merges)]) + "\n")
    for word in words:
        ids = tokenizer(word).input_ids
        if ids != [vocabulary[START], vocabulary[word + "</w>"], vocabulary[END]]:
            raise SystemExit(f"{word} is not a single token: {tokenizer.convert_ids_to_tokens(ids)}")
    return tokenizer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    print(f"{len(write_tokenizer(parser.parse_args().output))} tokens")


if __name__ == "__main__":
    main()
