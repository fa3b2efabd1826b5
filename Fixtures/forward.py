"""Writes `goldens/forward-<model>.safetensors`: forward passes of the tiny models' three networks.

All tensors are in PyTorch's layout (images and activations NCHW):

- `text.input_ids` [prompts, 77], `text.hidden_states.<i>` (0 is the embedding, i the i-th layer's output)
  and `text.last_hidden_state`, after the final norm;
- `time.timesteps`, `time.time_proj` (the sinusoids) and `time.time_embedding` (after the MLP);
- `unet.<case>.sample`, `.timesteps`, `.encoder_hidden_states` and `.output`, where a case is a
  latent's size: square, not square, and no multiple of the down factor;
- `activation.<module>`: the output of each module of the UNet in its last case, to find where two
  implementations part;
- `vae.pixel_values`, `vae.mean`, `vae.logvar`, `vae.latents` and `vae.decoded`.
"""

import torch

import common
import models

PROMPTS = ["", "a photo of sks dog", "It's the BEST picture, 2 cats & 3 dogs on the beach!", "blurry " * 100]
TIMESTEPS = [0, 1, 17, 250, 500, 751, 901, 998, 999]


def text_states(pipeline):
    tokens = pipeline.tokenizer(PROMPTS, padding="max_length", max_length=77, truncation=True, return_tensors="pt")
    output = pipeline.text_encoder(tokens.input_ids, output_hidden_states=True)
    states = {f"text.hidden_states.{index}": value for index, value in enumerate(output.hidden_states)}
    return {"text.input_ids": tokens.input_ids, "text.last_hidden_state": output.last_hidden_state} | states


def time_embeddings(unet):
    timesteps = torch.tensor(TIMESTEPS)
    sinusoids = unet.time_proj(timesteps)
    return {"time.timesteps": timesteps, "time.time_proj": sinusoids,
            "time.time_embedding": unet.time_embedding(sinusoids)}


def recorded_modules(unet):
    """The modules whose output is kept: the stem, the head, and every piece of every block."""
    kinds = ("resnets", "attentions", "downsamplers", "upsamplers")
    for name, module in unet.named_modules():
        path = name.split(".")
        if len(path) == 1 and name.startswith(("conv_", "time_")) or len(path) > 1 and path[-2] in kinds:
            yield name, module


def unet_passes(unet, states, generator):
    size = unet.config.sample_size
    cases = {"square": (size, size), "wide": (size // 2, size), "odd": (size // 2 + 1, size - 3)}
    tensors, activations = {}, {}

    def keep(name):
        def hook(module, arguments, output):
            activations[f"activation.{name}"] = output[0] if isinstance(output, tuple) else output
        return hook

    for name, (height, width) in cases.items():
        sample = torch.randn(2, unet.config.in_channels, height, width, generator=generator)
        timesteps = torch.randint(0, 1000, (2,), generator=generator)
        hooks = [module.register_forward_hook(keep(key)) for key, module in recorded_modules(unet)]
        output = unet(sample, timesteps, states[1:3], return_dict=False)[0]
        for hook in hooks:
            hook.remove()
        tensors |= {f"unet.{name}.sample": sample, f"unet.{name}.timesteps": timesteps,
                    f"unet.{name}.encoder_hidden_states": states[1:3], f"unet.{name}.output": output}
    return tensors | activations


def vae_passes(pipeline, generator):
    factor = pipeline.vae_scale_factor
    pixels = torch.rand(2, 3, 6 * factor, 4 * factor, generator=generator) * 2 - 1
    posterior = pipeline.vae.encode(pixels).latent_dist
    latents = torch.randn(posterior.mean.shape, generator=generator)
    return {"vae.pixel_values": pixels, "vae.mean": posterior.mean, "vae.logvar": posterior.logvar,
            "vae.latents": latents, "vae.decoded": pipeline.vae.decode(latents).sample}


def write_model(name):
    pipeline = models.load(name)
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        tensors = text_states(pipeline) | time_embeddings(pipeline.unet)
        tensors |= unet_passes(pipeline.unet, tensors["text.last_hidden_state"], generator)
        tensors |= vae_passes(pipeline, generator)
    common.write(f"forward-{name}", tensors, __file__)


if __name__ == "__main__":
    common.deterministic()
    for model in models.RECIPES:
        write_model(model)
