"""Trains the UNet and the text encoder from scratch on latents of the drawn world and writes the pipeline folder.

    torchrun --nproc-per-node N diffusion.py --sprites sprites.npz --vae vae --seconds 600 --output toy-world

Each process keeps a pool of encoded pictures on its device and renews a part of it as it goes. The loss is the noise
prediction's squared error, weighted by min(SNR, 5) / SNR. `--start` goes on from a folder written before.
"""

import argparse
import json
import math
import time
from pathlib import Path

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from transformers import CLIPTextModel, CLIPTokenizer

from networks import MAXIMUM_TOKENS, new_scheduler, new_text_encoder, new_unet
from tokenizer import write_tokenizer
from training import Average, Schedule, Workers
from vocabulary import BACKGROUND_NAMES, CLASS_NAMES, TINT_NAMES, caption
from world import World

SNR_LIMIT = 5.0
ENCODED_AT_ONCE = 512


class Captions:
    """The token ids of every caption there is, so that captions are chosen on the device.

    A tenth of the captions is empty, and a seventh of the others names no place; a fifth lacks "a photo of".
    """

    def __init__(self, tokenizer: CLIPTokenizer, device: torch.device):
        texts = [
            caption(class_name, tint, background, with_photo)
            for with_photo in (True, False) for class_name in CLASS_NAMES for tint in [*TINT_NAMES, None]
            for background in [*BACKGROUND_NAMES, None]
        ]
        encoded = tokenizer([*texts, ""], padding="max_length", max_length=MAXIMUM_TOKENS, return_tensors="pt")
        self.ids = encoded.input_ids.to(device)

    def choose(self, classes: torch.Tensor, tints: torch.Tensor, backgrounds: torch.Tensor) -> torch.Tensor:
        luck = torch.rand(3, len(classes), device=classes.device)
        tint_count, background_count = len(TINT_NAMES) + 1, len(BACKGROUND_NAMES) + 1
        tints = torch.where(tints < 0, tint_count - 1, tints)
        backgrounds = torch.where(luck[0] < 1 / 7, background_count - 1, backgrounds)
        row = (luck[1] < 0.2) * len(CLASS_NAMES) + classes
        row = (row * tint_count + tints) * background_count + backgrounds
        return self.ids[torch.where(luck[2] < 0.1, len(self.ids) - 1, row)]


