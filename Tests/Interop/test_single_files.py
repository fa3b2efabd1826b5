"""Whole models in one file: diffusers reads what dbtool writes, and dbtool what diffusers writes."""

import pathlib
import shutil
import tempfile
import unittest

import safetensors.torch
import torch
import yaml
from diffusers.pipelines.stable_diffusion import convert_from_ckpt

from models import assert_equal_models, dbtool, load_file, load_folder, make_models


class SingleFileTests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.home = pathlib.Path(tempfile.mkdtemp())
        cls.addClassCleanup(shutil.rmtree, cls.home)
        cls.models = make_models(cls.home)
        for name, folder in cls.models.items():
            there = cls.home / name
            there.mkdir(exist_ok=True)
            dbtool("convert", folder, there / "one.ckpt")
            dbtool("convert", there / "one.ckpt", there / "two.safetensors", "--config", folder)
            dbtool("convert", there / "two.safetensors", there / "three", "--config", folder)

    def test_the_way_through_all_forms_is_lossless(self):
        for name, folder in self.models.items():
            with self.subTest(name):
                assert_equal_models(self, load_folder(self.home / name / "three", name), load_folder(folder, name))

    def test_both_formats_hold_the_same(self):
        for name in self.models:
            with self.subTest(name):
                contents = torch.load(self.home / name / "one.ckpt", weights_only=True)
                ckpt = contents["state_dict"]
                tensors = safetensors.torch.load_file(self.home / name / "two.safetensors")
                self.assertEqual(set(ckpt), set(tensors))
                for key, value in tensors.items():
                    self.assertTrue(torch.equal(ckpt[key], value) and ckpt[key].dtype == value.dtype, key)

    def test_diffusers_reads_single_files(self):
        for name, folder in self.models.items():
            for file in ["one.ckpt", "two.safetensors"]:
                with self.subTest(name=name, file=file):
                    assert_equal_models(
                        self, load_file(self.home / name / file, name, folder), load_folder(folder, name))

    def test_halves_are_those_of_torch(self):
        for flag, dtype in [("--half", torch.float16), ("--bf16", torch.bfloat16)]:
            file = self.home / f"rounded{flag}.safetensors"
            dbtool("convert", self.models["tiny-sd2"], file, flag)
            found = load_file(file, "tiny-sd2", self.models["tiny-sd2"], dtype)
            expected = load_folder(self.models["tiny-sd2"], "tiny-sd2")
            assert_equal_models(self, found, expected.to(dtype))

    def test_the_yaml_file_describes_the_model(self):
        folder = self.models["tiny-sd21"]
        original = yaml.safe_load((self.home / "tiny-sd21/one.yaml").read_text())
        self.assertEqual(original["model"]["params"]["parameterization"], "v")
        expected = load_folder(folder, "tiny-sd21")
        unet = convert_from_ckpt.create_unet_diffusers_config(original, image_size=128)
        for option in ["in_channels", "out_channels", "block_out_channels", "layers_per_block", "cross_attention_dim",
                       "use_linear_projection", "attention_head_dim", "down_block_types", "up_block_types"]:
            self.assertEqual(list_of(unet[option]), list_of(expected.unet.config[option]), option)
        vae = convert_from_ckpt.create_vae_diffusers_config(original, image_size=128)
        for option in ["in_channels", "out_channels", "block_out_channels", "latent_channels", "layers_per_block"]:
            self.assertEqual(list_of(vae[option]), list_of(expected.vae.config[option]), option)

    def test_the_conversion_script_of_diffusers_reads_the_tensors(self):
        for name in ["tiny-sd21", "tiny-sd1"]:
            with self.subTest(name):
                tensors = safetensors.torch.load_file(self.home / name / "two.safetensors")
                expected = load_folder(self.models[name], name)
                parts = {
                    "unet": convert_from_ckpt.convert_ldm_unet_checkpoint(tensors, dict(expected.unet.config)),
                    "vae": convert_from_ckpt.convert_ldm_vae_checkpoint(tensors, dict(expected.vae.config)),
                }
                for part, converted in parts.items():
                    module = getattr(expected, part)
                    wanted = {key: value.clone() for key, value in module.state_dict().items()}
                    for key, value in wanted.items():
                        self.assertTrue(torch.equal(converted[key].reshape(value.shape), value), f"{part}: {key}")


class FolderTests(unittest.TestCase):
    """Folders in every form that diffusers writes."""

    def setUp(self):
        self.home = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.home)
        self.models = make_models(self.home)

    def convert(self, name, *arguments, **options):
        """Saves a model by diffusers in some form, and has dbtool write it anew."""
        pipeline = load_folder(self.models[name], name)
        pipeline.save_pretrained(self.home / "saved", **options)
        dbtool("convert", self.home / "saved", self.home / "new", *arguments)
        return load_folder(self.home / "new", name), pipeline

    def test_pickled_weights_are_read(self):
        assert_equal_models(self, *self.convert("tiny-sd1", safe_serialization=False))
        self.assertTrue((self.home / "saved/unet/diffusion_pytorch_model.bin").exists())

    def test_variants_are_read(self):
        assert_equal_models(self, *self.convert("tiny-sd2", "--variant", "fp16", variant="fp16"))
        self.assertTrue((self.home / "saved/unet/diffusion_pytorch_model.fp16.safetensors").exists())

    def test_shards_are_read(self):
        assert_equal_models(self, *self.convert("tiny-sd21", max_shard_size="100KB"))
        self.assertTrue((self.home / "saved/unet/diffusion_pytorch_model.safetensors.index.json").exists())

    def test_shards_of_a_variant_are_read(self):
        assert_equal_models(self, *self.convert("tiny-sd21", max_shard_size="100KB", variant="fp16"))


def list_of(value):
    return list(value) if isinstance(value, (list, tuple)) else value


if __name__ == "__main__":
    unittest.main()
