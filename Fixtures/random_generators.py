"""Writes `goldens/random_generators.safetensors`: the numbers of torch's generators, and Philox.

`cpu/*` come from `torch.Generator("cpu")`, seed 1234567890123 unless named; `cpu/sequence/*` are one
generator's calls in turn, which shows what it keeps between calls.

No GPU takes part. `cuda/*` are computed here with numpy from the definition of cuRAND's Philox generator
and of PyTorch's launch grid. `published/*` are what people's CUDA devices printed (rounded to four
decimals) after `torch.manual_seed`, found in public repositories; this script checks itself against them.

`philox/*` is the published test vector of Philox 4x32-10 and the project's own streams, in numpy.
"""

import numpy
import torch

import common

SEED = 1234567890123
PUBLISHED = {
    (0, 8): [-0.9247, -0.4253, -2.6438, 0.1452, -0.1209, -0.5797, -0.6229, -0.3284],
    (42, 19): [0.1940, 2.1614, -0.1721, 0.8491, -1.9244, 0.6530, -0.6494, -0.8175, 0.5280, -1.2753, -1.6621, -0.3033,
               -0.0926, 0.1992, -1.1204, 1.8577, -0.7145, 0.6881, 0.7968],
}
# The second and the third draw of four elements with seed 42.
PUBLISHED_NEXT = [[0.1391, -0.1082, -0.7174, 0.7566], [-0.5187, 1.2268, 0.6255, -0.9117]]


def generator(seed=SEED):
    return torch.Generator("cpu").manual_seed(seed)


def cpu():
    tensors = {}
    for count in [1, 2, 3, 15, 16, 17, 31, 32, 33, 100, 2500]:
        tensors[f"cpu/randn/{count}"] = torch.randn(count, generator=generator())
        tensors[f"cpu/randn_double/{count}"] = torch.randn(count, generator=generator(), dtype=torch.float64)
    for seed in [0, 1, 42, 2**32, 2**32 + 1, 2**64 - 1]:
        tensors[f"cpu/seed/{seed}"] = torch.randn(20, generator=generator(seed))
    tensors["cpu/rand"] = torch.rand(1500, generator=generator())
    tensors["cpu/rand_double"] = torch.rand(700, generator=generator(), dtype=torch.float64)
    for count in [7, 100]:
        tensors[f"cpu/normal/{count}"] = torch.empty(count).normal_(-3.5, 0.02, generator=generator())
    for low, high in [(0, 1000), (-5, 6), (0, 2**28 - 1), (0, 2**28), (0, 2**32), (-2**40, 2**50), (-2**63, 2**63 - 1)]:
        tensors[f"cpu/randint/{low}/{high}"] = split(torch.randint(low, high, (50,), generator=generator()))
    for count in [0, 1, 2, 10, 1000]:
        tensors[f"cpu/randperm/{count}"] = torch.randperm(count, generator=generator()).to(torch.int32)
    one = generator()
    calls = [lambda: torch.randn(3, generator=one), lambda: torch.rand(2, generator=one), lambda: torch.randn(1, generator=one),
             lambda: torch.randn(1, generator=one), lambda: torch.randn(20, generator=one),
             lambda: torch.randint(0, 1000, (3,), generator=one).to(torch.int32), lambda: torch.randn(2, generator=one)]
    return tensors | {f"cpu/sequence/{index}": call() for index, call in enumerate(calls)}


def split(integers):
    """64-bit integers as [count, 2] Int32: the lower and the upper half."""
    return torch.from_numpy(integers.numpy().view(numpy.int32).reshape(-1, 2).copy())


def philox(key, counter):
    """Philox 4x32-10 of [count, 4] counters."""
    words = [numpy.asarray(word, dtype=numpy.uint64) for word in numpy.moveaxis(numpy.asarray(counter), -1, 0)]
    key0, key1 = key & 0xFFFFFFFF, key >> 32
    low = numpy.uint64(0xFFFFFFFF)
    for _ in range(10):
        product0, product1 = words[0] * numpy.uint64(0xD2511F53), words[2] * numpy.uint64(0xCD9E8D57)
        words = [(product1 >> numpy.uint64(32)) ^ words[1] ^ numpy.uint64(key0), product1 & low,
                 (product0 >> numpy.uint64(32)) ^ words[3] ^ numpy.uint64(key1), product0 & low]
        key0, key1 = (key0 + 0x9E3779B9) & 0xFFFFFFFF, (key1 + 0xBB67AE85) & 0xFFFFFFFF
    return numpy.stack(words, axis=-1).astype(numpy.uint32)


