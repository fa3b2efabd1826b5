"""torch.load reads what dbtool writes, mapped or not, and cautious readers too; dbtool reads what any torch.save wrote."""

import collections
import pathlib
import pickle
import re
import shutil
import tempfile
import unittest
import zipfile

import safetensors.torch
import torch

from models import MODELS, dbtool


class CautiousUnpickler(pickle.Unpickler):
    """Allows what older releases of AUTOMATIC1111's WebUI allow in pickles, and nothing else."""

    storages = {"FloatStorage", "HalfStorage", "IntStorage", "LongStorage", "DoubleStorage", "ByteStorage"}

    def persistent_load(self, saved_id):
        if saved_id[0] != "storage":
            raise pickle.UnpicklingError(f"persistent id {saved_id}")
        return torch.storage.TypedStorage(_internal=True)

    def find_class(self, module, name):
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda *arguments: arguments
        if module == "torch" and name in self.storages:
            return getattr(torch, name)
        raise pickle.UnpicklingError(f"{module}.{name} is not allowed")


class TorchFileTests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.home = pathlib.Path(tempfile.mkdtemp())
        cls.addClassCleanup(shutil.rmtree, cls.home)
        cls.model = MODELS / "tiny-sd1"
        cls.files = {}
        for flags in [[], ["--half"], ["--bf16"]]:
            name = flags[0] if flags else "as-stored"
            for suffix in [".ckpt", ".safetensors"]:
                dbtool("convert", cls.model, cls.home / f"{name}{suffix}", *flags)
            cls.files[name] = cls.home / f"{name}.ckpt"

    def assert_equal_tensors(self, found, expected):
        self.assertEqual(set(found), set(expected))
        for key, value in expected.items():
            self.assertEqual(found[key].dtype, value.dtype, key)
            self.assertTrue(torch.equal(found[key], value), key)

    def test_torch_loads_the_tensors(self):
        for name, file in self.files.items():
            expected = safetensors.torch.load_file(file.with_suffix(".safetensors"))
            for mmap in [False, True]:
                with self.subTest(name=name, mmap=mmap):
                    found = torch.load(file, weights_only=True, mmap=mmap)
                    self.assert_equal_tensors(found["state_dict"], expected)

    def test_checksums_and_alignment_are_right(self):
        for name, file in self.files.items():
            with self.subTest(name), zipfile.ZipFile(file) as archive, open(file, "rb") as stream:
                self.assertIsNone(archive.testzip())
                for entry in archive.infolist():
                    self.assertEqual(entry.compress_type, zipfile.ZIP_STORED)
                    stream.seek(entry.header_offset + 26)
                    lengths = [int.from_bytes(stream.read(2), "little") for _ in range(2)]
                    self.assertEqual((entry.header_offset + 30 + sum(lengths)) % 64, 0, entry.filename)

    def test_cautious_readers_allow_everything(self):
        for name in ["as-stored", "--half"]:
            with self.subTest(name), zipfile.ZipFile(self.files[name]) as archive:
                for entry in archive.namelist():
                    self.assertRegex(entry, re.compile(r"^[^/]+/((data/\d+)|version|data\.pkl)$"))
                with archive.open(next(name for name in archive.namelist() if name.endswith("/data.pkl"))) as stream:
                    self.assertIn("state_dict", CautiousUnpickler(stream).load())

    def test_dbtool_reads_every_form_of_torch_save(self):
        expected = safetensors.torch.load_file(self.home / "as-stored.safetensors")
        forms = {
            "current": {},
            "protocol-3": {"pickle_protocol": 3},
            "protocol-5": {"pickle_protocol": 5},
            "legacy": {"_use_new_zipfile_serialization": False},
            "legacy-protocol-4": {"_use_new_zipfile_serialization": False, "pickle_protocol": 4},
        }
        # Tensors that look into one storage, from its middle and in another order than C's.
        whole = torch.cat([value.flatten() for value in expected.values() if value.dtype == torch.float32])
        views, start = {}, 0
        for key, value in expected.items():
            if value.dtype != torch.float32:
                views[key] = value
                continue
            part = whole[start:start + value.numel()].view(value.shape)
            start += value.numel()
            views[key] = part.mT.contiguous().mT if value.ndim > 1 and len(views) % 3 == 0 else part
        contents = {"plain": expected, "parameters": {k: torch.nn.Parameter(v, False) for k, v in expected.items()},
                    "views": views}
        for form, options in forms.items():
            for kind, state in contents.items():
                with self.subTest(form=form, kind=kind):
                    file = self.home / f"{form}-{kind}.ckpt"
                    torch.save({"state_dict": state, "global_step": 3}, file, **options)
                    dbtool("convert", file, self.home / f"{form}-{kind}.safetensors", "--config", self.model)
                    found = safetensors.torch.load_file(self.home / f"{form}-{kind}.safetensors")
                    self.assert_equal_tensors(found, expected)


if __name__ == "__main__":
    unittest.main()
