#!/usr/bin/env python3
"""Makes a folder of a single file by diffusers, as its documentation says; `compare_conversion` measures it."""

import argparse
import sys

import torch
from diffusers import StableDiffusionPipeline


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file")
    parser.add_argument("folder")
    parser.add_argument("--config", required=True, help="a folder with the configurations and the tokenizer")
    parser.add_argument("--half", action="store_true")
    options = parser.parse_args(arguments)
    dtype = torch.float16 if options.half else torch.float32
    pipeline = StableDiffusionPipeline.from_single_file(
        options.file, config=options.config, local_files_only=True, torch_dtype=dtype)
    pipeline.save_pretrained(options.folder)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
