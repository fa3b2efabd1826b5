"""Small files of torch.save in every form, and what they hold as safetensors.

Nothing here asks for a GPU. The pickles name classes of pytorch_lightning, which need not be installed: stand-ins of
the same names are pickled, as Lightning's own would be.
"""

import collections
import io
import pathlib
import pickle
import sys
import types
import zipfile

import numpy
import torch

import common

FOLDER = common.FIXTURES / "torch-files"
DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8,
          torch.uint8, torch.bool]
# These have no storages of their own, and go by another function.
LATER_DTYPES = [torch.uint16, torch.uint32, torch.uint64, torch.float8_e4m3fn, torch.float8_e5m2]


def name(dtype):
    return str(dtype).removeprefix("torch.")


def numbers(dtype, *shape):
    values = torch.randint(0, 2 if dtype == torch.bool else 100, shape)
    return values.to(dtype) if dtype.itemsize > 1 or not dtype.is_floating_point else values.to(torch.float32).to(dtype)


def tensors():
    """Every type, and every way in which tensors look into storages."""
    shared = torch.arange(24, dtype=torch.float32)
    return collections.OrderedDict(
        [(f"type.{name(dtype)}", numbers(dtype, 2, 3)) for dtype in DTYPES]
        + [
            ("scalar", torch.tensor(2.5)),
            ("empty", torch.zeros(3, 0)),
            ("parameter", torch.nn.Parameter(torch.randn(4))),
            ("transposed", torch.randn(3, 4).t()),
            ("permuted", torch.randn(2, 3, 4, 5).permute(3, 1, 0, 2)),
            ("channels_last", torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last)),
            ("every_second", torch.arange(10, dtype=torch.int64)[::2]),
            ("repeated", torch.tensor([1.0, 2.0])[:, None].expand(2, 5)),
            ("one_number_wide", torch.randn(6, 4)[:, :1]),
            ("shared.first", shared[:12].view(3, 4)),
            ("shared.last", shared[12:].view(3, 4)),
            ("shared.whole", shared.view(4, 6).t()),
            ("transposed.half", torch.randn(3, 4).half().t()),
            ("transposed.double", torch.randn(3, 4).double().t()),
            ("transposed.byte", torch.randint(0, 255, (3, 4), dtype=torch.uint8).t()),
        ])


def in_lightning(cls):
    """Gives a stand-in the name of Lightning's class, so that the pickle names that one."""
    module = "pytorch_lightning.callbacks.model_checkpoint"
    for part in ["pytorch_lightning", "pytorch_lightning.callbacks", module]:
        sys.modules.setdefault(part, types.ModuleType(part))
    setattr(sys.modules[module], cls.__name__, cls)
    cls.__module__ = module
    cls.__qualname__ = cls.__name__
    return cls


def save(name, value, **options):
    path = FOLDER / name
    path.parent.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    torch.save(value, buffer, **options)
    path.write_bytes(buffer.getvalue())
    common.record(path, __file__)


def expect(name, values):
    common.write(f"torch-files/{name}", values, __file__)


def all_types():
    stored = tensors()
    save("all.pt", stored)
    for protocol in [3, 4, 5]:
        save(f"all-protocol{protocol}.pt", stored, pickle_protocol=protocol)
    save("all-legacy.pt", stored, _use_new_zipfile_serialization=False)
    save("all-legacy-protocol4.pt", stored, _use_new_zipfile_serialization=False, pickle_protocol=4)
    expect("all", stored)
    later = {f"type.{name(dtype)}": numbers(dtype, 2, 3) for dtype in LATER_DTYPES}
    save("later-types.pt", later)
    expect("later-types", {key: value.view(torch.uint8) for key, value in later.items()})


