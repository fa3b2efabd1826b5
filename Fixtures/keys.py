"""Writes `goldens/keys-<model>.json`: every tensor's name and shape of the full-size models.

The modules are built from `configs/` by the real classes on torch's meta device, which allocates
nothing. The configs are those the published checkpoints carry. Text encoder keys get the
`text_model.` prefix that the checkpoints have and transformers 5 leaves out.
"""

import json

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

import common

CONFIGS = common.FIXTURES / "configs"


def modules(model):
    def config(part):
        return json.loads((CONFIGS / model / part / "config.json").read_text())

    with torch.device("meta"):
        return {
            "unet": UNet2DConditionModel.from_config(config("unet")),
            "vae": AutoencoderKL.from_config(config("vae")),
            "text_encoder": CLIPTextModel(CLIPTextConfig.from_dict(config("text_encoder"))),
        }


def prefixed(part, key):
    return f"text_model.{key.removeprefix('text_model.')}" if part == "text_encoder" else key


def write_keys(model):
    lines = []
    for part, module in modules(model).items():
        shapes = {prefixed(part, key): list(value.shape) for key, value in module.named_parameters()}
        buffers = [key for key in module.state_dict() if prefixed(part, key) not in shapes]
        assert not buffers, buffers
        count = sum(parameter.numel() for parameter in module.parameters())
        print(f"{model} {part}: {len(shapes)} tensors, {count:,} parameters")
        tensors = ",\n".join(f"   {json.dumps(key)}: {shapes[key]}" for key in sorted(shapes))
        lines.append(f' "{part}": {{\n  "parameters": {count},\n  "tensors": {{\n{tensors}\n  }}\n }}')
    path = common.GOLDENS / f"keys-{model}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    json.loads(path.read_text())
    common.record(path, __file__)


if __name__ == "__main__":
    for name in ["sd15", "sd21-base", "sd21"]:
        write_keys(name)
