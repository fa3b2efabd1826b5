"""Writes the tiny model folders under `models/`.

Each is a whole diffusers folder with the configs of a real checkpoint (`configs/`) and small
numbers in place of the large ones, so that every option those checkpoints set is exercised:

- `tiny-sd1`: SD 1.5's conventions, and what its oldest files look like: attention_head_dim is the
  number of heads, convolution projections, quick_gelu, no scaling_factor in the VAE's config, the
  VAE's attention under its deprecated names, `position_ids` among the text encoder's tensors.
- `tiny-sd2`: SD 2.1-base's: a list of heads, linear projections, gelu; the text encoder's keys without
  `text_model.`, as transformers 5 writes them; a tokenizer of vocab.json and merges.txt alone.
- `tiny-sd21`: SD 2.1's: also upcast_attention and v_prediction, four levels; a tokenizer of
  tokenizer.json alone, as transformers 5 writes it.
- `tiny-sample`: the smallest that has all parts, a DDPM scheduler that predicts the sample.

Weights are random, but not as at initialisation: a norm whose scale is one and whose shift is
zero, or a bias that is zero, would hide a mistake in how it is used.
"""

import collections
import json
import math
import shutil

import diffusers
import torch
import transformers
from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

import common

MODELS = common.FIXTURES / "models"
CONFIGS = common.FIXTURES / "configs"

TWO_LEVELS = {
    "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
}


def vae_levels(*channels):
    return {
        "block_out_channels": list(channels),
        "down_block_types": ["DownEncoderBlock2D"] * len(channels),
        "up_block_types": ["UpDecoderBlock2D"] * len(channels),
        "norm_num_groups": 4,
        "sample_size": 32,
    }


RECIPES = {
    "tiny-sd1": {
        "like": "sd15",
        "seed": 1,
        "tokenizer": ["vocab.json", "merges.txt", "tokenizer.json"],
        "pad_token": "<|endoftext|>",
        "unet": {
            **TWO_LEVELS, "block_out_channels": [8, 16], "attention_head_dim": 2, "norm_num_groups": 4,
            "cross_attention_dim": 32, "sample_size": 8,
        },
        "vae": {**vae_levels(16, 32), "layers_per_block": 1},
        "text_encoder": {
            "hidden_size": 32, "num_attention_heads": 4, "num_hidden_layers": 2, "intermediate_size": 96,
            "projection_dim": 32,
        },
    },
    "tiny-sd2": {
        "like": "sd21-base",
        "seed": 2,
        "tokenizer": ["vocab.json", "merges.txt"],
        "pad_token": "!",
        "unet": {
            **TWO_LEVELS, "block_out_channels": [16, 32], "attention_head_dim": [2, 4], "norm_num_groups": 8,
            "cross_attention_dim": 48, "layers_per_block": 1, "sample_size": 8,
        },
        "vae": {**vae_levels(8, 16, 16), "layers_per_block": 1},
        "text_encoder": {
            "hidden_size": 48, "num_attention_heads": 3, "num_hidden_layers": 3, "intermediate_size": 64,
            "projection_dim": 16,
        },
    },
    "tiny-sd21": {
        "like": "sd21",
        "seed": 3,
        "tokenizer": ["tokenizer.json"],
        "pad_token": "!",
        "unet": {
            "block_out_channels": [8, 16, 16, 16], "attention_head_dim": [1, 2, 2, 2], "norm_num_groups": 4,
            "cross_attention_dim": 32, "layers_per_block": 1, "sample_size": 16,
        },
        "vae": vae_levels(8, 8, 16, 16),
        "text_encoder": {
            "hidden_size": 32, "num_attention_heads": 2, "num_hidden_layers": 2, "intermediate_size": 64,
            "projection_dim": 16,
        },
    },
    "tiny-sample": {
        "like": "sd15",
        "seed": 4,
        "tokenizer": ["vocab.json", "merges.txt"],
        "pad_token": "<|endoftext|>",
        "unet": {
            **TWO_LEVELS, "block_out_channels": [8, 16], "attention_head_dim": 2, "norm_num_groups": 4,
            "cross_attention_dim": 16, "layers_per_block": 1, "sample_size": 8,
        },
        "vae": {**vae_levels(8, 16), "layers_per_block": 1, "scaling_factor": 0.13025},
        "text_encoder": {
            "hidden_size": 16, "num_attention_heads": 2, "num_hidden_layers": 1, "intermediate_size": 32,
            "projection_dim": 16,
        },
        "scheduler": {
            "_class_name": "DDPMScheduler", "_diffusers_version": "0.42.1", "beta_end": 0.012,
            "beta_schedule": "scaled_linear", "beta_start": 0.00085, "clip_sample": False,
            "num_train_timesteps": 1000, "prediction_type": "sample", "steps_offset": 1,
            "timestep_spacing": "leading", "trained_betas": None, "variance_type": "fixed_small",
        },
    },
}

