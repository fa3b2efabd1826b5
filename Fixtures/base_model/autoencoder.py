"""Trains the KL autoencoder on pictures of every glyph there is, and measures its scaling factor.

    torchrun --nproc-per-node N autoencoder.py --classifier classifier.pt --seconds 300 --output vae

Loss: absolute and squared error, absolute error of the differences between neighbouring pixels (edges stay sharp),
differences of the classifier's activations (what is drawn stays readable), and the KL term.
The decoder is finished by decoder.py.
"""

import argparse
import time

import torch
from diffusers import AutoencoderKL
from PIL import Image

from classifier import Classifier, load_classifier
from networks import new_autoencoder
from training import Average, Schedule, Workers, sheet
from world import World

FEATURE_WEIGHT = 0.25


def edge_error(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    error = output - target
    across, down = error[..., 1:] - error[..., :-1], error[..., 1:, :] - error[..., :-1, :]
    return across.abs().mean() + down.abs().mean()


def feature_error(judge: Classifier, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Mean absolute difference of the first four activations, each against its own mean size."""
    with torch.no_grad():
        wanted = judge.features(target)[:4]
    return sum((a - b).float().abs().mean() / (b.float().abs().mean() + 1e-3)
               for a, b in zip(judge.features(output)[:4], wanted)) / 4


def reconstruction_error(judge: Classifier, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    error = output - target
    pixels = error.abs().mean() + 0.5 * error.square().mean() + edge_error(output, target)
    return pixels + FEATURE_WEIGHT * feature_error(judge, output, target)


@torch.no_grad()
def measure(model: AutoencoderKL, world: World) -> dict[str, float]:
    """The squared error over drawn pictures, and the spread of their latents."""
    errors, latents, spreads = [], [], []
    for _ in range(8):
        pixels = world.draw(128).pixels
        posterior = model.encode(pixels).latent_dist
        errors.append((model.decode(posterior.mean).sample.clamp(-1, 1) - pixels).square().mean().item())
        latents.append(posterior.mean)
        spreads.append(posterior.std.mean().item())
    everything = torch.cat(latents)
    return {"squared_error": sum(errors) / 8, "latent_std": everything.std().item(),
            "latent_mean": everything.mean().item(), "posterior_std": sum(spreads) / 8}


@torch.no_grad()
def reconstructions(model: AutoencoderKL, world: World) -> Image.Image:
    """Rows of drawn pictures, each followed by the row of what the autoencoder makes of them."""
    pixels = torch.cat([world.draw(12).pixels, world.draw_anything(12)])
    rebuilt = model.decode(model.encode(pixels).latent_dist.mean).sample
    rows = torch.stack([pixels.view(2, 12, 3, 128, 128), rebuilt.view(2, 12, 3, 128, 128)], dim=1)
    return sheet(rows.flatten(0, 2), 12)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sprites", default="sprites.npz")
    parser.add_argument("--classifier", default="classifier.pt")
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--batch", type=int, default=64, help="pictures for each device and step")
    parser.add_argument("--rate", type=float, default=8e-4)
    parser.add_argument("--kl-weight", type=float, default=1e-3)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--start", help="folder of an autoencoder to go on from")
    parser.add_argument("--output", default="vae")
    arguments = parser.parse_args()

    workers = Workers()
    torch.manual_seed(workers.rank)
    device = workers.device
    world = World(arguments.sprites, device, seed=200 + workers.rank)
    judge = load_classifier(arguments.classifier, device)
    model = AutoencoderKL.from_pretrained(arguments.start) if arguments.start else new_autoencoder()
    model.float().to(device, memory_format=torch.channels_last).train()
    parameters = list(model.parameters())
    workers.share_weights(parameters)
    optimizer = torch.optim.AdamW(parameters, betas=(0.9, 0.99), weight_decay=0.0, fused=device.type == "cuda")
    average = Average(parameters, 0.998)
    schedule = Schedule(workers, arguments.seconds, arguments.rate, warm_up=150)

    def reconstruct(pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        posterior = model.encode(pixels).latent_dist
        mean, log_variance = posterior.mean.float(), posterior.logvar.float()
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean()
        latents = mean + (0.5 * log_variance).exp() * torch.randn_like(mean)
        return model.decode(latents).sample, divergence

    step = torch.compile(reconstruct) if arguments.compile else reconstruct
    error_of = torch.compile(reconstruction_error) if arguments.compile else reconstruction_error
    began, drawn = time.time(), []
    while schedule.next(optimizer):
        if not drawn:  # Many at once: a small drawing costs as much as a large one.
            drawn = list(world.draw_anything(16 * arguments.batch).split(arguments.batch))
        pixels = drawn.pop().contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16):
            output, divergence = step(pixels)
            output = output.float()
            loss = error_of(judge, output, pixels) + arguments.kl_weight * divergence
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        workers.average_gradients(parameters)
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        average.update()
        if workers.is_first and schedule.step % 250 in (1, 5):
            print(f"autoencoder step {schedule.step} loss {loss.item():.4f} divergence {divergence.item():.3f} "
                  f"{schedule.steps_per_second:.2f} steps/s, {time.time() - began:.0f} s", flush=True)

    if workers.is_first:
        average.put_in_place()
        model.eval()
        figures = measure(model, world)
        print("autoencoder:", figures, flush=True)
        model.register_to_config(scaling_factor=round(1 / figures["latent_std"], 4))
        model.save_pretrained(arguments.output)
        reconstructions(model, world).save(f"{arguments.output}-reconstructions.png")
    workers.close()


if __name__ == "__main__":
    main()
