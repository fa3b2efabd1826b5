"""Trains the judge: a small residual network that reads class, tint and background off a drawn picture.

    python3 classifier.py --sprites sprites.npz --seconds 60 --output classifier.pt
"""

import argparse

import torch
import torch.nn as nn
import torch.nn.functional as functional

from training import Schedule, Workers
from vocabulary import BACKGROUND_NAMES, CLASS_NAMES, TINT_NAMES
from world import Batch, World


class Block(nn.Module):
    def __init__(self, channels_in: int, channels_out: int, stride: int):
        super().__init__()
        self.first = nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False)
        self.first_norm = nn.BatchNorm2d(channels_out)
        self.second = nn.Conv2d(channels_out, channels_out, 3, 1, 1, bias=False)
        self.second_norm = nn.BatchNorm2d(channels_out)
        self.shortcut = nn.Conv2d(channels_in, channels_out, 1, stride, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = functional.relu(self.first_norm(self.first(x)))
        return functional.relu(self.second_norm(self.second(hidden)) + self.shortcut(x))


class Classifier(nn.Module):
    """Logits of the class, the tint (the last is the thing's own colour) and the background."""

    def __init__(self):
        super().__init__()
        widths = [32, 64, 128, 192, 256]
        self.stem = nn.Conv2d(3, widths[0], 5, 2, 2)
        self.blocks = nn.ModuleList([Block(a, b, 2) for a, b in zip(widths, widths[1:])])
        self.heads = nn.ModuleList(
            [nn.Linear(widths[-1], size) for size in (len(CLASS_NAMES), len(TINT_NAMES) + 1, len(BACKGROUND_NAMES))])

    def features(self, pixels: torch.Tensor) -> list[torch.Tensor]:
        """The activations after the stem and after each block."""
        found = [functional.relu(self.stem(pixels))]
        for block in self.blocks:
            found.append(block(found[-1]))
        return found

    def forward(self, pixels: torch.Tensor) -> list[torch.Tensor]:
        last = self.features(pixels)[-1]
        pooled = last.amax((2, 3)) * 0.5 + last.mean((2, 3))
        return [head(pooled) for head in self.heads]


def targets(batch: Batch) -> list[torch.Tensor]:
    return [batch.classes, torch.where(batch.tints < 0, len(TINT_NAMES), batch.tints), batch.backgrounds]


def load_classifier(path: str, device: torch.device) -> Classifier:
    model = Classifier().to(device)
    model.load_state_dict(torch.load(path, map_location=device, weights_only=True))
    return model.eval().requires_grad_(False)


def degrade(pixels: torch.Tensor) -> torch.Tensor:
    """A little noise on every picture, and a blur on half of them, so that the judge reads shapes, not pixels."""
    blurred = functional.avg_pool2d(functional.pad(pixels, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    share = (torch.rand(len(pixels), 1, 1, 1, device=pixels.device) * 2 - 1).clamp(min=0)
    return torch.lerp(pixels, blurred, share) + 0.04 * torch.randn_like(pixels)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sprites", default="sprites.npz")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--batch", type=int, default=384)
    parser.add_argument("--output", default="classifier.pt")
    arguments = parser.parse_args()

    workers = Workers()
    torch.manual_seed(workers.rank)
    world = World(arguments.sprites, workers.device, seed=100 + workers.rank)
    model = Classifier().to(workers.device, memory_format=torch.channels_last)
    parameters = list(model.parameters())
    workers.share_weights(parameters)
    optimizer = torch.optim.AdamW(parameters, weight_decay=0.02)
    schedule = Schedule(workers, arguments.seconds, rate=2e-3, warm_up=100)
    while schedule.next(optimizer):
        batch = world.draw(arguments.batch)
        with torch.autocast(workers.device.type, torch.bfloat16):
            logits = model(degrade(batch.pixels))
        loss = sum(functional.cross_entropy(guess.float(), truth) for guess, truth in zip(logits, targets(batch)))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        workers.average_gradients(parameters)
        optimizer.step()
        if workers.is_first and schedule.step % 200 == 1:
            print(f"classifier step {schedule.step} loss {loss.item():.3f} {schedule.steps_per_second:.1f} steps/s")

    if workers.is_first:
        torch.save(model.state_dict(), arguments.output)
        model.eval()
        right, count = torch.zeros(3), 0
        for _ in range(10):
            batch = world.draw(arguments.batch)
            with torch.no_grad():
                guesses = [guess.argmax(1) for guess in model(batch.pixels)]
            right += torch.tensor([(guess == truth).sum().item() for guess, truth in zip(guesses, targets(batch))])
            count += arguments.batch
        shares = (right / count).tolist()
        print("classifier on drawn pictures: class %.4f tint %.4f background %.4f" % tuple(shares))
    workers.close()


if __name__ == "__main__":
    main()