# What the tiny tokenizers learn their merges from.
CORPUS = """a photo of a dog in the park, a photo of sks dog on the beach, a picture of a small red house
in the snow, the photograph of an old castle by the river at night, a painting of a toy on the table,
a drawing of a blue bird over the sea, two cats and three dogs, it's the best picture i've seen,
photo of a person under water, low quality, blurry, bad anatomy""" * 2


def byte_symbols():
    """The printable character CLIP's tokenizer writes for each byte, in its vocabulary's order."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) for byte in printable] + [chr(256 + index) for index in range(len(others))]


def learn_merges(count):
    """Byte-pair merges of CORPUS: the most frequent pair first, ties in alphabetical order."""
    words = collections.Counter(CORPUS.lower().replace(",", " ,").split())
    words = {(*word[:-1], word[-1] + "</w>"): number for word, number in words.items()}
    merges = []
    while len(merges) < count:
        pairs = collections.Counter()
        for word, number in words.items():
            for pair in zip(word, word[1:]):
                pairs[pair] += number
        if not pairs:
            break
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        merged = {}
        for word, number in words.items():
            symbols, index = [], 0
            while index < len(word):
                if word[index:index + 2] == best:
                    symbols.append("".join(best))
                    index += 2
                else:
                    symbols.append(word[index])
                    index += 1
            merged[tuple(symbols)] = merged.get(tuple(symbols), 0) + number
        words = merged
    return merges


def write_tokenizer(folder, files, pad_token):
    """A CLIP tokenizer of about 600 entries; returns the size of its vocabulary."""
    merges = learn_merges(120)
    symbols = byte_symbols()
    entries = [*symbols, *(symbol + "</w>" for symbol in symbols), *("".join(pair) for pair in merges),
               "<|startoftext|>", "<|endoftext|>"]
    folder.mkdir()
    (folder / "vocab.json").write_text(
        json.dumps({entry: number for number, entry in enumerate(entries)}, ensure_ascii=False))
    (folder / "merges.txt").write_text(
        "#version: 0.2\n" + "".join(f"{left} {right}\n" for left, right in merges))
    tokenizer = CLIPTokenizer.from_pretrained(folder, pad_token=pad_token, model_max_length=77)
    assert len(tokenizer) == len(entries)
    tokenizer.save_pretrained(folder)
    for name in ["vocab.json", "merges.txt", "tokenizer.json"]:
        if name not in files:
            (folder / name).unlink()
    return len(entries)


def randomise(module, seed):
    """Matrices keep the scale of their inputs, embeddings are of order one half, norms and biases are perturbed."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if "embedding.weight" in name:
                parameter.copy_(noise * 0.5)
            elif parameter.ndim >= 2:
                parameter.copy_(noise / math.sqrt(parameter[0].numel()))
            elif name.endswith("weight"):
                parameter.copy_(1 + 0.2 * noise)
            else:
                parameter.copy_(0.2 * noise)
    return module


def write_weights(path, tensors):
    save_file({key: value.contiguous().clone() for key, value in tensors.items()}, path, metadata={"format": "pt"})
    path.chmod(0o644)
    common.record(path, __file__)