class LatentPool:
    """Encoded pictures and what they show, on the device, renewed part by part."""

    def __init__(self, world: World, autoencoder: AutoencoderKL, size: int):
        self.world, self.autoencoder, self.size, self.next_row = world, autoencoder, size, 0
        device = world.device
        self.latents = torch.empty(size, *self._encode(world.draw(1).pixels).shape[1:], device=device, dtype=torch.half)
        self.labels = torch.empty(size, 3, device=device, dtype=torch.long)
        for _ in range(size // ENCODED_AT_ONCE):
            self.renew()

    @torch.no_grad()
    def _encode(self, pixels: torch.Tensor) -> torch.Tensor:
        with torch.autocast(self.world.device.type, torch.bfloat16):
            posterior = self.autoencoder.encode(pixels.contiguous(memory_format=torch.channels_last)).latent_dist
        latents = posterior.mean.float() + posterior.std.float() * torch.randn_like(posterior.mean.float())
        return latents * self.autoencoder.config.scaling_factor

    def renew(self) -> None:
        batch = self.world.draw(ENCODED_AT_ONCE)
        rows = slice(self.next_row, self.next_row + ENCODED_AT_ONCE)
        self.latents[rows] = self._encode(batch.pixels).half()
        self.labels[rows] = torch.stack([batch.classes, batch.tints, batch.backgrounds], dim=1)
        self.next_row = (self.next_row + ENCODED_AT_ONCE) % self.size

    def sample(self, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        rows = torch.randint(self.size, (count,), device=self.latents.device)
        return self.latents[rows].float(), self.labels[rows]


def save_pipeline(folder: Path, autoencoder: AutoencoderKL, unet: UNet2DConditionModel, text_encoder: CLIPTextModel,
                  tokenizer: CLIPTokenizer) -> None:
    """Writes an ordinary half-precision Stable Diffusion folder."""
    pipeline = StableDiffusionPipeline(
        vae=autoencoder, unet=unet, text_encoder=text_encoder, tokenizer=tokenizer, scheduler=new_scheduler(),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )
    pipeline.to(dtype=torch.half)
    pipeline.save_pretrained(folder)
    write_tokenizer(folder / "tokenizer")
    prefix_text_encoder_keys(folder / "text_encoder")


def prefix_text_encoder_keys(folder: Path) -> None:
    """Gives the text encoder's keys the prefix `text_model.`, which transformers 5 drops and other readers expect."""
    path = folder / "model.safetensors"
    prefix = "text_model."
    tensors = {key if key.startswith(prefix) else prefix + key: value for key, value in load_file(path).items()
               if not key.endswith("position_ids")}
    save_file(tensors, path, metadata={"format": "pt"})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sprites", default="sprites.npz")
    parser.add_argument("--vae", required=True)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--finish-by", type=float, default=math.inf, help="seconds since 1970, a limit on --seconds")
    parser.add_argument("--batch", type=int, default=1024, help="pictures for each device and step")
    parser.add_argument("--pool", type=int, default=131072, help="encoded pictures on each device")
    parser.add_argument("--rate", type=float, default=8e-4)
    parser.add_argument("--last-share", type=float, default=0.01, help="the share of the rate that the last step has")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--start", type=Path, help="folder to go on from")
    parser.add_argument("--seed", type=int, default=0, help="use another when going on, for other pictures")
    parser.add_argument("--output", type=Path, default=Path("toy-world"))
    arguments = parser.parse_args()

    workers = Workers()
    device = workers.device
    torch.manual_seed(1000 * arguments.seed + workers.rank)
    began = time.time()
    if workers.is_first:
        write_tokenizer(arguments.output / "tokenizer")
    workers.agree(0)  # The others wait until the file is there.
    tokenizer = CLIPTokenizer.from_pretrained(arguments.output / "tokenizer")
    if arguments.start:
        unet = UNet2DConditionModel.from_pretrained(arguments.start, subfolder="unet")
        text_encoder = CLIPTextModel.from_pretrained(arguments.start, subfolder="text_encoder")
    else:
        unet, text_encoder = new_unet(), new_text_encoder(len(tokenizer), tokenizer.eos_token_id)
    autoencoder = AutoencoderKL.from_pretrained(arguments.vae).float().eval().requires_grad_(False)
    autoencoder.to(device, memory_format=torch.channels_last)
    unet.float().to(device, memory_format=torch.channels_last).train()
    text_encoder.float().to(device).train()

    parameters = [*unet.parameters(), *text_encoder.parameters()]
    workers.share_weights(parameters)
    # The embedding stays free of decay: its unused tokens must keep their starting values.
    embedding = {id(parameter) for parameter in text_encoder.get_input_embeddings().parameters()}
    optimizer = torch.optim.AdamW(
        [{"params": [parameter for parameter in parameters if id(parameter) not in embedding]},
         {"params": [parameter for parameter in parameters if id(parameter) in embedding], "weight_decay": 0.0}],
        betas=(0.9, 0.99), weight_decay=0.01, fused=device.type == "cuda")
    average = Average(parameters, 0.9995)
    schedule = Schedule(workers, arguments.seconds, arguments.rate, warm_up=400,
                        finish_by=arguments.finish_by, last_share=arguments.last_share)

    captions = Captions(tokenizer, device)
    world = World(arguments.sprites, device, seed=300 + 1000 * arguments.seed + workers.rank)
    pool = LatentPool(world, autoencoder, arguments.pool)
    if workers.is_first:
        print(f"pool ready after {time.time() - began:.0f} s", flush=True)
    kept = new_scheduler().alphas_cumprod.to(device)
    weights = (SNR_LIMIT * (1 - kept) / kept).clamp(max=1)
    predict = torch.compile(unet) if arguments.compile else unet

    while schedule.next(optimizer):
        latents, labels = pool.sample(arguments.batch)
        ids = captions.choose(*labels.unbind(1))
        times = torch.randint(len(kept), (arguments.batch,), device=device)
        noise = torch.randn_like(latents)
        share = kept[times][:, None, None, None]
        noisy = (share.sqrt() * latents + (1 - share).sqrt() * noise).contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16):
            states = text_encoder(ids)[0]
            prediction = predict(noisy, times, states).sample
        error = (prediction.float() - noise).square().mean((1, 2, 3))
        loss = (error * weights[times]).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        workers.average_gradients(parameters)
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        average.update()
        if schedule.step % 8 == 0:
            pool.renew()
        if workers.is_first and (schedule.step % 500 == 1 or schedule.step == 5):
            print(f"diffusion step {schedule.step} loss {loss.item():.4f} error {error.mean().item():.4f} "
                  f"{schedule.steps_per_second:.2f} steps/s, {time.time() - began:.0f} s", flush=True)

    if workers.is_first:
        average.put_in_place()
        samples = schedule.step * arguments.batch * workers.count
        print(f"trained on {samples / 1e6:.2f} M samples in {schedule.step} steps", flush=True)
        save_pipeline(arguments.output, autoencoder.eval(), unet.eval(), text_encoder.eval(), tokenizer)
        record = {"steps": schedule.step, "samples": samples, "devices": workers.count, "batch": arguments.batch,
                  "rate": arguments.rate, "seconds": arguments.seconds, "last_error": round(error.mean().item(), 5)}
        (arguments.output.parent / f"{arguments.output.name}-training.json").write_text(json.dumps(record) + "\n")
    workers.close()


if __name__ == "__main__":
    main()
