"""Asks the base model for things in places and counts what the classifier reads off its samples.

    torchrun --nproc-per-node N evaluate.py --model toy-world --samples 3840 --output figures.json

Figures: the share read as asked for the class, for the place (of the places and the plain backdrops), and for the tint
where one was asked for; per item too. The same shares over the autoencoder's reconstructions of drawn pictures bound
what can be reached.
"""

import argparse
import json
from collections import defaultdict
from pathlib import Path

import torch
import torch.distributed as distributed
from diffusers import DDIMScheduler, StableDiffusionPipeline

from classifier import Classifier, load_classifier
from training import Workers, sheet
from vocabulary import BACKGROUND_NAMES, CLASS_NAMES, PLACES, TINT_NAMES, caption
from world import World

SHOWN = [
    "a photo of a dog on the beach", "a photo of a robot in the snow", "a photo of a teapot on a wooden table",
    "a photo of a red car in the desert", "a photo of an octopus under water", "a photo of a purple dinosaur in space",
    "a photo of a castle at sunset", "a photo of a penguin in the city at night", "a photo of a unicorn in a meadow",
    "a photo of a rocket on the moon", "a photo of a blue cat in the forest",
    "a photo of a panda in front of a brick wall",
    "a photo of a cupcake on a pink background", "a photo of a green guitar on a yellow background",
    "a photo of a pizza in space", "a photo of a teddy bear",
]


