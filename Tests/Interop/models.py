"""What the interop tests share: dbtool, the tiny models, and comparisons of whole pipelines."""

import json
import os
import pathlib
import shutil
import subprocess

import diffusers
import torch
import transformers
from diffusers import StableDiffusionInpaintPipeline, StableDiffusionPipeline, UNet2DConditionModel

MODELS = pathlib.Path(__file__).resolve().parents[2] / "Fixtures/models"
PARTS = ["unet", "vae", "text_encoder"]

diffusers.utils.logging.set_verbosity_error()
diffusers.utils.logging.disable_progress_bar()
transformers.utils.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()


def dbtool(*arguments):
    """Runs dbtool, which must succeed, and returns what it prints."""
    outcome = subprocess.run([os.environ["DBTOOL"], *map(str, arguments)], capture_output=True, text=True)
    if outcome.returncode != 0:
        raise AssertionError(outcome.stderr)
    return outcome.stdout


def make_models(home):
    """The tiny models by name, and one whose UNet takes a picture and a mask besides the latents."""
    folders = {name: MODELS / name for name in ["tiny-sd1", "tiny-sd2", "tiny-sd21"]}
    inpaint = home / "tiny-inpaint"
    shutil.copytree(MODELS / "tiny-sd1", inpaint)
    config = json.loads((inpaint / "unet/config.json").read_text()) | {"in_channels": 9}
    torch.manual_seed(1)
    UNet2DConditionModel.from_config(config).save_pretrained(inpaint / "unet")
    (inpaint / "unet/config.json").write_text(json.dumps(config))
    index = json.loads((inpaint / "model_index.json").read_text())
    (inpaint / "model_index.json").write_text(json.dumps(index | {"_class_name": "StableDiffusionInpaintPipeline"}))
    return folders | {"tiny-inpaint": inpaint}


def pipeline_class(name):
    return StableDiffusionInpaintPipeline if name == "tiny-inpaint" else StableDiffusionPipeline


def load_folder(folder, name, **options):
    """A folder as any user of diffusers would load it, with the types of its files."""
    return pipeline_class(name).from_pretrained(
        folder, local_files_only=True, low_cpu_mem_usage=False, **({"dtype": torch.float32} | options))


def load_file(file, name, folder, dtype=torch.float32):
    """A single file as any user of diffusers would load it; tiny models need their configurations."""
    return pipeline_class(name).from_single_file(
        str(file), config=str(folder), local_files_only=True, torch_dtype=dtype)


def assert_equal_models(test, found, expected):
    """Every tensor of two pipelines has the same bits."""
    for part in PARTS:
        theirs, mine = getattr(expected, part).state_dict(), getattr(found, part).state_dict()
        test.assertEqual(set(mine), set(theirs), part)
        for key, value in theirs.items():
            test.assertTrue(torch.equal(mine[key], value), f"{part}: {key}")
