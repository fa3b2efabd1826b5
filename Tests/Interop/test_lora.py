"""LoRAs and new words that dbtool writes, in diffusers and PEFT: the same tensors, the same latents."""

import json
import pathlib
import shutil
import tempfile
import unittest

import safetensors.torch
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline
from peft import LoraConfig, inject_adapter_in_model, set_peft_model_state_dict
from PIL import Image, ImageChops
from safetensors import safe_open

from models import MODELS, dbtool

LORAS = MODELS.parent / "goldens/lora"
CASES = {"sd1": "tiny-sd1", "sd1-conv": "tiny-sd1", "sd2": "tiny-sd2"}
# As in the tests of the Swift side: twelve times PyTorch's own rounding over a walk with guidance.
TOLERANCE = 2e-5


def load(folder):
    pipeline = StableDiffusionPipeline.from_pretrained(
        folder, scheduler=DDIMScheduler.from_pretrained(folder, subfolder="scheduler"), local_files_only=True,
        low_cpu_mem_usage=False, dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def difference(value, exact):
    return ((value - exact).norm() / exact.norm()).item()


def difference_from_golden(pipeline, case):
    """How far what a pipeline draws is from what it was to draw; see Fixtures/lora.py."""
    golden = safetensors.torch.load_file(LORAS / f"{case}-pictures.safetensors")
    height, width = (size * pipeline.vae_scale_factor for size in golden["latents"].shape[2:])
    final = pipeline(
        "a photo of sks dog on the beach", negative_prompt="blurry", num_inference_steps=6, guidance_scale=5.0,
        height=height, width=width, latents=golden["latents"], output_type="latent").images
    return difference(final, golden["final"])


def add_by_peft(pipeline, path):
    """Adds a LoRA of diffusers' layout with the functions of PEFT alone."""
    with safe_open(path, "pt") as file:
        configurations = json.loads(file.metadata()["lora_adapter_metadata"])
    tensors = safetensors.torch.load_file(path)
    for part in ["unet", "text_encoder"]:
        module = getattr(pipeline, part)
        # transformers 5 leaves out a part of the names.
        prefix = f"{part}.text_model." if part == "text_encoder" else f"{part}."
        config = {key.removeprefix(f"{part}."): value for key, value in configurations.items() if key.startswith(part)}
        config["target_modules"] = [name.removeprefix("text_model.") for name in config["target_modules"]]
        inject_adapter_in_model(LoraConfig(**config), module)
        state = {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
        outcome = set_peft_model_state_dict(module, state)
        if outcome.unexpected_keys or any("lora" in key for key in outcome.missing_keys):
            raise AssertionError(outcome)


class Home(unittest.TestCase):
    def setUp(self):
        self.home = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.home)


class LoRATests(Home):
    def draw(self, case, path):
        pipeline = load(MODELS / CASES[case])
        pipeline.load_lora_weights(path)
        return difference_from_golden(pipeline, case)

    def test_both_layouts_draw_what_the_original_draws(self):
        for case in CASES:
            for origin, layout in [("", "kohya"), ("-kohya", "diffusers")]:
                with self.subTest(case=case, layout=layout):
                    path = self.home / f"{case}-{layout}.safetensors"
                    dbtool("convert", "--format", layout, LORAS / f"{case}{origin}.safetensors", path)
                    self.assertLess(self.draw(case, path), TOLERANCE)

    def test_folded_scales_need_no_metadata(self):
        path = self.home / "folded.safetensors"
        dbtool("convert", "--format", "diffusers", "--fold-scale", LORAS / "sd1.safetensors", path)
        safetensors.torch.save_file(safetensors.torch.load_file(path), path)
        self.assertLess(self.draw("sd1", path), TOLERANCE)

    def test_a_merged_model_draws_without_the_lora(self):
        merged = self.home / "merged"
        dbtool("lora", "merge", "--model", MODELS / "tiny-sd1", "--lora", LORAS / "sd1.safetensors", merged)
        self.assertLess(difference_from_golden(load(merged), "sd1"), TOLERANCE)


class TrainingTests(Home):
    """A run's own files, and the picture that dbtool and diffusers draw with them."""

    def setUp(self):
        super().setUp()
        photos = self.home / "photos"
        photos.mkdir()
        generator = torch.Generator().manual_seed(1)
        for index in range(2):
            pixels = torch.randint(0, 256, (16, 16, 3), generator=generator, dtype=torch.uint8)
            Image.fromarray(pixels.numpy()).save(photos / f"{index}.png")
        self.model = MODELS / "tiny-sd1"

    def train(self, *arguments):
        dbtool("train", "--pretrained-model-name-or-path", self.model, "--instance-data-dir", self.home / "photos",
               "--resolution", 16, "--train-batch-size", 1, "--max-train-steps", 3, "--seed", 1, "--output-dir",
               self.home / "out", *arguments)

    def assert_draws_like_dbtool(self, prompt, pipeline, *arguments):
        """A pipeline draws the latents and the picture that dbtool draws."""
        latents, picture = self.home / "latents.safetensors", self.home / "picture.png"
        dbtool("generate", "--model", self.model, "--prompt", prompt, "--steps", 4, "--seed", 5, "--scheduler", "ddim",
               "--save-latents", latents, "--output", picture, *arguments)

        def draw(output_type):
            return pipeline(prompt, num_inference_steps=4, generator=torch.Generator("cpu").manual_seed(5),
                            output_type=output_type).images

        self.assertLess(difference(safetensors.torch.load_file(latents)["latents"], draw("latent")), TOLERANCE)
        # Numbers that differ in their last bits may be rounded to neighbouring bytes.
        levels = ImageChops.difference(Image.open(picture), draw("pil")[0]).getextrema()
        self.assertLessEqual(max(highest for _, highest in levels), 1)

    def test_a_trained_lora(self):
        prompt = "a photo of sks dog"
        self.train("--lora", "--train-text-encoder", "--learning-rate", 1e-2, "--instance-prompt", prompt)
        trained = self.home / "out/pytorch_lora_weights.safetensors"
        for layout in ["diffusers", "kohya"]:
            with self.subTest(layout):
                path = self.home / f"{layout}.safetensors"
                dbtool("convert", "--format", layout, trained, path)
                pipeline = load(self.model)
                pipeline.load_lora_weights(path)
                self.assertEqual(pipeline.unet.peft_config["default_0"].lora_alpha, 32)
                self.assert_draws_like_dbtool(prompt, pipeline, "--lora", path)
        with self.subTest("PEFT alone"):
            pipeline = load(self.model)
            add_by_peft(pipeline, trained)
            self.assert_draws_like_dbtool(prompt, pipeline, "--lora", trained)

    def test_a_learned_word(self):
        self.train("--placeholder-token", "<pet>", "--initializer-token", "dog", "--num-vectors", 2, "--no-train-unet",
                   "--learning-rate", 1e-1, "--instance-prompt", "a photo of <pet>")
        path = self.home / "out/learned_embeds.safetensors"
        prompt = "a photo of <pet> on the beach"
        for layout, name in [("diffusers", "pet.safetensors"), ("automatic1111", "pet.pt")]:
            with self.subTest(layout=layout):
                converted = self.home / name
                dbtool("convert", "--format", layout, path, converted)
                pipeline = load(self.model)
                pipeline.load_textual_inversion(str(converted.parent), weight_name=name)
                self.assert_draws_like_dbtool(prompt, pipeline, "--embedding", converted)


if __name__ == "__main__":
    unittest.main()
