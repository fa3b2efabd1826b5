"""Writes `goldens/single-file/<model>.json`: where diffusers finds each tensor in a single file.

A single file's names are listed here by the structure of the original networks. diffusers' own
readers then say which tensor each of them becomes: they are given a file in which every tensor has
another number, so a name that they do not know, or a tensor that they miss, cannot pass unseen.
"""

import json

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.loaders import single_file_utils
from transformers import CLIPTextConfig, CLIPTextModel

import common

CONFIGS = {name: common.FIXTURES / "configs" / name for name in ["sd15", "sd21"]} | {
    name: common.FIXTURES / "models" / name for name in ["tiny-sd1", "tiny-sd2", "tiny-sd21"]}

RESIDUAL = ["in_layers.0", "in_layers.2", "emb_layers.1", "out_layers.0", "out_layers.3", "skip_connection"]
TRANSFORMER = ["norm", "proj_in", "proj_out"] + [f"transformer_blocks.0.{name}" for name in [
    "norm1", "norm2", "norm3", "ff.net.0.proj", "ff.net.2",
    *(f"attn{index}.{name}" for index in (1, 2) for name in ["to_q", "to_k", "to_v", "to_out.0"])]]


def config_of(model, part):
    return json.loads((CONFIGS[model] / part / "config.json").read_text())


def unet_names(config):
    """The modules of the original UNet, and shortcuts and biases that some of them lack."""
    levels, layers = len(config["block_out_channels"]), config["layers_per_block"]
    attends = [kind.startswith("CrossAttn") for kind in config["down_block_types"]]

    def layer(path, attends):
        return [f"{path}.0.{part}" for part in RESIDUAL] + [f"{path}.1.{part}" for part in TRANSFORMER if attends]

    names = ["time_embed.0", "time_embed.2", "input_blocks.0.0", "out.0", "out.2"]
    block = 1
    for level in range(levels):
        for _ in range(layers):
            names += layer(f"input_blocks.{block}", attends[level])
            block += 1
        if level < levels - 1:
            names.append(f"input_blocks.{block}.0.op")
            block += 1
    names += [f"middle_block.{index}.{part}" for index in (0, 2) for part in RESIDUAL]
    names += [f"middle_block.1.{part}" for part in TRANSFORMER]
    block = 0
    for level in reversed(range(levels)):
        for index in range(layers + 1):
            names += layer(f"output_blocks.{block}", attends[level])
            if index == layers and level > 0:
                names.append(f"output_blocks.{block}.{2 if attends[level] else 1}.conv")
            block += 1
    return names


def autoencoder_names(config):
    """The modules of the original autoencoder."""
    count, layers = len(config["block_out_channels"]), config["layers_per_block"]
    names = ["quant_conv", "post_quant_conv"]
    for half, way, extra, between in [("encoder", "down", 0, "downsample"), ("decoder", "up", 1, "upsample")]:
        names += [f"{half}.{name}" for name in ["conv_in", "norm_out", "conv_out"]]
        names += [f"{half}.mid.attn_1.{name}" for name in ["norm", "q", "k", "v", "proj_out"]]
        names += [f"{half}.mid.block_{i}.{name}" for i in (1, 2) for name in ["norm1", "conv1", "norm2", "conv2"]]
        for level in range(count):
            for index in range(layers + extra):
                names += [f"{half}.{way}.{level}.block.{index}.{name}"
                          for name in ["norm1", "conv1", "norm2", "conv2", "nin_shortcut"]]
            names.append(f"{half}.{way}.{level}.{between}.conv")
    return names


def open_clip_names(config):
    names = ["positional_embedding", "token_embedding.weight", "ln_final.weight", "ln_final.bias"]
    for index in range(config["num_hidden_layers"]):
        for name in ["ln_1", "ln_2", "attn.out_proj", "mlp.c_fc", "mlp.c_proj"]:
            names += [f"transformer.resblocks.{index}.{name}.{kind}" for kind in ("weight", "bias")]
        names += [f"transformer.resblocks.{index}.attn.in_proj_{kind}" for kind in ("weight", "bias")]
    return names


def numbered(names, shape):
    """A tensor for each name, filled with a number of its own."""
    return {name: torch.full(shape, float(index)) for index, name in enumerate(names)}


def places(converted, names):
    """The name behind each tensor, told by its number."""
    return {key: names[int(value.flatten()[0])] for key, value in converted.items() if value is not None}


def unet_places(model):
    config = config_of(model, "unet")
    names = [f"model.diffusion_model.{name}.{kind}" for name in unet_names(config) for kind in ("weight", "bias")]
    return places(single_file_utils.convert_ldm_unet_checkpoint(numbered(names, (1,)), config), names)


def autoencoder_places(model):
    config = config_of(model, "vae")
    names = [f"first_stage_model.{name}.{kind}" for name in autoencoder_names(config) for kind in ("weight", "bias")]
    return places(single_file_utils.convert_ldm_vae_checkpoint(numbered(names, (1, 1, 1, 1)), config), names)


def text_places(model, keys):
    config = config_of(model, "text_encoder")
    if config["hidden_act"] == "quick_gelu":
        names = [f"cond_stage_model.transformer.{key}" for key in keys]
        return places(single_file_utils.convert_ldm_clip_checkpoint(numbered(names, (1,))), names)
    prefix = "cond_stage_model.model."
    names = [prefix + name for name in open_clip_names(config)]
    # Three rows, so that queries, keys and values can be told apart; the readers take the width from here.
    tensors = {name: torch.full((3, 1) if name.endswith("weight") else (3,), float(index))
               for index, name in enumerate(names)}
    for index, name in enumerate(names):
        if ".in_proj_" in name:
            tensors[name] += torch.tensor([0.25, 0.5, 0.75]).reshape(-1, *[1] * (tensors[name].ndim - 1))
    tensors[prefix + "text_projection"] = torch.zeros(1, 1)
    converted = single_file_utils.convert_open_clip_checkpoint(None, tensors, prefix=prefix)
    converted.pop("text_projection.weight", None)
    found = {}
    for key, value in converted.items():
        number = float(value.flatten()[0])
        third = {0.25: 0, 0.5: 1, 0.75: 2}.get(number % 1)
        found[key] = names[int(number)] if third is None else [names[int(number)], third]
    return found


def modules(model):
    with torch.device("meta"):
        return {
            "unet": UNet2DConditionModel.from_config(config_of(model, "unet")),
            "vae": AutoencoderKL.from_config(config_of(model, "vae")),
            "text_encoder": CLIPTextModel(CLIPTextConfig.from_dict(config_of(model, "text_encoder"))),
        }


def write(model):
    parts = modules(model)
    keys = {part: {key if part != "text_encoder" else f"text_model.{key.removeprefix('text_model.')}"
                   for key, _ in module.named_parameters()} for part, module in parts.items()}
    table = {"unet": unet_places(model), "vae": autoencoder_places(model),
             "text_encoder": text_places(model, sorted(keys["text_encoder"]))}
    for part, wanted in keys.items():
        found = {key: place for key, place in table[part].items() if key in wanted}
        assert set(found) == wanted, (model, part, sorted(wanted - set(found))[:5])
        table[part] = found
    common.write_json(f"single-file/{model}", table, __file__)
    print(model, {part: len(found) for part, found in table.items()})


if __name__ == "__main__":
    for name in CONFIGS:
        write(name)
