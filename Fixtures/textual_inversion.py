"""Writes `goldens/textual-inversion/*` and `goldens/train-step/sd1-tokens.*`: what diffusers makes of new words.

`goldens/textual-inversion/diffusers.safetensors` and `automatic1111.safetensors` hold vectors under the names of the
two kinds of program, the first three for one word, the second one; `pictures` what the pipeline draws with a prompt
that has both words, and the ids of some prompts.

`goldens/train-step/sd1-tokens` is as `train_step.py` has it, with the vectors of the first word and nothing else
trained, as diffusers' `textual_inversion.py` trains them: the gradient is `grad.text_encoder.<table>`, [3, width].
"""

import torch
from diffusers import DDIMScheduler
from safetensors.torch import save_file

import common
import lora
import models
import train_step

MODEL = "tiny-sd1"
WORD, VECTORS = "<sks-dog>", 3
OTHER_WORD = "painterly"
TABLE = "text_model.embeddings.new_token_embedding.weight"
PROMPTS = [f"a photo of {WORD} on the beach", f"a {OTHER_WORD} drawing of {WORD}, blurry", f"{WORD}{WORD}"]


def path(name):
    return common.GOLDENS / f"textual-inversion/{name}.safetensors"


def write_files():
    generator = torch.Generator().manual_seed(31)
    width = models.RECIPES[MODEL]["text_encoder"]["hidden_size"]
    path("diffusers").parent.mkdir(parents=True, exist_ok=True)
    save_file({WORD: torch.randn(VECTORS, width, generator=generator) * 0.5}, path("diffusers"),
              metadata={"format": "pt"})
    save_file({"emb_params": torch.randn(1, width, generator=generator) * 0.5}, path("automatic1111"))
    for name in ("diffusers", "automatic1111"):
        lora.record(path(name))


def loaded():
    pipeline = models.load(MODEL, scheduler=DDIMScheduler)
    pipeline.load_textual_inversion(path("diffusers"))
    pipeline.load_textual_inversion(path("automatic1111"), token=OTHER_WORD)
    return pipeline


def ids(pipeline, prompts):
    expanded = [pipeline.maybe_convert_prompt(prompt, pipeline.tokenizer) for prompt in prompts]
    return pipeline.tokenizer(
        expanded, padding="max_length", max_length=77, truncation=True, return_tensors="pt").input_ids


def write_pictures():
    pipeline = loaded()
    pipeline.set_progress_bar_config(disable=True)
    latents = torch.randn(1, 4, *lora.SIZE, generator=torch.Generator().manual_seed(13))
    factor = pipeline.vae_scale_factor

    def draw(pipeline):
        return pipeline(
            PROMPTS[1], negative_prompt=OTHER_WORD, num_inference_steps=lora.STEPS,
            guidance_scale=lora.GUIDANCE_SCALE, height=lora.SIZE[0] * factor, width=lora.SIZE[1] * factor,
            latents=latents, output_type="latent").images

    final = draw(pipeline)
    plain = models.load(MODEL, scheduler=DDIMScheduler)
    plain.set_progress_bar_config(disable=True)
    print("moves the latents by", lora.relative(final, draw(plain)))
    common.write("textual-inversion/pictures", {
        "latents": latents, "final": final, "ids": ids(pipeline, PROMPTS).to(torch.int32)}, __file__)
    common.write_json("textual-inversion/pictures", {"prompts": PROMPTS, "negative_prompt": OTHER_WORD}, __file__)


def trace(chosen, inputs, dtype):
    """Ten steps on the rows of new words, the others staying as they are."""
    pipeline = loaded()
    modules = {part: getattr(pipeline, part).to(dtype).requires_grad_(False) for part in ("unet", "text_encoder")}
    scheduler = train_step.DDPMScheduler.from_config(pipeline.scheduler.config)
    table = modules["text_encoder"].get_input_embeddings().weight.requires_grad_(True)
    first = pipeline.tokenizer.convert_tokens_to_ids(WORD)
    rows = torch.nn.Parameter(table.detach()[first:first + VECTORS].clone())
    optimizer = torch.optim.AdamW([rows], lr=train_step.LEARNING_RATE, weight_decay=1e-2)
    outputs, losses = {}, []
    latents = inputs["latents"].to(dtype)
    for step in range(train_step.STEPS):
        result = train_step.forward_backward(chosen, modules, scheduler, inputs, latents)
        losses.append(result["loss"].item())
        rows.grad = table.grad[first:first + VECTORS].clone()
        if step == 0:
            outputs |= {name: value.detach().clone() for name, value in result.items()}
            outputs[f"grad.text_encoder.{TABLE}"] = rows.grad.clone()
        torch.nn.utils.clip_grad_norm_([rows], 1.0)
        optimizer.step()
        table.grad = None
        with torch.no_grad():
            table[first:first + VECTORS] = rows
    outputs["losses"] = torch.tensor(losses, dtype=dtype)
    outputs[f"param.text_encoder.{TABLE}"] = rows.detach().clone()
    return outputs


def write_train_step():
    chosen = train_step.case(MODEL, (8, 6), prior=0.5, seed=8)
    pipeline = loaded()
    inputs = train_step.make_inputs(chosen, pipeline)
    inputs["input_ids"] = ids(pipeline, [PROMPTS[0], "a photo of a dog"]).to(torch.int32)
    outputs = trace(chosen, inputs, torch.float32)
    kinds, zero = train_step.conditioning(outputs, trace(chosen, inputs, torch.float64))
    if kinds["grad"]["relative_difference"] > train_step.CONDITIONING:
        raise SystemExit(f"ill-conditioned gradient {kinds['grad']}, choose another seed")
    common.write("train-step/sd1-tokens.inputs", inputs, __file__)
    common.write("train-step/sd1-tokens.outputs", outputs, __file__)
    common.write_json("train-step/sd1-tokens", {
        "model": MODEL, "embedding": "textual-inversion/diffusers", "train_text_encoder": False,
        "with_prior_preservation": True, "prior_loss_weight": chosen["prior_loss_weight"],
        "learning_rate": train_step.LEARNING_RATE, "steps": train_step.STEPS, "conditioning": kinds,
        "zero_gradients": sorted(zero),
    }, __file__)
    print({kind: f"{value['relative_difference']:.0e}" for kind, value in kinds.items()})


if __name__ == "__main__":
    common.deterministic()
    write_files()
    write_pictures()
    write_train_step()
