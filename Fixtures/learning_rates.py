"""Writes `goldens/learning-rates.json`: the rate of every optimiser step of schedules of diffusers."""

import torch
from diffusers.optimization import get_scheduler

import common


def schedule(name, base=5e-6, warmup=0, total=20, cycles=1, power=1.0):
    return {"name": name, "base": base, "warmup": warmup, "total": total, "cycles": cycles, "power": power}


# A few steps beyond the end are written too: a resumed run may be made longer than it was.
BEYOND = 5
SCHEDULES = [
    schedule("constant"),
    schedule("constant_with_warmup", warmup=7),
    schedule("constant_with_warmup"),
    schedule("linear"),
    schedule("linear", warmup=1, total=13),
    schedule("linear", warmup=13, total=13),
    schedule("cosine"),
    schedule("cosine", base=1e-4, warmup=6, total=31),
    schedule("cosine_with_restarts", cycles=1),
    schedule("cosine_with_restarts", base=1e-4, warmup=3, total=30, cycles=3),
    schedule("cosine_with_restarts", warmup=2, total=29, cycles=4),
    schedule("polynomial"),
    schedule("polynomial", base=1e-4, warmup=5, total=25, power=2.0),
    schedule("polynomial", base=1e-4, warmup=4, total=23, power=0.5),
]


def rates(chosen):
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=chosen["base"])
    scheduler = get_scheduler(
        chosen["name"], optimizer, num_warmup_steps=chosen["warmup"], num_training_steps=chosen["total"],
        num_cycles=chosen["cycles"], power=chosen["power"])
    found = []
    for _ in range(chosen["total"] + BEYOND):
        found.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    return found


if __name__ == "__main__":
    common.deterministic()
    common.write_json("learning-rates", [chosen | {"rates": rates(chosen)} for chosen in SCHEDULES], __file__)
