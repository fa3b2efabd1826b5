#!/usr/bin/env python3
"""How long single operations take in PyTorch, to be compared with `dbtool bench --operations`.

Names of operations come in on standard input, as `dbtool bench --operations --list` prints them. Each is measured at
once, with a line of JSON as the answer; where there is no twin it tells no time.
"""

import argparse
import json
import statistics
import sys
import time

import torch

import pytorch_light_twins  # noqa: F401, registers its twins
import pytorch_twins

# As in dbtool: rounds of so many seconds, of which the median counts.
ROUND_SECONDS = 0.02
ROUNDS = 5
MOST_CALLS = 50


def seconds(work):
    """The time of one call."""
    work()
    calls = max(1, min(MOST_CALLS, int(ROUND_SECONDS / timed(work, 1))))
    return statistics.median(timed(work, calls) for _ in range(ROUNDS)) / calls


def timed(work, calls):
    start = time.perf_counter()
    for _ in range(calls):
        work()
    return time.perf_counter() - start


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, help="threads of the CPU; PyTorch's choice if left out")
    options = parser.parse_args(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    for line in sys.stdin:
        name = line.rstrip("\n")
        # What autograd needs is recorded by the twins of derivatives themselves.
        work = pytorch_twins.work_for(name)
        operation = {"name": name, "seconds": seconds(work) if work else None}
        print(json.dumps({"implementation": "pytorch", "operation": operation}), flush=True)
        del work


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
