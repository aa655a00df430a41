"""Stable Diffusion XL behind the model interface."""

from collections.abc import Sequence
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from retort.data.files import read_json
from retort.errors import RetortError
from retort.models.codec import Codec
from retort.models.interface import Condition
from retort.models.schedules import Schedule, read_schedule
from retort.models.stable_diffusion import PLACE_OF_NAME, TextToImage, tokenize
from retort.models.weights import load_weights

TextEncoders = tuple[CLIPTextModel, CLIPTextModelWithProjection]


class Sdxl(TextToImage):
    """The base model, told that its images are whole and as large as the codec's.

    Null is a prompt of zeros (`zero_null`, as the published weights were trained) or the empty prompt.
    """

    def __init__(
        self,
        unet: UNet2DConditionModel,
        tokenizers: Sequence[CLIPTokenizer],
        text_encoders: TextEncoders,
        schedule: Schedule,
        codec: Codec,
        zero_null: bool,
        prompt: str = PLACE_OF_NAME,
    ):
        super().__init__(unet, schedule, codec, prompt)
        self.tokenizers = tokenizers
        self.text_encoders = [encoder.eval().requires_grad_(False) for encoder in text_encoders]
        self.zero_null = zero_null

    @classmethod
    def load(
        cls,
        directory: str | Path,
        codec: Codec,
        dtype: torch.dtype,
        device: torch.device,
        prompt: str = PLACE_OF_NAME,
    ) -> "Sdxl":
        """From a StableDiffusionXLPipeline directory; only safetensors weights are read.

        Raises RetortError for another kind of UNet, for weights with holes, and for a prompt without a place for
        the name.
        """
        folder = Path(directory)
        unet = load_weights(UNet2DConditionModel, folder / "unet", dtype)
        if unet.config.addition_embed_type != "text_time":
            raise RetortError(f"{directory} is no Stable Diffusion XL; is its kind sd?")
        text_encoders = (
            load_weights(CLIPTextModel, folder / "text_encoder", dtype).to(device),
            load_weights(CLIPTextModelWithProjection, folder / "text_encoder_2", dtype).to(device),
        )
        return cls(
            unet.to(device),
            [CLIPTokenizer.from_pretrained(folder / t, local_files_only=True) for t in ("tokenizer", "tokenizer_2")],
            text_encoders,
            read_schedule(folder / "scheduler"),
            codec,
            read_json(folder / "model_index.json").get("force_zeros_for_empty_prompt", True),
            prompt,
        )

    def encode_prompt(self, text: str) -> Condition:
        """What one prompt says to the UNet.

        prompt_embeds (1, L, D + D'): both text encoders' last layer but one; text_embeds (1, P): the second's
        projection; time_ids (1, 6): original size, corner of the crop, target size, in pixels.
        """
        first, second = (
            encoder(tokenize(text, tokenizer, encoder), output_hidden_states=True)
            for tokenizer, encoder in zip(self.tokenizers, self.text_encoders, strict=True)
        )
        embeddings = torch.cat([first.hidden_states[-2], second.hidden_states[-2]], dim=-1)
        side = self.codec.resolution
        sizes = torch.tensor([[side, side, 0, 0, side, side]], dtype=embeddings.dtype, device=embeddings.device)
        return {"prompt_embeds": embeddings, "text_embeds": second.text_embeds, "time_ids": sizes}

    def encode_null(self) -> Condition:
        empty = self.encode_prompt("")
        if not self.zero_null:
            return empty
        return {key: value if key == "time_ids" else torch.zeros_like(value) for key, value in empty.items()}

    def unet_arguments(self, condition: Condition) -> dict:
        return {
            "encoder_hidden_states": condition["prompt_embeds"],
            "added_cond_kwargs": {key: condition[key] for key in ("text_embeds", "time_ids")},
        }