def deprecated_attention_names(key):
    """The names that the VAE's attention had when SD 1.5 was published."""
    if ".attentions." not in key:
        return key
    for new, old in (("to_q", "query"), ("to_k", "key"), ("to_v", "value"), ("to_out.0", "proj_attn")):
        key = key.replace(f".{new}.", f".{old}.")
    return key


def text_encoder_key(key, model):
    key = key.removeprefix("text_model.")
    return key if model == "tiny-sd2" else f"text_model.{key}"


def write_model(name):
    recipe = RECIPES[name]
    folder = MODELS / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    vocabulary = write_tokenizer(folder / "tokenizer", recipe["tokenizer"], recipe["pad_token"])

    configs = {}
    for part, file in [("unet", "config.json"), ("vae", "config.json"), ("text_encoder", "config.json"),
                       ("scheduler", "scheduler_config.json"), (".", "model_index.json")]:
        configs[part] = json.loads((CONFIGS / recipe["like"] / part / file).read_text())
        if part == "scheduler":
            configs[part] = recipe.get(part, configs[part])
        elif part == ".":
            configs[part] |= {"scheduler": ["diffusers", configs["scheduler"]["_class_name"]],
                              "safety_checker": [None, None], "feature_extractor": [None, None],
                              "requires_safety_checker": False}
        else:
            configs[part] |= recipe[part]
        if part == "text_encoder":
            configs[part]["vocab_size"] = vocabulary
        if part == "unet":
            # The pipeline takes a sample_size below 64 in an older UNet's config for a mistake and makes it 64.
            configs[part]["_diffusers_version"] = "0.10.0"
        (folder / part).mkdir(exist_ok=True)
        (folder / part / file).write_text(json.dumps(configs[part], indent=2) + "\n")

    unet = randomise(UNet2DConditionModel.from_config(configs["unet"]), recipe["seed"] * 10)
    vae = randomise(AutoencoderKL.from_config(configs["vae"]), recipe["seed"] * 10 + 1)
    text = randomise(CLIPTextModel(CLIPTextConfig.from_dict(configs["text_encoder"])), recipe["seed"] * 10 + 2)

    write_weights(folder / "unet/diffusion_pytorch_model.safetensors", unet.state_dict())
    old_names = name == "tiny-sd1"
    write_weights(folder / "vae/diffusion_pytorch_model.safetensors",
                  {deprecated_attention_names(key) if old_names else key: value
                   for key, value in vae.state_dict().items()})
    text_tensors = {text_encoder_key(key, name): value for key, value in text.state_dict().items()}
    if name == "tiny-sd1":
        text_tensors["text_model.embeddings.position_ids"] = torch.arange(77).unsqueeze(0)
    write_weights(folder / "text_encoder/model.safetensors", text_tensors)
    verify(folder, {"unet": unet, "vae": vae, "text_encoder": text})


def load(model, scheduler=None):
    """The pipeline of a tiny model or of any diffusers folder, in float32.

    `scheduler` is a class to use with the folder's scheduler config in place of the class named there.
    """
    folder = MODELS / model if model in RECIPES else model
    options = {"scheduler": scheduler.from_pretrained(folder, subfolder="scheduler")} if scheduler else {}
    diffusers.utils.logging.disable_progress_bar()
    diffusers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    return StableDiffusionPipeline.from_pretrained(
        folder, dtype=torch.float32, local_files_only=True, low_cpu_mem_usage=False, **options)


def verify(folder, modules):
    """Reads the folder as any user would and compares every weight."""
    pipeline = load(folder.name)
    for part, module in modules.items():
        loaded = getattr(pipeline, part).state_dict()
        for key, value in module.state_dict().items():
            assert torch.equal(loaded[key], value), (folder.name, part, key)
    size = sum(path.stat().st_size for path in folder.rglob("*"))
    counts = {part: sum(p.numel() for p in module.parameters()) for part, module in modules.items()}
    print(f"{folder.name}: {counts}, {size / 1e6:.2f} MB")


if __name__ == "__main__":
    common.deterministic()
    for model in RECIPES:
        write_model(model)
