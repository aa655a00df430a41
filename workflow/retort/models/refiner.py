"""SDXL's refiner: a second UNet that ends what the base model begins (Podell et al. 2023, section 2.5)."""

from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from transformers import CLIPTextModelWithProjection, CLIPTokenizer

from retort.base.errors import RetortError
from retort.base.files import read_json
from retort.models.economy import borrowed, laid_out
from retort.models.interface import Condition
from retort.models.schedules import Schedule, read_schedule
from retort.models.stable_diffusion import tokenize
from retort.models.weights import load_weights

AESTHETIC_SCORE, NULL_SCORE = 6.0, 2.5  # what diffusers tells it of an image with the prompt, and without
TIME_IDS = 5  # original height and width, corner of the crop, aesthetic score


@dataclass(frozen=True)
class Refiner:
    """What the refiner is made of, and the share of the noise schedule, from its noisy end, that the base predicts.

    zero_null: null is a prompt of zeros; otherwise, as published, the empty prompt.
    """

    unet: UNet2DConditionModel
    tokenizer: CLIPTokenizer
    text_encoder: CLIPTextModelWithProjection
    schedule: Schedule
    zero_null: bool
    start: float

    @classmethod
    def load(
        cls,
        directory: str | Path,
        dtype: torch.dtype,
        device: torch.device,
        start: float,
        offload: bool = False,
        load_as: str = "auto",
    ) -> "Refiner":
        """From the directory of a StableDiffusionXLImg2ImgPipeline; only safetensors weights are read.

        offload: the text encoder waits on the CPU. load_as: how weights are read, see `read_at_once`. Raises
        RetortError for a UNet that is not told an aesthetic score, and for weights with holes.
        """
        folder = Path(directory)
        unet = load_weights(UNet2DConditionModel, folder / "unet", dtype, load_as)
        text_encoder = load_weights(CLIPTextModelWithProjection, folder / "text_encoder_2", dtype, load_as)
        expected = text_encoder.config.projection_dim + TIME_IDS * (unet.config.addition_time_embed_dim or 0)
        if unet.config.projection_class_embeddings_input_dim != expected:
            raise RetortError(f"{directory} is no refiner of SDXL: its UNet takes no aesthetic score")
        return cls(
            laid_out(unet, device).to(device).eval().requires_grad_(False),
            CLIPTokenizer.from_pretrained(folder / "tokenizer_2", local_files_only=True),
            (text_encoder if offload else text_encoder.to(device)).eval().requires_grad_(False),
            read_schedule(folder / "scheduler"),
            read_json(folder / "model_index.json").get("force_zeros_for_empty_prompt", True),
            start,
        )

    @property
    def cutoff(self) -> int:
        """The lowest timestep at which the base predicts; as denoising_end and denoising_start of diffusers."""
        steps = len(self.schedule.alphas_cumprod)
        return round(steps - self.start * steps)

    def encode(self, text: str | None, side: int) -> Condition:
        """What one prompt, or none, says to the UNet of an image of `side` pixels that is whole.

        refiner_prompt_embeds (1, L, D), refiner_text_embeds (1, P), refiner_time_ids (1, 5).
        """
        with borrowed(self.unet.device, self.text_encoder):
            tokens = tokenize(text or "", self.tokenizer, self.text_encoder)
            said = self.text_encoder(tokens, output_hidden_states=True)
        embeddings, pooled = said.hidden_states[-2], said.text_embeds
        if text is None and self.zero_null:
            embeddings, pooled = torch.zeros_like(embeddings), torch.zeros_like(pooled)
        score = NULL_SCORE if text is None else AESTHETIC_SCORE
        sizes = torch.tensor([[side, side, 0, 0, score]], dtype=embeddings.dtype, device=embeddings.device)
        return {"refiner_prompt_embeds": embeddings, "refiner_text_embeds": pooled, "refiner_time_ids": sizes}
