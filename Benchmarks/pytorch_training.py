#!/usr/bin/env python3
"""How long a DreamBooth training step takes in PyTorch and diffusers, and with how much memory.

A batch holds as many pictures of the subject as of its class; where their number is odd there is no prior loss. Latents
are drawn from stored means and deviations, and the text encoder has run beforehand unless it is trained, as in
`dbtool train`. The weights are random.

Modes:
  eager    every kernel is launched by Python
  graph    the whole step, AdamW included, recorded once as a CUDA graph and replayed
  compile  the UNet by torch.compile, which takes minutes at first
"""

import functools
import itertools
import sys
import time

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, DDPMScheduler
from torch.utils.checkpoint import checkpoint

import measuring

FIGURES = ["forward", "forward-backward", "step"]


class Training:
    """A model, its optimiser and a batch that stays where it is."""

    def __init__(self, options, mode, layout):
        self.options = options
        self.unet = measuring.unet(options, layout=layout).train()
        self.text_encoder = measuring.text_encoder(options).train(options.train_text_encoder)
        self.text_encoder.requires_grad_(options.train_text_encoder)
        if options.gradient_checkpointing:
            # The networks draw no random numbers, and a graph cannot save the state of a generator.
            self.unet.enable_gradient_checkpointing(
                functools.partial(checkpoint, use_reentrant=False, preserve_rng_state=False))
            if options.train_text_encoder:
                self.text_encoder.gradient_checkpointing_enable({"use_reentrant": False, "preserve_rng_state": False})
        networks = [self.unet, self.text_encoder] if options.train_text_encoder else [self.unet]
        self.parameters = list(itertools.chain.from_iterable(network.parameters() for network in networks))
        self.optimizer = torch.optim.AdamW(self.parameters, lr=5e-6, fused=True, capturable=mode == "graph")
        self.scheduler = DDPMScheduler.from_config(DDPMScheduler.load_config(options.model / "scheduler"))
        self.make_batch(layout)
        if mode == "compile":
            self.unet = torch.compile(self.unet)

    def make_batch(self, layout):
        options = self.options
        autoencoder = AutoencoderKL.load_config(options.model / "vae")
        side = options.resolution // measuring.down_factor(autoencoder)
        shape = (options.batch, autoencoder["latent_channels"], side, side)
        self.mean = torch.randn(shape, device=options.device).to(memory_format=measuring.LAYOUTS[layout])
        self.deviation = torch.rand_like(self.mean)
        self.scaling_factor = autoencoder.get("scaling_factor", 0.18215)
        self.tokens = measuring.tokens(options, options.batch)
        with torch.no_grad(), self.autocast():
            self.states = self.text_encoder(self.tokens)[0]

    def autocast(self):
        dtype = measuring.TYPES[self.options.precision]
        return torch.autocast(self.mean.device.type, dtype=dtype, enabled=dtype != torch.float32)

    def predict(self):
        """The prediction of the UNet for a batch, and what it should be."""
        latents = (self.mean + self.deviation * torch.randn_like(self.mean)) * self.scaling_factor
        noise = torch.randn_like(latents)
        last = self.scheduler.config.num_train_timesteps
        timesteps = torch.randint(0, last, (self.options.batch,), device=latents.device)
        noisy = self.scheduler.add_noise(latents, noise, timesteps)
        states = self.text_encoder(self.tokens)[0] if self.options.train_text_encoder else self.states
        prediction = self.unet(noisy, timesteps, states, return_dict=False)[0]
        if self.scheduler.config.prediction_type == "v_prediction":
            return prediction, self.scheduler.get_velocity(latents, noise, timesteps)
        return prediction, noise

    def loss(self):
        prediction, target = self.predict()
        if self.options.batch % 2:
            return F.mse_loss(prediction.float(), target.float())
        pairs = zip(prediction.float().chunk(2), target.float().chunk(2))
        instance, prior = (F.mse_loss(part, wanted) for part, wanted in pairs)
        return instance + prior

    def forward(self):
        """The forward pass alone, with nothing kept for a backward pass."""
        with torch.no_grad(), self.autocast():
            self.loss()

    def gradients(self):
        """Forward and backward."""
        self.forget_gradients()
        with self.autocast():
            loss = self.loss()
        loss.backward()

    def step(self):
        """Forward, backward, clipping and AdamW."""
        self.gradients()
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()

    def forget_gradients(self):
        self.optimizer.zero_grad(set_to_none=True)


def measure(options, mode, layout):
    training = Training(options, mode, layout)
    figures = {
        "work": "training", "batch": options.batch, "train_text_encoder": options.train_text_encoder,
        "gradient_checkpointing": options.gradient_checkpointing, "steps": options.steps,
    }
    start = time.perf_counter()
    # The widest comes first, because the memory reported is its own.
    works = {"step": training.step, "forward-backward": training.gradients, "forward": training.forward}
    for name in [name for name in works if name in options.figures]:
        if mode == "graph":
            work = measuring.captured(options, works[name], prepare=training.forget_gradients)
        else:
            work = measuring.warmed_up(options, works[name])
        figures.setdefault("preparation_s", time.perf_counter() - start)
        figures[name.replace("-", "_") + "_ms"] = measuring.milliseconds(options, work, options.steps)
        if "peak_bytes" not in figures:
            figures.update(measuring.peak_memory(options))
    return figures


def main(arguments):
    parser = measuring.parser(__doc__)
    parser.add_argument("--batch", type=int, default=2, help="pictures of the subject and of the class together")
    parser.add_argument("--precision", choices=["fp32", "tf32", "bf16"], default="bf16",
                        help="bf16: autocast, with float32 weights")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--figures", nargs="+", choices=FIGURES, default=FIGURES, help="what to measure")
    parser.add_argument("--train-text-encoder", action="store_true")
    parser.add_argument("--gradient-checkpointing", action="store_true")
    return measuring.run(measuring.parse(parser, arguments), measure)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
