"""Writes `goldens/train-step/<case>.{inputs,outputs}.safetensors` and `<case>.json`.

One case is a tiny model, the arguments of `dbtool trace`, the numbers fed to it and the numbers
that must come out. The arithmetic is that of diffusers' `train_dreambooth.py`: the noise
scheduler is a DDPMScheduler built from the folder's scheduler config; with prior preservation the
prediction and the target are chunked into an instance half and a class half; the gradients of
everything trained are clipped together at norm 1; one AdamW holds all of it. ("sample" prediction
is not offered by that script: the target is then the latents.)

Everything is also computed in float64. The json gives, for each kind of output, the largest
relative difference between torch's float32 and float64: what two correct float32 programs may differ
by. It lists the gradients that are zero in exact arithmetic and hold rounding noise alone.
"""

import argparse
import copy
import itertools
import json

import torch
import torch.nn.functional as F
from diffusers import DDPMScheduler

import common
import models
from keys import prefixed

PROMPTS = ["a photo of sks dog", "a photo of sks dog on the beach", "a photo of a dog", "a picture of two cats"]
LEARNING_RATE = 1e-4
STEPS = 10
# A gradient this small beside the largest is zero but for rounding (float64 resolves 1e-16).
ZERO = 1e-12
# The largest relative difference between float32 and float64 that a gradient may show: a tenth of the
# tolerance that the tests have.
CONDITIONING = 1e-5


def case(model, size, batch=2, text=False, prior=None, parameters=False, pixels=False, ids=torch.int64, *, seed):
    return {"model": model, "size": size, "batch": batch, "train_text_encoder": text, "prior_loss_weight": prior,
            "parameters": parameters, "pixels": pixels, "ids": ids, "seed": seed}


# `size` is that of the latents. Those that are no multiple of the model's down factor make the
# up path interpolate to the size of its skip connections. `seed` is one that gives well-conditioned gradients.
CASES = {
    "sd1": case("tiny-sd1", (8, 8), seed=7),
    "sd1-prior": case("tiny-sd1", (6, 9), batch=4, prior=1.0, ids=torch.int32, seed=6),
    "sd1-text": case("tiny-sd1", (10, 6), text=True, seed=6),
    "sd1-text-prior": case("tiny-sd1", (8, 8), batch=4, text=True, prior=0.7, parameters=True, seed=4),
    "sd1-pixels": case("tiny-sd1", (8, 12), text=True, pixels=True, seed=4),
    "sd2": case("tiny-sd2", (8, 8), parameters=True, seed=3),
    "sd2-prior": case("tiny-sd2", (8, 8), prior=0.5, seed=5),
    "sd2-text": case("tiny-sd2", (7, 8), batch=1, text=True, seed=6),
    "sd2-text-prior": case("tiny-sd2", (8, 6), batch=4, text=True, prior=1.0, seed=5),
    "sd21": case("tiny-sd21", (16, 16), seed=2),
    "sd21-prior": case("tiny-sd21", (10, 13), prior=1.0, seed=3),
    "sd21-text": case("tiny-sd21", (16, 16), text=True, seed=2),
    "sd21-text-prior": case("tiny-sd21", (13, 16), batch=4, text=True, prior=1.0, parameters=True, seed=7),
    "sample": case("tiny-sample", (8, 8), batch=4, text=True, prior=1.0, parameters=True, seed=5),
}


def make_inputs(chosen, pipeline):
    generator = torch.Generator().manual_seed(chosen["seed"])
    batch, (height, width) = chosen["batch"], chosen["size"]
    shape = (batch, pipeline.unet.config.in_channels, height, width)
    inputs = {}
    if chosen["pixels"]:
        factor = pipeline.vae_scale_factor
        inputs["pixel_values"] = torch.rand(batch, 3, height * factor, width * factor, generator=generator) * 2 - 1
    else:
        inputs["latents"] = torch.randn(shape, generator=generator)
    inputs["noise"] = torch.randn(shape, generator=generator)
    inputs["timesteps"] = torch.randint(0, 1000, (batch,), generator=generator)
    half = batch // 2
    prompts = PROMPTS[:half] + PROMPTS[2:2 + half] if chosen["prior_loss_weight"] else PROMPTS[:batch]
    tokens = pipeline.tokenizer(prompts, padding="max_length", max_length=77, truncation=True, return_tensors="pt")
    inputs["input_ids"] = tokens.input_ids.to(chosen["ids"])
    return inputs