class Sampler:
    """DDIM with guidance, in half-precision arithmetic where there is a GPU."""

    def __init__(self, folder: Path, device: torch.device):
        self.device = device
        pipeline = StableDiffusionPipeline.from_pretrained(folder, dtype=torch.float32).to(device)
        self.unet, self.autoencoder = pipeline.unet.eval(), pipeline.vae.eval()
        self.text_encoder, self.tokenizer = pipeline.text_encoder.eval(), pipeline.tokenizer
        self.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config)

    def embed(self, prompts: list[str]) -> torch.Tensor:
        encoded = self.tokenizer(prompts, padding="max_length", max_length=77, truncation=True, return_tensors="pt")
        return self.text_encoder(encoded.input_ids.to(self.device))[0]

    @torch.no_grad()
    def sample(self, prompts: list[str], steps: int, guidance: float, generator: torch.Generator) -> torch.Tensor:
        count = len(prompts)
        states = torch.cat([self.embed([""] * count), self.embed(prompts)])
        side, channels = self.unet.config.sample_size, self.unet.config.in_channels
        latents = torch.randn(count, channels, side, side, device=self.device, generator=generator)
        self.scheduler.set_timesteps(steps, device=self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            for time in self.scheduler.timesteps:
                empty, asked = self.unet(torch.cat([latents] * 2), time, states).sample.float().chunk(2)
                latents = self.scheduler.step(empty + guidance * (asked - empty), time, latents).prev_sample
            return self.autoencoder.decode(latents / self.autoencoder.config.scaling_factor).sample.float().clamp(-1, 1)


def read(judge: Classifier, pixels: torch.Tensor) -> torch.Tensor:
    """The class, the tint and the background of each picture as the judge sees them, [n, 3]."""
    with torch.no_grad():
        classes, tints, backgrounds = judge(pixels)
    # A tint is only counted where one was asked for, so the thing's own colour is no answer.
    return torch.stack([classes.argmax(1), tints[:, :-1].argmax(1), backgrounds.argmax(1)], dim=1)


def shares(asked: torch.Tensor, seen: torch.Tensor) -> dict:
    right = (asked == seen).float()
    tinted, placed = asked[:, 1] >= 0, asked[:, 2] < len(PLACES)

    def each(column: int, names: list[str], rows: torch.Tensor) -> dict[str, float]:
        groups = defaultdict(list)
        for label, hit in zip(asked[rows, column].tolist(), right[rows, column].tolist()):
            groups[names[label]].append(hit)
        return {name: round(sum(groups[name]) / len(groups[name]), 3) for name in names if name in groups}

    everything = torch.ones(len(asked), dtype=torch.bool)
    return {
        "samples": len(asked),
        "class": round(right[:, 0].mean().item(), 4),
        "class_in_own_colour": round(right[~tinted, 0].mean().item(), 4),
        "class_tinted": round(right[tinted, 0].mean().item(), 4),
        "place": round(right[placed, 2].mean().item(), 4),
        "backdrop": round(right[~placed, 2].mean().item(), 4),
        "tint": round(right[tinted, 1].mean().item(), 4),
        "per_class": each(0, CLASS_NAMES, everything), "per_background": each(2, BACKGROUND_NAMES, everything),
        "per_tint": each(1, TINT_NAMES, tinted),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--classifier", default="classifier.pt")
    parser.add_argument("--sprites", default="sprites.npz")
    parser.add_argument("--samples", type=int, default=3840)
    parser.add_argument("--batch", type=int, default=480)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--guidance", type=float, default=5.0)
    parser.add_argument("--output", type=Path, default=Path("figures.json"))
    arguments = parser.parse_args()

    workers = Workers()
    device = workers.device
    world = World(arguments.sprites, device, seed=400 + workers.rank)
    judge = load_classifier(arguments.classifier, device)
    sampler = Sampler(arguments.model, device)
    generator = torch.Generator(device).manual_seed(500 + workers.rank)
    asked, seen, rebuilt = [], [], []
    for start in range(0, arguments.samples // workers.count, arguments.batch):
        count = min(arguments.batch, arguments.samples // workers.count - start)
        classes = (torch.arange(count, device=device) + start) % len(CLASS_NAMES)
        tints = torch.where(world.uniform(0, 1, count) < 0.35, world.integers(len(TINT_NAMES), count), -1)
        backgrounds = world.random_backgrounds(count)
        prompts = [caption(CLASS_NAMES[c], TINT_NAMES[t] if t >= 0 else None, BACKGROUND_NAMES[b])
                   for c, t, b in zip(classes.tolist(), tints.tolist(), backgrounds.tolist())]
        pixels = sampler.sample(prompts, arguments.steps, arguments.guidance, generator)
        drawn = world.draw_as(classes, tints, backgrounds).pixels
        with torch.no_grad():
            again = sampler.autoencoder.decode(sampler.autoencoder.encode(drawn).latent_dist.mean).sample.clamp(-1, 1)
        asked.append(torch.stack([classes, tints, backgrounds], dim=1))
        seen.append(read(judge, pixels))
        rebuilt.append(read(judge, again))

    def gather(rows: list[torch.Tensor]) -> torch.Tensor:
        mine = torch.cat(rows).contiguous()
        if workers.count > 1:
            parts = [torch.empty_like(mine) for _ in range(workers.count)]
            distributed.all_gather(parts, mine)
            mine = torch.cat(parts)
        return mine.cpu()

    asked, seen, rebuilt = gather(asked), gather(seen), gather(rebuilt)
    if workers.is_first:
        figures = {"steps": arguments.steps, "guidance": arguments.guidance, **shares(asked, seen)}
        bound = shares(asked, rebuilt)
        figures["reconstructions"] = {key: bound[key] for key in ("class", "place", "backdrop", "tint")}
        arguments.output.write_text(json.dumps(figures, indent=1) + "\n")
        print({key: value for key, value in figures.items() if not key.startswith("per_")}, flush=True)
        weakest = sorted(figures["per_class"].items(), key=lambda item: item[1])[:16]
        print("weakest classes:", weakest, flush=True)
        shown = sampler.sample(SHOWN * 3, arguments.steps, arguments.guidance, generator)
        sheet(shown.view(3, 16, 3, 128, 128).flatten(0, 1), 16).save(arguments.output.with_suffix(".png"))
    workers.close()


if __name__ == "__main__":
    main()
