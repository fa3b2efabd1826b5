"""Writes `goldens/lora/*` and `goldens/train-step/<case>-lora.*`: what PEFT and diffusers make of LoRA.

`goldens/lora/<case>.safetensors` is what `StableDiffusionPipeline.save_lora_weights` writes of adapters with
random weights, `<case>-kohya.safetensors` holds the same numbers under the names of kohya's sd-scripts.
`<case>-pictures.safetensors` has what the pipeline draws with the first: `latents` is the start, `final` the
last latents and `image` the bytes of the picture, `half.final` the latents at half the strength, `merged.<key>`
some weights of the model after `fuse_lora`. `both-pictures` is drawn with two files at once.

`goldens/train-step/<case>-lora` is as `train_step.py` has it, with gradients and parameters of the adapters
alone, which start from the numbers of `goldens/lora/<case>.safetensors`.
"""

import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline
from diffusers.training_utils import _collate_lora_metadata
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from safetensors.torch import save_file

import common
import models
import train_step

ATTENTION = ["to_q", "to_k", "to_v", "to_out.0"]
TEXT_ATTENTION = ["q_proj", "k_proj", "v_proj", "out_proj"]

CASES = {
    "sd1": {
        "model": "tiny-sd1", "seed": 21,
        "unet": {"r": 4, "lora_alpha": 32, "target_modules": ATTENTION},
        "text_encoder": {"r": 4, "lora_alpha": 32, "target_modules": TEXT_ATTENTION},
    },
    # Every kind of layer: convolutions of 3x3 with stride 1 and 2, of single pixels, matrices.
    "sd1-conv": {
        "model": "tiny-sd1", "seed": 22,
        "unet": {
            "r": 3, "lora_alpha": 6, "rank_pattern": {"conv1": 2, "conv_in": 1, "time_emb_proj": 5},
            "alpha_pattern": {"conv2": 1.5, "conv_in": 4},
            "target_modules": [
                "conv_in", "conv_out", "conv1", "conv2", "conv_shortcut", "downsamplers.0.conv", "upsamplers.0.conv",
                "time_emb_proj", "linear_1", "linear_2", "proj_in", "proj_out", "ff.net.0.proj", "ff.net.2", *ATTENTION],
        },
    },
    "sd2": {
        "model": "tiny-sd2", "seed": 23,
        "unet": {"r": 2, "lora_alpha": 3, "target_modules": ["proj_in", "proj_out", "conv1", *ATTENTION]},
        "text_encoder": {
            "r": 6, "lora_alpha": 6, "rank_pattern": {"fc1": 3}, "target_modules": ["fc1", "fc2", *TEXT_ATTENTION]},
    },
}
TRAIN_STEPS = {"sd1": "sd1-text-prior", "sd1-conv": "sd1-prior"}
PROMPT, NEGATIVE_PROMPT = "a photo of sks dog on the beach", "blurry"
STEPS, GUIDANCE_SCALE = 6, 5.0
SIZE = (8, 12)
MERGED = {
    "sd1": ["unet.mid_block.attentions.0.transformer_blocks.0.attn2.to_k.weight"],
    "sd1-conv": ["unet.conv_in.weight", "unet.mid_block.resnets.0.conv2.weight"],
    "sd2": ["unet.down_blocks.0.attentions.0.proj_in.weight"],
}


def parts(case):
    return [part for part in ("unet", "text_encoder") if part in CASES[case]]


def with_adapters(case):
    """The pipeline of a case, with new adapters whose B is not zero."""
    pipeline = models.load(CASES[case]["model"])
    generator = torch.Generator().manual_seed(CASES[case]["seed"])
    for part in parts(case):
        module = getattr(pipeline, part)
        module.add_adapter(LoraConfig(**CASES[case][part]))
        with torch.no_grad():
            for name, parameter in module.named_parameters():
                if "lora_" in name:
                    deviation = parameter[0].numel() ** -0.5 if "lora_A" in name else 0.02
                    parameter.copy_(torch.randn(parameter.shape, generator=generator) * deviation)
    return pipeline


