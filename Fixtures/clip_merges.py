"""CLIP's merges: writes them into the Swift source, and reads them from there for the other scripts.

    python3 Fixtures/clip_merges.py bpe_simple_vocab_16e6.txt.gz

The file is OpenAI's, from the repository of CLIP; packages such as open_clip_torch carry it too. CLIP uses its first
48894 merges, the number that makes 49408 tokens with 256 bytes, the same at the end of a word, and two marks.
"""

import gzip
import hashlib
import pathlib
import sys

SOURCE = pathlib.Path(__file__).resolve().parent.parent / "Sources/Diffusion/CLIP/CLIPMerges.swift"
SHA256 = "924691ac288e54409236115652ad4aa250f48203de50a9e4722a6ecd48d6804a"
COUNT = 49408 - 2 * 256 - 2
PER_LINE = 150
BEGIN, END = '  static let text = #"""\n', '\n    """#'

HEAD = '''// CLIP's vocabulary as OpenAI published it, under this licence:
//
// MIT License
//
// Copyright (c) 2021 OpenAI
//
// Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
// documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
// rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
// persons to whom the Software is furnished to do so, subject to the following conditions:
//
// The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
// Software.
//
// THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
// WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
// COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
// OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.

/// The merges of CLIP's byte-pair encoding, in the order in which they were learnt.
///
/// They are part of the program so that it finds them wherever it is installed. Fixtures/clip_merges.py wrote this file.
enum CLIPMerges {
  /// Pairs of symbols, all with white space between.
'''


def merges():
    """Pairs of symbols, the earliest learnt first."""
    symbols = SOURCE.read_text().partition(BEGIN)[2].partition(END)[0].split()
    return list(zip(symbols[::2], symbols[1::2]))


def main(path):
    data = pathlib.Path(path).read_bytes()
    if hashlib.sha256(data).hexdigest() != SHA256:
        raise SystemExit(f"{path} is not OpenAI's file")
    lines = gzip.decompress(data).decode().split("\n")[1:COUNT + 1]
    rows = [" ".join(lines[start:start + PER_LINE]) for start in range(0, COUNT, PER_LINE)]
    SOURCE.write_text(HEAD + BEGIN + "\n".join(f"    {row}" for row in rows) + END + "\n}\n")
    if merges() != [tuple(line.split()) for line in lines]:
        raise SystemExit("the merges do not read back")


if __name__ == "__main__":
    main(sys.argv[1])
