"""Finishes the decoder of a trained base model; its latents, and so the UNet, stay as they are.

    python3 decoder.py --sprites sprites.npz --classifier classifier.pt --model toy-world --seconds 200 --output vae

The decoder learns to draw sharply from the latents that it will meet: half of them come from the encoder, half are
what the UNet makes of noised ones in one step, with the errors that the UNet has. A patch discriminator keeps the
result crisp; its gradient at the pixels is scaled to a share of that of the reconstruction error.
"""

import argparse
import time
from pathlib import Path

import torch
import torch.nn as nn
import torch.nn.functional as functional
from diffusers import StableDiffusionPipeline

from autoencoder import measure, reconstruction_error, reconstructions
from classifier import load_classifier
from diffusion import Captions
from networks import new_scheduler
from training import Average, Schedule, Workers
from world import World

ADVERSARIAL_SHARE = 0.35
LARGEST_TIME = 180  # beyond, one step of the UNet tells too little about the picture


class Discriminator(nn.Module):
    """Judges patches of some thirty pixels."""

    def __init__(self):
        super().__init__()
        layers: list[nn.Module] = []
        for before, after, stride in [(3, 48, 2), (48, 96, 2), (96, 192, 1)]:
            convolution = nn.Conv2d(before, after, 4, stride, 1)
            layers += [nn.utils.parametrizations.spectral_norm(convolution), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(192, 1, 3, 1, 1))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.layers(pixels)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sprites", default="sprites.npz")
    parser.add_argument("--classifier", default="classifier.pt")
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=200)
    parser.add_argument("--batch", type=int, default=96)
    parser.add_argument("--rate", type=float, default=3e-4)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--output", default="vae")
    arguments = parser.parse_args()

    workers = Workers()
    if workers.count > 1:
        raise SystemExit("the decoder is finished on one device")
    device = workers.device
    torch.manual_seed(0)
    world = World(arguments.sprites, device, seed=600)
    judge = load_classifier(arguments.classifier, device)
    pipeline = StableDiffusionPipeline.from_pretrained(arguments.model, dtype=torch.float32).to(device)
    unet, text_encoder, model = pipeline.unet, pipeline.text_encoder, pipeline.vae
    for part in (unet, text_encoder, model):
        part.eval().requires_grad_(False)
    model.to(memory_format=torch.channels_last)
    parameters = [*model.decoder.parameters(), *model.post_quant_conv.parameters()]
    for parameter in parameters:
        parameter.requires_grad_(True)
    captions = Captions(pipeline.tokenizer, device)
    kept = new_scheduler().alphas_cumprod.to(device)
    adversary = Discriminator().to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(parameters, betas=(0.9, 0.99), weight_decay=0.0)
    adversary_optimizer = torch.optim.AdamW(adversary.parameters(), lr=3e-4, betas=(0.5, 0.9))
    average = Average(parameters, 0.998)
    schedule = Schedule(workers, arguments.seconds, arguments.rate, warm_up=100)
    decode = torch.compile(model.decode) if arguments.compile else model.decode

    @torch.no_grad()
    def encode(pixels: torch.Tensor) -> torch.Tensor:
        posterior = model.encode(pixels).latent_dist
        return posterior.mean.float() + posterior.std.float() * torch.randn_like(posterior.mean.float())

    @torch.no_grad()
    def through_the_unet(latents: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        """Noises the latents a little and lets the UNet guess them."""
        times = torch.randint(LARGEST_TIME, (len(latents),), device=device)
        share, noise = kept[times][:, None, None, None], torch.randn_like(latents)
        noisy = share.sqrt() * latents * model.config.scaling_factor + (1 - share).sqrt() * noise
        guess = unet(noisy, times, text_encoder(ids)[0]).sample.float()
        return (noisy - (1 - share).sqrt() * guess) / share.sqrt() / model.config.scaling_factor

    began, drawn, half = time.time(), [], arguments.batch // 2
    while schedule.next(optimizer):
        if not drawn:
            named, anything = world.draw(16 * half), world.draw_anything(16 * half)
            ids = captions.choose(named.classes, named.tints, named.backgrounds)
            drawn = list(zip(named.pixels.split(half), ids.split(half), anything.split(half)))
        named_pixels, ids, other_pixels = drawn.pop()
        pixels = torch.cat([named_pixels, other_pixels]).contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16):
            latents = encode(pixels)
            latents = torch.cat([through_the_unet(latents[:half], ids), latents[half:]])
            output = decode(latents.contiguous(memory_format=torch.channels_last)).sample.float()
            seen = output.detach().requires_grad_(True)
            error = reconstruction_error(judge, seen, pixels)
            verdict = -adversary(seen).float().mean()
        wanted, = torch.autograd.grad(error, seen)
        crisp, = torch.autograd.grad(verdict, seen)
        share = ADVERSARIAL_SHARE * min(1.0, schedule.step / 400)
        optimizer.zero_grad(set_to_none=True)
        output.backward(wanted + crisp * (share * wanted.norm() / (crisp.norm() + 1e-12)))
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        average.update()
        with torch.autocast(device.type, torch.bfloat16):
            real, fake = adversary(pixels).float(), adversary(output.detach()).float()
        hinge = functional.relu(1 - real).mean() + functional.relu(1 + fake).mean()
        adversary_optimizer.zero_grad(set_to_none=True)
        hinge.backward()
        adversary_optimizer.step()
        if schedule.step % 250 in (1, 5):
            print(f"decoder step {schedule.step} error {error.item():.4f} hinge {hinge.item():.3f} "
                  f"{schedule.steps_per_second:.2f} steps/s, {time.time() - began:.0f} s", flush=True)

    average.put_in_place()
    print("autoencoder:", measure(model, world), flush=True)
    model.to(dtype=torch.half).save_pretrained(arguments.output)
    reconstructions(model.float(), world).save(f"{arguments.output}-reconstructions.png")


if __name__ == "__main__":
    main()
