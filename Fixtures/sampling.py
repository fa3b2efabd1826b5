"""Writes `goldens/sampling-<model>-<scheduler>.safetensors` and `.json`: 20 steps of the real pipeline.

`latents` is the start, `steps` [calls, batch, channels, height, width] what each scheduler step gives
(PNDM makes one call more than there are steps), `timesteps` [calls] where each was taken, `final` the
last latents, `decoded` what the VAE makes of them and `image` [batch, height, width, 3] the bytes of
the picture. `encoder_hidden_states` holds the negative prompts' states, then the prompts'.

The json gives the arguments and the relative difference between float32 and float64 at the end.

`goldens/sampling-seeds.safetensors` holds the last latents of walks that add noise in every step, from
seeds alone: `shared` with one generator for both pictures, `each` with one for each.
"""

import torch
from diffusers import DDIMScheduler, PNDMScheduler

import common
import models

PROMPTS = ["a photo of sks dog on the beach", "a painting of an old castle"]
NEGATIVE_PROMPTS = ["", "blurry, low quality"]
GUIDANCE_SCALE = 7.5
STEPS = 20
# The latents' sizes: not square; the pipeline wants pixels in multiples of 8.
SIZES = {"tiny-sd1": (8, 12), "tiny-sd21": (10, 16)}
SCHEDULERS = {"ddim": DDIMScheduler, "pndm": PNDMScheduler}


def sample(name, scheduler, latents, dtype):
    """Runs the pipeline and keeps what each step gave."""
    pipeline = models.load(name, scheduler=SCHEDULERS[scheduler]).to(dtype)
    pipeline.set_progress_bar_config(disable=True)
    factor = pipeline.vae_scale_factor
    steps, timesteps = [], []

    def keep(_, __, timestep, tensors):
        steps.append(tensors["latents"].clone())
        timesteps.append(int(timestep))
        return tensors

    final = pipeline(
        PROMPTS, negative_prompt=NEGATIVE_PROMPTS, num_inference_steps=STEPS, guidance_scale=GUIDANCE_SCALE,
        height=latents.shape[2] * factor, width=latents.shape[3] * factor, latents=latents.to(dtype),
        output_type="latent", callback_on_step_end=keep).images
    with torch.no_grad():
        decoded = pipeline.vae.decode(final / pipeline.vae.config.scaling_factor).sample
        states, negative_states = pipeline.encode_prompt(PROMPTS, "cpu", 1, True, NEGATIVE_PROMPTS)
    image = pipeline.image_processor.postprocess(decoded.clone(), output_type="np")
    return {
        "latents": latents, "steps": torch.stack(steps), "timesteps": torch.tensor(timesteps), "final": final,
        "decoded": decoded, "image": torch.from_numpy((image * 255).round().astype("uint8")),
        "encoder_hidden_states": torch.cat([negative_states, states]),
    }


def write_sampling(name, scheduler):
    height, width = SIZES[name]
    latents = torch.randn(2, 4, height, width, generator=torch.Generator().manual_seed(11))
    outputs = sample(name, scheduler, latents, torch.float32)
    exact = sample(name, scheduler, latents, torch.float64)
    conditioning = {key: ((outputs[key] - exact[key]).norm() / exact[key].norm()).item()
                    for key in ["final", "decoded"]}
    print(name, scheduler, conditioning, "rms", outputs["final"].square().mean().sqrt().item(),
          outputs["timesteps"].tolist())
    common.write(f"sampling-{name}-{scheduler}", outputs, __file__)
    common.write_json(f"sampling-{name}-{scheduler}", {
        "model": name, "scheduler": scheduler, "prompts": PROMPTS, "negative_prompts": NEGATIVE_PROMPTS,
        "guidance_scale": GUIDANCE_SCALE, "steps": STEPS, "conditioning": conditioning,
    }, __file__)


def write_seeds():
    """DDPM draws its start and then the noise of every step from the same generators."""
    pipeline = models.load("tiny-sample")
    pipeline.set_progress_bar_config(disable=True)

    def walk(generator, guidance_scale):
        return pipeline(["a dog", "a cat"], num_inference_steps=7, guidance_scale=guidance_scale,
                        generator=generator, output_type="latent").images

    common.write("sampling-seeds", {
        "shared": walk(torch.Generator("cpu").manual_seed(5), 3.0),
        "each": walk([torch.Generator("cpu").manual_seed(seed) for seed in (5, 9)], 1.0),
    }, __file__)


if __name__ == "__main__":
    common.deterministic()
    for model in SIZES:
        for chosen in SCHEDULERS:
            write_sampling(model, chosen)
    write_seeds()
