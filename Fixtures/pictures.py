"""Writes a golden picture: what the real pipeline makes of a model, a prompt and a seed on the CPU.

    python3 Fixtures/pictures.py MODEL --prompt "a photo of a dog" --seed 42

makes `goldens/pictures/<folder>-<seed>.png`, its start `latents` and `final` latents in a safetensors
file of that name, and the arguments in a json. The pipeline computes in float32 whatever the folder holds.
"""

import argparse
import pathlib

import torch
from diffusers import DDIMScheduler, PNDMScheduler

import common
import models

SCHEDULERS = {"ddim": DDIMScheduler, "pndm": PNDMScheduler}


def write_picture(arguments):
    pipeline = models.load(arguments.model, scheduler=SCHEDULERS[arguments.scheduler])
    size = {"height": arguments.height, "width": arguments.width}
    pipeline.set_progress_bar_config(disable=True)
    final = pipeline(
        arguments.prompt, negative_prompt=arguments.negative_prompt, num_inference_steps=arguments.steps,
        guidance_scale=arguments.guidance_scale, generator=torch.Generator("cpu").manual_seed(arguments.seed),
        output_type="latent", **size).images
    # The pipeline drew its start from the seed; this is the same draw, kept so that a difference can be traced.
    latents = torch.randn(final.shape, generator=torch.Generator("cpu").manual_seed(arguments.seed))
    with torch.no_grad():
        decoded = pipeline.vae.decode(final / pipeline.vae.config.scaling_factor).sample
    picture = pipeline.image_processor.postprocess(decoded, output_type="pil")[0]

    name = f"pictures/{pathlib.Path(arguments.model).resolve().name}-{arguments.seed}"
    common.write(name, {"latents": latents, "final": final}, __file__)
    common.write_json(name, vars(arguments) | {"model": pathlib.Path(arguments.model).name,
                                               "height": picture.height, "width": picture.width}, __file__)
    path = common.GOLDENS / f"{name}.png"
    picture.save(path)
    common.record(path, __file__)
    print(f"{path}: {picture.width}x{picture.height}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="a diffusers folder")
    parser.add_argument("--prompt", required=True)
    parser.add_argument("--negative-prompt", default="")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--guidance-scale", type=float, default=7.5)
    parser.add_argument("--scheduler", choices=SCHEDULERS, default="ddim")
    parser.add_argument("--height", type=int, help="in pixels; the model's own size by default")
    parser.add_argument("--width", type=int)
    common.deterministic()
    write_picture(parser.parse_args())