def checkpoint():
    """What Lightning writes: weights among counters, callbacks, optimizers and scalars of NumPy's."""

    @in_lightning
    class ModelCheckpoint:
        def __init__(self):
            self.best = [1, 2]

    weights = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.LayerNorm(2)).state_dict()
    weights["complex"] = torch.ones(2, dtype=torch.complex64)
    value = {
        "epoch": 6,
        "global_step": 470000,
        "pytorch-lightning_version": "1.4.2",
        "state_dict": weights,
        "loss": numpy.float64(0.125),
        "best": numpy.float32(1.5),
        "steps": numpy.int64(-7),
        "is_best": numpy.bool_(True),
        "callbacks": {ModelCheckpoint: {"monitor": None, "best_model_score": torch.tensor(0.5)}},
        "state": ModelCheckpoint(),
        "optimizer_states": [{"state": {0: {"step": 3, "exp_avg": torch.ones(2)}}, "param_groups": [{"lr": 1e-4}]}],
        "shape": torch.Size([2, 3]),
        "device": torch.device("cpu"),
        "huge": 10**30,
        "negative": -(2**40),
        "names": {"a", "b"},
        "raw": b"\x00\xff",
    }
    expected = {key: tensor for key, tensor in weights.items() if not tensor.is_complex()}
    for suffix, options in [("", {}), ("-legacy", {"_use_new_zipfile_serialization": False})]:
        save(f"checkpoint{suffix}.ckpt", value, **options)
        save(f"nested{suffix}.ckpt", {"state_dict": value}, **options)
    expect("checkpoint", expected)


def textual_inversion():
    """An embedding as AUTOMATIC1111 saves it, and as the first scripts did, in a container of parameters."""
    vectors = torch.randn(2, 8)
    head = {"string_to_token": {"*": 265}, "name": "style", "step": 500, "sd_checkpoint": None}
    save("embedding.pt", head | {"string_to_param": {"*": vectors}})
    save("embedding-parameters.pt", head | {
        "string_to_token": {"*": torch.tensor(265)},
        "string_to_param": torch.nn.ParameterDict({"*": torch.nn.Parameter(vectors)}),
    })
    expect("embedding", {"*": vectors})


class Hostile:
    """Unpickled by Python, this would make a file."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        import os
        return os.mkdir, (self.target,)


def hostile():
    """Only the pickle matters here. The name in it must never come into being."""
    target = "/tmp/dreambooth-hostile-pickle"
    save("hostile.pt", {"weight": torch.ones(2), "payload": Hostile(target)})
    save("hostile-legacy.pt", {"weight": torch.ones(2), "payload": Hostile(target)},
         _use_new_zipfile_serialization=False)


def repacked():
    """Archives that torch.save did not write: compressed, as zip programs do it."""
    source = zipfile.ZipFile(FOLDER / "embedding.pt")
    path = FOLDER / "compressed.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry in source.namelist():
            archive.writestr(zipfile.ZipInfo(entry), source.read(entry), zipfile.ZIP_DEFLATED)
    common.record(path, __file__)


def big_endian():
    """The same archive as a machine would write it that stores the most significant byte first."""
    source = zipfile.ZipFile(FOLDER / "embedding.pt")
    path = FOLDER / "big-endian.pt"
    with zipfile.ZipFile(path, "w") as archive:
        for entry in source.namelist():
            content = b"big" if entry.endswith("/byteorder") else source.read(entry)
            archive.writestr(zipfile.ZipInfo(entry), content)
    common.record(path, __file__)


def pickles():
    """The pickles alone, from which hostile ones are derived."""
    for file in ["all.pt", "all-protocol4.pt", "later-types.pt", "checkpoint.ckpt", "embedding-parameters.pt",
                 "hostile.pt"]:
        archive = zipfile.ZipFile(FOLDER / file)
        path = FOLDER / "pickles" / f"{pathlib.Path(file).stem}.pkl"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(archive.read(next(name for name in archive.namelist() if name.endswith("/data.pkl"))))
        common.record(path, __file__)


def other_pickle():
    """A pickle of plain Python, which torch.save did not write."""
    path = FOLDER / "plain.pkl"
    path.write_bytes(pickle.dumps({"a": 1}, protocol=2))
    common.record(path, __file__)


def script():
    """A TorchScript program, which is a zip archive too."""
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), buffer)
    path = FOLDER / "script.pt"
    path.write_bytes(buffer.getvalue())
    common.record(path, __file__)


if __name__ == "__main__":
    common.deterministic()
    all_types()
    checkpoint()
    textual_inversion()
    hostile()
    pickles()
    repacked()
    big_endian()
    other_pickle()
    script()