def forward_backward(chosen, parts, scheduler, inputs, latents):
    """One forward and backward pass; returns its outputs by their names in the trace."""
    timesteps = inputs["timesteps"].long()
    noise = inputs["noise"].to(latents.dtype)
    noisy = scheduler.add_noise(latents, noise, timesteps)
    states = parts["text_encoder"](inputs["input_ids"].long())[0]
    prediction = parts["unet"](noisy, timesteps, states).sample
    target = {
        "epsilon": lambda: noise,
        "v_prediction": lambda: scheduler.get_velocity(latents, noise, timesteps),
        "sample": lambda: latents,
    }[scheduler.config.prediction_type]()

    outputs = {"encoder_hidden_states": states, "model_pred": prediction, "target": target}
    if chosen["prior_loss_weight"] is not None:
        prediction, class_prediction = torch.chunk(prediction, 2, dim=0)
        target, class_target = torch.chunk(target, 2, dim=0)
        outputs["loss.prior"] = F.mse_loss(class_prediction, class_target, reduction="mean")
    outputs["loss.instance"] = F.mse_loss(prediction, target, reduction="mean")
    loss = outputs["loss.instance"]
    if chosen["prior_loss_weight"] is not None:
        loss = loss + chosen["prior_loss_weight"] * outputs["loss.prior"]
    loss.backward()
    return outputs | {"loss": loss}


def trace(chosen, pipeline, inputs, dtype):
    """What `dbtool trace` must put out, computed in `dtype`."""
    scheduler = DDPMScheduler.from_config(pipeline.scheduler.config)
    parts = {name: copy.deepcopy(getattr(pipeline, name)).to(dtype) for name in ["unet", "text_encoder", "vae"]}
    trained = ["unet", "text_encoder"] if chosen["train_text_encoder"] else ["unet"]
    for name, part in parts.items():
        part.requires_grad_(name in trained).train(name in trained)

    outputs = {}
    if chosen["pixels"]:
        with torch.no_grad():
            scaling = parts["vae"].config.scaling_factor
            latents = parts["vae"].encode(inputs["pixel_values"].to(dtype)).latent_dist.mean * scaling
            outputs["latents"] = latents
            outputs["vae.decoded"] = parts["vae"].decode(latents / scaling).sample
    else:
        latents = inputs["latents"].to(dtype)

    parameters = list(itertools.chain(*(parts[name].parameters() for name in trained)))
    optimizer = torch.optim.AdamW(parameters, lr=LEARNING_RATE, betas=(0.9, 0.999), weight_decay=1e-2, eps=1e-8)
    losses = []
    for step in range(STEPS):
        result = forward_backward(chosen, parts, scheduler, inputs, latents)
        losses.append(result["loss"].item())
        if step == 0:
            outputs |= {name: value.detach().clone() for name, value in result.items()}
            for name in trained:
                for key, parameter in parts[name].named_parameters():
                    outputs[f"grad.{name}.{prefixed(name, key)}"] = parameter.grad.clone()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad()
    outputs["losses"] = torch.tensor(losses, dtype=dtype)
    for name in trained:
        for key, parameter in parts[name].named_parameters():
            outputs[f"param.{name}.{prefixed(name, key)}"] = parameter.detach().clone()
    return outputs


def relative(value, exact):
    return ((value.double() - exact).norm() / exact.norm()).item()


def conditioning(outputs, exact):
    """The worst relative difference of each kind of output and the gradients that are zero."""
    largest = max(exact[key].norm() for key in exact if key.startswith("grad."))
    zero = [key for key in exact if key.startswith("grad.") and exact[key].norm() < ZERO * largest]
    noise = set(zero) | {key.replace("grad.", "param.", 1) for key in zero}
    kinds = {}
    for key in exact:
        if key in noise:
            continue
        kind = key.split(".")[0] if key.startswith(("grad.", "param.")) else key
        value = relative(outputs[key], exact[key])
        if value > kinds.get(kind, {"relative_difference": -1})["relative_difference"]:
            kinds[kind] = {"relative_difference": value} | ({"tensor": key} if kind != key else {})
    return kinds, zero


def write_case(name):
    chosen = CASES[name]
    pipeline = models.load(chosen["model"])
    inputs = make_inputs(chosen, pipeline)
    outputs = trace(chosen, pipeline, inputs, torch.float32)
    kinds, zero = conditioning(outputs, trace(chosen, pipeline, inputs, torch.float64))
    if kinds["grad"]["relative_difference"] > CONDITIONING:
        raise SystemExit(f"{name}: ill-conditioned gradient {kinds['grad']}, choose another seed")

    if not chosen["parameters"]:
        outputs = {key: value for key, value in outputs.items() if not key.startswith("param.")}
    common.write(f"train-step/{name}.inputs", inputs, __file__)
    common.write(f"train-step/{name}.outputs", outputs, __file__)
    common.write_json(f"train-step/{name}", {
        "model": chosen["model"],
        "train_text_encoder": chosen["train_text_encoder"],
        "with_prior_preservation": chosen["prior_loss_weight"] is not None,
        "prior_loss_weight": chosen["prior_loss_weight"],
        "learning_rate": LEARNING_RATE,
        "steps": STEPS,
        "conditioning": kinds,
        "zero_gradients": sorted(zero),
    }, __file__)
    print(name, {kind: f"{value['relative_difference']:.0e}" for kind, value in kinds.items()})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", help="all when none is named")
    chosen_cases = parser.parse_args().cases or list(CASES)
    common.deterministic()
    for name in chosen_cases:
        write_case(name)