def cuda_randn(seed, offset, count, blocks=864):
    """`torch.randn(count, device="cuda")` on a device of `blocks` resident blocks, and the next offset."""
    threads = 256 * min(blocks, -(-count // 256))
    passes = (count - 1) // (threads * 4) + 1
    values = numpy.zeros(passes * threads * 4, dtype=numpy.float32)
    for number in range(passes):
        counter = numpy.zeros((threads, 4), dtype=numpy.uint64)
        counter[:, 0], counter[:, 2] = offset // 4 + number, numpy.arange(threads)
        words = philox(seed, counter).astype(numpy.float64)
        normals = numpy.empty((threads, 4))
        for pair in (0, 2):
            radius = numpy.sqrt(-2 * numpy.log(words[:, pair] * 2.0**-32 + 2.0**-33))
            angle = 2 * numpy.pi * (words[:, pair + 1] * 2.0**-32 + 2.0**-33)
            normals[:, pair], normals[:, pair + 1] = radius * numpy.sin(angle), radius * numpy.cos(angle)
        values[number * threads * 4:(number + 1) * threads * 4] = normals.T.reshape(-1)
    return values[:count], offset + 4 * passes


def cuda():
    tensors = {}
    for (seed, count), printed in PUBLISHED.items():
        assert numpy.allclose(cuda_randn(seed, 0, count)[0], printed, atol=5.1e-5), seed
        tensors[f"published/{seed}"] = numpy.array(printed, dtype=numpy.float32)
    assert all(numpy.allclose(cuda_randn(42, 4 * (1 + call), 4)[0], printed, atol=5.1e-5)
               for call, printed in enumerate(PUBLISHED_NEXT))
    tensors["published/next"] = numpy.array(PUBLISHED_NEXT, dtype=numpy.float32)
    offset = 0
    for call, count in enumerate([5, 256, 257, 4096]):
        tensors[f"cuda/sequence/{call}"], offset = cuda_randn(SEED, offset, count)
    # A device of two blocks: every thread draws again and again, and the last draw is cut off.
    tensors["cuda/small_device/0"], offset = cuda_randn(SEED, 0, 5003, blocks=2)
    tensors["cuda/small_device/1"], _ = cuda_randn(SEED, offset, 20, blocks=2)
    return tensors


def streams():
    """The project's streams: key = seed, counter = [block low, block high, draw, stream]."""
    seed, stream, draw, first, count = SEED, 7, 11, 2**34 + 3, 1001
    elements = first + numpy.arange(-3, count + 1)
    blocks = numpy.unique(elements // 4)
    counter = numpy.stack([blocks & 0xFFFFFFFF, blocks >> 32, numpy.full_like(blocks, draw), numpy.full_like(blocks, stream)], -1)
    words = philox(seed, counter)
    exact = words.astype(numpy.float64)
    normals = numpy.empty(words.shape)
    for pair in (0, 2):
        radius, angle = numpy.sqrt(-2 * numpy.log((exact[:, pair] + 0.5) / 2**32)), 2 * numpy.pi * (exact[:, pair + 1] / 2**32)
        normals[:, pair], normals[:, pair + 1] = radius * numpy.cos(angle), radius * numpy.sin(angle)
    chosen = slice(3, 3 + count)
    # The known answers of the Random123 distribution: all bits 0, all bits 1, and the digits of pi.
    counters = [[0] * 4, [0xFFFFFFFF] * 4, [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344]]
    keys = [0, 2**64 - 1, 0x299F31D0A4093822]
    known = [[0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8], [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD],
             [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1]]
    assert all((philox(key, [counter])[0] == answer).all() for key, counter, answer in zip(keys, counters, known))
    return {"philox/uniform": ((words >> 8) * numpy.float32(2**-24)).astype(numpy.float32).reshape(-1)[chosen],
            "philox/normal": normals.astype(numpy.float32).reshape(-1)[chosen],
            "philox/known": numpy.array(known, dtype=numpy.uint32).view(numpy.int32)}


def main():
    common.deterministic()
    tensors = cpu() | cuda() | streams()
    doubles = {name: value for name, value in tensors.items() if getattr(value, "dtype", None) == torch.float64}
    tensors |= {name: split(value.view(torch.int64)) for name, value in doubles.items()}
    common.write("random_generators", tensors, __file__)


if __name__ == "__main__":
    main()
