"""Whole models in one file: diffusers reads what dbtool writes, and dbtool what diffusers writes."""

import json
import pathlib
import shutil
import tempfile
import unittest

import safetensors.torch
import torch
import yaml
from diffusers.pipelines.stable_diffusion import convert_from_ckpt
from transformers import CLIPTextConfig, CLIPTextModelWithProjection

from models import MODELS, PARTS, assert_equal_models, dbtool, load_file, load_folder, make_models


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
        for name, folder in self.models.items():
            with self.subTest(name):
                tensors = safetensors.torch.load_file(self.home / name / "two.safetensors")
                expected = load_folder(folder, name)
                parts = {
                    "unet": convert_from_ckpt.convert_ldm_unet_checkpoint(tensors, dict(expected.unet.config)),
                    "vae": convert_from_ckpt.convert_ldm_vae_checkpoint(tensors, dict(expected.vae.config)),
                    "text_encoder": text_encoder_by_script(tensors, folder / "text_encoder").state_dict(),
                }
                for part, converted in parts.items():
                    wanted = getattr(expected, part).state_dict()
                    for key, value in wanted.items():
                        found = converted[key if key in converted else f"text_model.{key}"]
                        self.assertTrue(torch.equal(found.reshape(value.shape), value), f"{part}: {key}")

    def test_files_that_diffusers_lays_out_are_read(self):
        for name, folder in self.models.items():
            with self.subTest(name):
                expected = load_folder(folder, name)
                file, converted = self.home / f"theirs-{name}.ckpt", self.home / f"from-theirs-{name}"
                torch.save({"state_dict": as_diffusers_reads(name, expected), "global_step": 1}, file)
                dbtool("convert", file, converted, "--config", folder)
                assert_equal_models(self, load_folder(converted, name), expected)


def text_encoder_by_script(tensors, folder):
    """The text encoder that the conversion script makes of a single file.

    transformers 5 left the script behind: it asks for the names that only the encoder with a projection has kept.
    """
    config = CLIPTextConfig.from_pretrained(folder)
    if config.hidden_act == "quick_gelu":
        encoder = CLIPTextModelWithProjection(config)
        return convert_from_ckpt.convert_ldm_clip_checkpoint(tensors, text_encoder=encoder)
    last = f"transformer.resblocks.{config.num_hidden_layers}."
    return convert_from_ckpt.convert_open_clip_checkpoint(
        {key: value for key, value in tensors.items() if last not in key}, str(folder), has_projection=True,
        local_files_only=True, projection_dim=config.hidden_size)


def as_diffusers_reads(name, pipeline):
    """The tensors of a single file, each where diffusers' readers look for it; see Fixtures/single_files.py."""
    golden = "tiny-sd1" if name == "tiny-inpaint" else name
    places = json.loads((MODELS.parent / f"goldens/single-file/{golden}.json").read_text())
    tensors, thirds = {}, {}
    for part in PARTS:
        state = {key.removeprefix("text_model."): value for key, value in getattr(pipeline, part).state_dict().items()}
        for key, place in places[part].items():
            value = state[key.removeprefix("text_model.")]
            if isinstance(place, list):
                thirds.setdefault(place[0], [None] * 3)[place[1]] = value
            elif ".attn_1." in place and value.ndim == 2:
                tensors[place] = value[:, :, None, None]
            else:
                tensors[place] = value
    return tensors | {place: torch.cat(values) for place, values in thirds.items()}


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