def path(name):
    return common.GOLDENS / f"{name}.safetensors"


def metadata(pipeline, case):
    """The configs as they go into the file, with sets in a fixed order."""
    configs = _collate_lora_metadata({part: getattr(pipeline, part) for part in parts(case)})
    for config in configs.values():
        config.update({key: sorted(value) for key, value in config.items() if isinstance(value, set)})
        # A path of the machine that this ran on.
        config["base_model_name_or_path"] = None
    return configs


def write_files(case):
    """The same numbers in both layouts."""
    pipeline = with_adapters(case)
    layers = {part: get_peft_model_state_dict(getattr(pipeline, part)) for part in parts(case)}
    target = path(f"lora/{case}")
    target.parent.mkdir(parents=True, exist_ok=True)
    StableDiffusionPipeline.save_lora_weights(
        target.parent, weight_name=target.name, unet_lora_layers=layers["unet"],
        text_encoder_lora_layers=layers.get("text_encoder"),
        **metadata(pipeline, case))
    record(target)

    kohya = {}
    for part in parts(case):
        prefix = {"unet": "lora_unet_", "text_encoder": "lora_te_text_model_"}[part]
        config = LoraConfig(**CASES[case][part])
        for key, value in layers[part].items():
            layer, role = key.removesuffix(".weight").rsplit(".", 1)
            name = prefix + layer.removeprefix("text_model.").replace(".", "_")
            kohya[f"{name}.{'lora_down' if role == 'lora_A' else 'lora_up'}.weight"] = value
            alpha = [alpha for pattern, alpha in config.alpha_pattern.items() if f".{layer}".endswith(f".{pattern}")]
            kohya[f"{name}.alpha"] = torch.tensor(float(alpha[0] if alpha else config.lora_alpha))
    target = path(f"lora/{case}-kohya")
    save_file({key: value.contiguous() for key, value in kohya.items()}, target)
    record(target)


def record(target):
    target.chmod(0o644)
    common.record(target, __file__)


def draw(pipeline, latents):
    factor = pipeline.vae_scale_factor
    pipeline.set_progress_bar_config(disable=True)
    return pipeline(
        PROMPT, negative_prompt=NEGATIVE_PROMPT, num_inference_steps=STEPS, guidance_scale=GUIDANCE_SCALE,
        height=SIZE[0] * factor, width=SIZE[1] * factor, latents=latents, output_type="latent").images


def decode(pipeline, final):
    with torch.no_grad():
        decoded = pipeline.vae.decode(final / pipeline.vae.config.scaling_factor).sample
    image = pipeline.image_processor.postprocess(decoded, output_type="np")
    return torch.from_numpy((image * 255).round().astype("uint8"))


def loaded(model, files):
    pipeline = models.load(model, scheduler=DDIMScheduler)
    for name in files:
        pipeline.load_lora_weights(path(f"lora/{name}"), adapter_name=name)
    return pipeline


def relative(value, exact):
    return ((value - exact).norm() / exact.norm()).item()


def write_pictures(case):
    model = CASES[case]["model"]
    latents = torch.randn(1, 4, *SIZE, generator=torch.Generator().manual_seed(11))
    pipeline = loaded(model, [case])
    final = draw(pipeline, latents)
    without = draw(models.load(model, scheduler=DDIMScheduler), latents)
    trained = with_adapters(case)
    trained.scheduler = DDIMScheduler.from_config(trained.scheduler.config)
    print(case, "moves the latents by", relative(final, without), "; as trained", relative(draw(trained, latents), final))
    try:
        print("   in kohya's layout", relative(draw(loaded(model, [f"{case}-kohya"]), latents), final))
    except Exception as error:
        print("   diffusers does not read kohya's layout:", error)
    outputs = {"latents": latents, "final": final, "image": decode(pipeline, final)}
    pipeline.set_adapters([case], [0.5])
    outputs["half.final"] = draw(pipeline, latents)
    pipeline.set_adapters([case], [1.0])
    pipeline.fuse_lora()
    for key in MERGED[case]:
        part, name = key.split(".", 1)
        layer, kind = name.rsplit(".", 1)
        outputs[f"merged.{key}"] = getattr(pipeline, part).get_submodule(layer).get_base_layer().state_dict()[kind]
    common.write(f"lora/{case}-pictures", outputs, __file__)


