"""Writes `goldens/schedulers.safetensors` and `goldens/schedulers.json`: whole walks of diffusers' samplers.

For each case of the json, which holds the settings and the number of steps, `<case>/timesteps` [calls]
and `<case>/samples` [calls + 1, 2, 3, 4, 5] begin with the start. The model is `fake_model`, the noise is
`noise(call)`, so that no generator takes part.

`<schedule>/betas` and `<schedule>/alphas_cumprod` are the schedules; `<class>/<spacing>/<count>` all the
timesteps of many counts; `add_noise` and `velocity` [8, 3, 4, 5] the training side at `timesteps` [8].
"""

import math

import diffusers
import torch
from diffusers import DDIMScheduler, DDPMScheduler, PNDMScheduler

import common

SHAPE = (2, 3, 4, 5)
STABLE_DIFFUSION = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}
SCHEDULES = {
    "linear": {},
    "scaled_linear": STABLE_DIFFUSION,
    "squaredcos_cap_v2": {"beta_schedule": "squaredcos_cap_v2"},
    "few": {"num_train_timesteps": 37, "beta_start": 0.001, "beta_end": 0.3},
    "zero_snr": {**STABLE_DIFFUSION, "rescale_betas_zero_snr": True},
    "trained": {"num_train_timesteps": 6, "trained_betas": [0.01, 0.02, 0.05, 0.1, 0.2, 0.4]},
}
COUNTS = [1, 2, 3, 4, 5, 6, 7, 9, 11, 13, 17, 20, 25, 27, 30, 33, 49, 50, 64, 77, 99, 100, 111, 150, 250, 333, 499, 500, 501, 999]


def wave(phase):
    """A tensor of the golden shape between -1 and 1, the same on every machine."""
    index = torch.arange(math.prod(SHAPE), dtype=torch.float64)
    return torch.sin(index * 0.7 + phase * 1.3).to(torch.float32).reshape(SHAPE)


def fake_model(sample, timestep):
    """Something that depends on the sample and on the timestep: half the sample plus a wave."""
    return sample * 0.5 + wave(timestep)


def noise(call):
    return wave(0.25 + call) * 1.5


def walk(scheduler, count, **arguments):
    """The timesteps and the samples of a walk of `count` steps."""
    scheduler.set_timesteps(count)
    module = diffusers.schedulers.scheduling_ddpm, diffusers.schedulers.scheduling_ddim
    drawn = []

    def next_noise(shape, **_):
        drawn.append(noise(len(drawn)))
        return drawn[-1]

    originals = [part.randn_tensor for part in module]
    for part in module:
        part.randn_tensor = next_noise
    samples = [wave(100) * 2]
    for timestep in scheduler.timesteps:
        output = fake_model(samples[-1], int(timestep))
        samples.append(scheduler.step(output, int(timestep), samples[-1], **arguments).prev_sample)
    for part, original in zip(module, originals):
        part.randn_tensor = original
    return scheduler.timesteps.clone(), torch.stack(samples)


