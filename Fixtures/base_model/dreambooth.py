"""DreamBooth on the base model with plain diffusers: how the demo's settings were chosen.

    python3 dreambooth.py --model ../../Models/toy-world --photos ../../Examples/demo/photos --output sheet.png

The sheet shows, row by row, the subject in places that no photo shows, and the class.
"""

import argparse
import math
import time
from pathlib import Path

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image

from training import sheet

NEW_PLACES = ["in space", "under water", "in the snow", "in the city at night", "on the moon", "in the desert",
              "at sunset", "on a pink background"]
CLASS_PLACES = ["in space", "in a meadow", "on the beach", "in the snow", "on a blue background"]


class Trial:
    def __init__(self, model: Path, device: torch.device, seed: int):
        self.device, self.seed = device, seed
        self.pipeline = StableDiffusionPipeline.from_pretrained(model, dtype=torch.float32).to(device)
        self.pipeline.set_progress_bar_config(disable=True)

    def generate(self, prompts: list[str], steps: int, guidance: float, seed: int) -> torch.Tensor:
        """Pictures in -1...1."""
        generator = torch.Generator().manual_seed(seed)
        pictures = self.pipeline(prompts, num_inference_steps=steps, guidance_scale=guidance, height=128, width=128,
                                 generator=generator, output_type="pt").images
        return pictures * 2 - 1

    def embed(self, prompt: str) -> torch.Tensor:
        ids = self.pipeline.tokenizer(prompt, padding="max_length", max_length=77, return_tensors="pt").input_ids
        return self.pipeline.text_encoder(ids.to(self.device))[0]

    def train(self, photos: torch.Tensor, class_pictures: torch.Tensor, instance_prompt: str, class_prompt: str,
              steps: int, batch: int, rate: float, decay: bool, prior_weight: float, train_text: bool) -> None:
        pipeline, unet, autoencoder = self.pipeline, self.pipeline.unet, self.pipeline.vae
        torch.manual_seed(self.seed)
        with torch.no_grad():
            instance = autoencoder.encode(photos).latent_dist
            prior = autoencoder.encode(class_pictures).latent_dist
        parameters = [*unet.parameters(), *(pipeline.text_encoder.parameters() if train_text else [])]
        pipeline.text_encoder.requires_grad_(train_text)
        optimizer = torch.optim.AdamW(parameters, lr=rate, weight_decay=1e-2)
        kept = pipeline.scheduler.alphas_cumprod.to(self.device)
        unet.train()
        for step in range(steps):
            if decay:
                optimizer.param_groups[0]["lr"] = rate * 0.5 * (1 + math.cos(math.pi * step / steps))
            chosen = torch.randint(len(photos), (batch,)), torch.randint(len(class_pictures), (batch,))
            means = torch.cat([posterior.mean[rows] for posterior, rows in zip((instance, prior), chosen)])
            spreads = torch.cat([posterior.std[rows] for posterior, rows in zip((instance, prior), chosen)])
            latents = (means + spreads * torch.randn_like(means)) * autoencoder.config.scaling_factor
            noise = torch.randn_like(latents)
            times = torch.randint(1000, (2 * batch,), device=self.device)
            share = kept[times][:, None, None, None]
            with torch.set_grad_enabled(train_text):
                states = torch.cat([self.embed(instance_prompt).expand(batch, -1, -1),
                                    self.embed(class_prompt).expand(batch, -1, -1)])
            guess = unet(share.sqrt() * latents + (1 - share).sqrt() * noise, times, states).sample
            error = (guess - noise).square()
            loss = error[:batch].mean() + prior_weight * error[batch:].mean()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
        unet.eval()


def sheet_prompts(instance_prompt: str, class_prompt: str) -> list[str]:
    prompts = [f"{instance_prompt} {place}" for place in NEW_PLACES]
    prompts += [f"{class_prompt} {place}" for place in CLASS_PLACES]
    others = ["a photo of a dog on the beach", "a photo of a teapot in a meadow", "a photo of a robot in the snow"]
    return prompts + others


def load_photos(folder: Path, device: torch.device) -> torch.Tensor:
    pictures = [Image.open(path).convert("RGB") for path in sorted(folder.glob("*.png"))]
    values = np.stack([np.asarray(picture.resize((128, 128), Image.BILINEAR), np.float32) for picture in pictures])
    return torch.from_numpy(values / 127.5 - 1).permute(0, 3, 1, 2).to(device)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--instance-prompt", default="a photo of a sks dinosaur")
    parser.add_argument("--class-prompt", default="a photo of a dinosaur")
    parser.add_argument("--class-images", type=int, default=24)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--batch", type=int, default=1, help="photos a step, and as many class pictures")
    parser.add_argument("--rate", type=float, default=2e-4)
    parser.add_argument("--decay", action="store_true", help="let the rate fall along a cosine")
    parser.add_argument("--prior-weight", type=float, default=1.0)
    parser.add_argument("--train-text-encoder", action="store_true")
    parser.add_argument("--guidance", type=float, default=5.0)
    parser.add_argument("--sampling-steps", type=int, default=25)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", default="dreambooth.png")
    arguments = parser.parse_args()

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    trial = Trial(arguments.model, device, arguments.seed)
    sampling = (arguments.sampling_steps, arguments.guidance)
    began = time.time()
    class_pictures = trial.generate([arguments.class_prompt] * arguments.class_images, *sampling, 1000)
    generated = time.time()
    trial.train(load_photos(arguments.photos, device), class_pictures, arguments.instance_prompt,
                arguments.class_prompt, arguments.steps, arguments.batch, arguments.rate, arguments.decay,
                arguments.prior_weight, arguments.train_text_encoder)
    trained = time.time()
    prompts = sheet_prompts(arguments.instance_prompt, arguments.class_prompt)
    sheet(trial.generate(prompts, *sampling, 7), 8).save(arguments.output)
    print(f"{arguments.output}: class pictures {generated - began:.0f} s, training {trained - generated:.0f} s, "
          f"samples {time.time() - trained:.0f} s")


if __name__ == "__main__":
    main()