def write_both():
    """Two files at once, one of them with a negative weight."""
    latents = torch.randn(1, 4, *SIZE, generator=torch.Generator().manual_seed(12))
    pipeline = loaded("tiny-sd1", ["sd1", "sd1-conv"])
    pipeline.set_adapters(["sd1", "sd1-conv"], [0.75, -0.5])
    common.write("lora/both-pictures", {"latents": latents, "final": draw(pipeline, latents)}, __file__)


def trace(chosen, case, inputs, dtype):
    """What `dbtool trace` must put out for adapters, computed in `dtype`."""
    pipeline = with_adapters(case)
    modules = {part: getattr(pipeline, part).to(dtype) for part in ("unet", "text_encoder")}
    scheduler = train_step.DDPMScheduler.from_config(pipeline.scheduler.config)
    trained = [(part, name, parameter) for part in parts(case)
               for name, parameter in modules[part].named_parameters() if parameter.requires_grad]
    assert all("lora_" in name for _, name, _ in trained)
    optimizer = torch.optim.AdamW(
        [parameter for _, _, parameter in trained], lr=train_step.LEARNING_RATE, betas=(0.9, 0.999), weight_decay=1e-2,
        eps=1e-8)

    def key(part, name):
        return f"{part}.{train_step.prefixed(part, name)}"

    outputs, losses = {}, []
    latents = inputs["latents"].to(dtype)
    for step in range(train_step.STEPS):
        result = train_step.forward_backward(chosen, modules, scheduler, inputs, latents)
        losses.append(result["loss"].item())
        if step == 0:
            outputs |= {name: value.detach().clone() for name, value in result.items()}
            outputs |= {f"grad.{key(part, name)}": parameter.grad.clone() for part, name, parameter in trained}
        torch.nn.utils.clip_grad_norm_([parameter for _, _, parameter in trained], 1.0)
        optimizer.step()
        optimizer.zero_grad()
    outputs["losses"] = torch.tensor(losses, dtype=dtype)
    outputs |= {f"param.{key(part, name)}": parameter.detach().clone() for part, name, parameter in trained}
    return outputs


def write_train_step(case):
    chosen = train_step.CASES[TRAIN_STEPS[case]]
    pipeline = models.load(chosen["model"])
    inputs = train_step.make_inputs(chosen, pipeline)
    outputs = trace(chosen, case, inputs, torch.float32)
    kinds, zero = train_step.conditioning(outputs, trace(chosen, case, inputs, torch.float64))
    if kinds["grad"]["relative_difference"] > train_step.CONDITIONING:
        raise SystemExit(f"{case}: ill-conditioned gradient {kinds['grad']}, choose another seed")
    name = f"{case}-lora"
    common.write(f"train-step/{name}.inputs", inputs, __file__)
    common.write(f"train-step/{name}.outputs", outputs, __file__)
    common.write_json(f"train-step/{name}", {
        "model": chosen["model"], "lora": f"lora/{case}", "train_text_encoder": "text_encoder" in parts(case),
        "with_prior_preservation": True, "prior_loss_weight": chosen["prior_loss_weight"],
        "learning_rate": train_step.LEARNING_RATE, "steps": train_step.STEPS, "conditioning": kinds,
        "zero_gradients": sorted(zero),
    }, __file__)
    print(name, {kind: f"{value['relative_difference']:.0e}" for kind, value in kinds.items()})


if __name__ == "__main__":
    common.deterministic()
    for name in CASES:
        write_files(name)
        write_pictures(name)
    write_both()
    for name in TRAIN_STEPS:
        write_train_step(name)