def cases():
    """Name, class, settings, steps and arguments of `step`."""
    base = {**STABLE_DIFFUSION, "clip_sample": False}
    for spacing in ["leading", "linspace", "trailing"]:
        for prediction in ["epsilon", "v_prediction", "sample"]:
            settings = {**base, "timestep_spacing": spacing, "prediction_type": prediction}
            name = f"{spacing}/{prediction}"
            yield f"ddpm/{name}", DDPMScheduler, settings, 20, {}
            yield f"ddim/{name}", DDIMScheduler, {**settings, "set_alpha_to_one": False}, 20, {}
            if prediction != "sample":
                del settings["clip_sample"]
                yield f"plms/{name}", PNDMScheduler, {**settings, "skip_prk_steps": True}, 20, {}
                yield f"prk/{name}", PNDMScheduler, settings, 20, {}
    clipped = {**STABLE_DIFFUSION, "clip_sample": True, "clip_sample_range": 0.75}
    for variance in ["fixed_small", "fixed_small_log", "fixed_large"]:
        yield f"ddpm/{variance}", DDPMScheduler, {**base, "variance_type": variance}, 7, {}
    for prediction in ["epsilon", "v_prediction", "sample"]:
        settings = {**clipped, "prediction_type": prediction}
        yield f"ddpm/clip/{prediction}", DDPMScheduler, settings, 7, {}
        yield f"ddim/clip/{prediction}", DDIMScheduler, settings, 7, {}
        yield f"ddim/eta/{prediction}", DDIMScheduler, {**base, "prediction_type": prediction}, 7, {"eta": 1.0}
    for count in [1, 2, 3, 50]:
        yield f"ddpm/count/{count}", DDPMScheduler, {}, count, {}
        yield f"ddim/count/{count}", DDIMScheduler, {}, count, {}
        yield f"plms/count/{count}", PNDMScheduler, {"skip_prk_steps": True}, count, {}
    yield "plms/alpha_one", PNDMScheduler, {"skip_prk_steps": True, "set_alpha_to_one": True}, 5, {}
    yield "prk/4", PNDMScheduler, {}, 4, {}
    yield "prk/11", PNDMScheduler, {}, 11, {}
    zero = {**base, "rescale_betas_zero_snr": True, "timestep_spacing": "trailing", "prediction_type": "v_prediction"}
    yield "ddim/zero_snr", DDIMScheduler, zero, 9, {}
    yield "ddpm/zero_snr", DDPMScheduler, zero, 9, {}
    for part in [DDPMScheduler, DDIMScheduler]:
        yield f"{part.__name__}/cosine", part, {"beta_schedule": "squaredcos_cap_v2", "clip_sample": False}, 9, {}
        yield f"{part.__name__}/few", part, {**SCHEDULES["few"], "clip_sample": False}, 37, {}


def main():
    common.deterministic()
    tensors, descriptions = {}, {}
    for name, settings in SCHEDULES.items():
        scheduler = DDPMScheduler(**settings)
        tensors[f"{name}/betas"], tensors[f"{name}/alphas_cumprod"] = scheduler.betas, scheduler.alphas_cumprod
    for name, part, settings, count, arguments in cases():
        scheduler = part(**settings)
        tensors[f"{name}/timesteps"], tensors[f"{name}/samples"] = walk(scheduler, count, **arguments)
        descriptions[name] = {"config": {"_class_name": part.__name__, **settings}, "count": count, **arguments}
    for part, extra in [(DDIMScheduler, {}), (PNDMScheduler, {"skip_prk_steps": True}), (PNDMScheduler, {})]:
        for spacing in ["leading", "linspace", "trailing"]:
            scheduler = part(timestep_spacing=spacing, steps_offset=1, **extra)
            for count in COUNTS:
                if part is PNDMScheduler and not extra and count < 4:
                    continue
                scheduler.set_timesteps(count)
                kind = {"DDIMScheduler": "ddim"}.get(part.__name__, "plms" if extra else "prk")
                tensors[f"{kind}/{spacing}/{count}"] = scheduler.timesteps.to(torch.int32)
    timesteps = torch.tensor([0, 1, 250, 499, 500, 777, 998, 999])
    sample, target = wave(1).repeat(4, 1, 1, 1), torch.cat([noise(2), noise(3), noise(4), noise(5)])
    for name in ["scaled_linear", "zero_snr"]:
        scheduler = DDPMScheduler(**SCHEDULES[name])
        tensors[f"{name}/add_noise"] = scheduler.add_noise(sample, target, timesteps)
        tensors[f"{name}/velocity"] = scheduler.get_velocity(sample, target, timesteps)
    tensors |= {"timesteps": timesteps, "sample": sample, "noise": target}
    tensors = {name: value.to(torch.int32) if value.dtype == torch.int64 else value for name, value in tensors.items()}
    common.write("schedulers", tensors, __file__)
    common.write_json("schedulers", {"schedules": SCHEDULES, "cases": descriptions}, __file__)


if __name__ == "__main__":
    main()
