#!/usr/bin/env python3
"""How long a picture takes in PyTorch and diffusers: text encoder, guided DDIM steps, and the decoding of the latents.

Each step predicts for the prompt and for the empty prompt in one batch. The weights are random, and held in the type
that is computed in.

Modes:
  eager    every kernel is launched by Python
  graph    the UNet recorded once as a CUDA graph and replayed in every step; the sampler's arithmetic is eager
  compile  the UNet by torch.compile, which takes minutes at first
"""

import sys

import torch
from diffusers import DDIMScheduler

import measuring

GUIDANCE_SCALE = 7.5


class Sampling:
    """The networks of a pipeline, and the places that a step reads and writes."""

    def __init__(self, options, layout):
        self.options = options
        self.dtype = measuring.TYPES[options.precision]
        self.unet = measuring.unet(options, self.dtype, layout).eval()
        self.text_encoder = measuring.text_encoder(options, self.dtype).eval()
        self.autoencoder = measuring.autoencoder(options, self.dtype, layout)
        self.scheduler = DDIMScheduler.from_config(DDIMScheduler.load_config(options.model / "scheduler"))
        self.scheduler.set_timesteps(options.sampling_steps)
        # Read on the host by the scheduler and on the device by the UNet, so that neither waits for the other.
        self.timesteps = self.scheduler.timesteps.tolist()
        self.device_timesteps = self.scheduler.timesteps.to(options.device)
        side = options.resolution // measuring.down_factor(self.autoencoder.config)
        shape = (options.batch, self.autoencoder.config.latent_channels, side, side)
        self.tokens = measuring.tokens(options, 2 * options.batch)
        latents = torch.randn(shape, device=options.device, dtype=self.dtype)
        self.latents = latents.to(memory_format=measuring.LAYOUTS[layout])
        pixels = torch.rand(1, 3, options.resolution, options.resolution, device=options.device, dtype=self.dtype)
        self.pixels = (2 * pixels - 1).to(memory_format=measuring.LAYOUTS[layout])
        self.timestep = self.device_timesteps[:1].clone()
        self.states = self.text_encoder(self.tokens)[0]
        self.predict = self.predict_eagerly

    def predict_eagerly(self):
        """The guided prediction for the latents, timestep and states that are in place."""
        doubled = torch.cat([self.latents, self.latents])
        prediction = self.unet(doubled, self.timestep, self.states, return_dict=False)[0]
        without, with_text = prediction.chunk(2)
        self.prediction = without + GUIDANCE_SCALE * (with_text - without)

    def sample(self):
        """A batch of latents from noise."""
        self.states.copy_(self.text_encoder(self.tokens)[0])
        self.latents.copy_(torch.randn_like(self.latents))
        for index in range(len(self.timesteps)):
            self.step(index)

    def step(self, index):
        """One guided step of the sampler."""
        self.timestep.copy_(self.device_timesteps[index:index + 1])
        self.predict()
        step = self.scheduler.step(self.prediction, self.timesteps[index], self.latents, return_dict=False)
        self.latents.copy_(step[0])

    def decode(self):
        """Pixels from latents."""
        self.autoencoder.decode(self.latents / self.autoencoder.config.scaling_factor, return_dict=False)

    def encode(self):
        """The distribution of a picture's latents."""
        self.autoencoder.encode(self.pixels, return_dict=False)

    def encode_text(self):
        """The states of the prompts and of as many empty prompts."""
        self.text_encoder(self.tokens)


@torch.no_grad()
def measure(options, mode, layout):
    sampling = Sampling(options, layout)
    if mode == "compile":
        sampling.unet = torch.compile(sampling.unet)
    figures = {
        "work": "sampling", "batch": options.batch, "sampling_steps": options.sampling_steps,
        "pictures": options.pictures,
    }
    if mode == "graph":
        sampling.predict = measuring.captured(options, sampling.predict_eagerly)
        sampling.sample()
    else:
        measuring.warmed_up(options, sampling.sample)
    # The picture comes first, because the memory reported is its own.
    figures["sample_ms"] = measuring.milliseconds(options, sampling.sample, options.pictures)
    figures.update(measuring.peak_memory(options))
    figures["sampling_step_ms"] = measuring.milliseconds(options, lambda: sampling.step(0), 4 * options.pictures)
    prepare = measuring.captured if mode == "graph" else measuring.warmed_up
    for name, work, count in [
        ("decode_ms", sampling.decode, 1), ("encode_ms", sampling.encode, 1),
        # Far shorter than the others, and so measured more often.
        ("text_encoder_ms", sampling.encode_text, 10),
    ]:
        figures[name] = measuring.milliseconds(options, prepare(options, work), count * options.pictures)
    return figures


def main(arguments):
    parser = measuring.parser(__doc__)
    parser.add_argument("--batch", type=int, default=1, help="pictures that are made together")
    parser.add_argument("--precision", choices=["fp32", "tf32", "bf16", "fp16"], default="fp16")
    parser.add_argument("--sampling-steps", type=int, default=50)
    parser.add_argument("--pictures", type=int, default=5, help="how often a picture is made")
    return measuring.run(measuring.parse(parser, arguments), measure)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
