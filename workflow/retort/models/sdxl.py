"""Stable Diffusion XL behind the model interface, alone or with its refiner."""

from collections.abc import Sequence
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from retort.base.errors import RetortError
from retort.base.files import read_json
from retort.models.codec import Codec
from retort.models.economy import borrowed, laid_out
from retort.models.interface import Condition
from retort.models.refiner import Refiner
from retort.models.schedules import Schedule, read_schedule
from retort.models.stable_diffusion import PLACE_OF_NAME, TextToImage, tokenize
from retort.models.weights import load_weights

TextEncoders = tuple[CLIPTextModel, CLIPTextModelWithProjection]


class Sdxl(TextToImage):
    """The base model, told that its images are whole and as large as the codec's.

    Null is the negative prompt, where there is one, a prompt of zeros (`zero_null`, as the published weights were
    trained) or the empty prompt. A refiner, where
    there is one, predicts at the timesteps below its cutoff; it works on the same latents and the same schedule.
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
        refiner: Refiner | None = None,
        negative: str = "",
    ):
        super().__init__(unet, schedule, codec, prompt, negative)
        self.tokenizers = tokenizers
        self.text_encoders = [encoder.eval().requires_grad_(False) for encoder in text_encoders]
        self.zero_null = zero_null
        self.refiner = refiner
        if refiner is not None:
            _check_schedules(schedule, refiner.schedule)

    @classmethod
    def load(
        cls,
        directory: str | Path,
        codec: Codec,
        dtype: torch.dtype,
        device: torch.device,
        prompt: str = PLACE_OF_NAME,
        refiner: Refiner | None = None,
        offload: bool = False,
        load_as: str = "auto",
        negative: str = "",
    ) -> "Sdxl":
        """From a StableDiffusionXLPipeline directory; only safetensors weights are read.

        offload: text encoders wait on the CPU. load_as: how weights are read, see `read_at_once`. Raises RetortError
        for another kind of UNet, for weights with holes, for a prompt without a place for the name, and for a refiner
        of another schedule.
        """
        folder = Path(directory)
        unet = load_weights(UNet2DConditionModel, folder / "unet", dtype, load_as)
        if unet.config.addition_embed_type != "text_time":
            raise RetortError(f"{directory} is no Stable Diffusion XL; is its kind sd?")
        text_encoders = (
            load_weights(CLIPTextModel, folder / "text_encoder", dtype, load_as),
            load_weights(CLIPTextModelWithProjection, folder / "text_encoder_2", dtype, load_as),
        )
        return cls(
            laid_out(unet, device).to(device),
            [CLIPTokenizer.from_pretrained(folder / t, local_files_only=True) for t in ("tokenizer", "tokenizer_2")],
            text_encoders if offload else [encoder.to(device) for encoder in text_encoders],
            read_schedule(folder / "scheduler"),
            codec,
            read_json(folder / "model_index.json").get("force_zeros_for_empty_prompt", True),
            prompt,
            refiner,
            negative,
        )

    @property
    def networks(self) -> list[torch.nn.Module]:
        return [self.unet] if self.refiner is None else [self.unet, self.refiner.unet]

    def encode_prompt(self, text: str) -> Condition:
        """What one prompt says to the UNet, and what it says to the refiner.

        prompt_embeds (1, L, D + D'): both text encoders' last layer but one; text_embeds (1, P): the second's
        projection; time_ids (1, 6): original size, corner of the crop, target size, in pixels.
        """
        return self._encode_for_base(text) | self._encode_for_refiner(text)

    def encode_null(self) -> Condition:
        if self.negative:
            return self.encode_prompt(self.negative)
        empty = self._encode_for_base("")
        if self.zero_null:
            empty = {key: value if key == "time_ids" else torch.zeros_like(value) for key, value in empty.items()}
        return empty | self._encode_for_refiner(None)

    def eps(self, latents: Tensor, timesteps: Tensor, condition: Condition) -> Tensor:
        """Predicted noise: the refiner's at timesteps below its cutoff, the base's elsewhere, image by image."""
        if self.refiner is None:
            return super().eps(latents, timesteps, condition)
        late = timesteps < self.refiner.cutoff
        if late.all():
            return self.predict(self.refiner.unet, latents, timesteps, sdxl_arguments(condition, "refiner_"))
        if not late.any():
            return super().eps(latents, timesteps, condition)
        eps = torch.empty_like(latents)
        for part in (late, ~late):
            of_part = {key: value[part] for key, value in condition.items()}
            eps = eps.index_put((part,), self.eps(latents[part], timesteps[part], of_part))
        return eps

    def unet_arguments(self, condition: Condition) -> dict:
        return sdxl_arguments(condition)

    def _encode_for_base(self, text: str) -> Condition:
        with borrowed(self.device, *self.text_encoders):
            first, second = (
                encoder(tokenize(text, tokenizer, encoder), output_hidden_states=True)
                for tokenizer, encoder in zip(self.tokenizers, self.text_encoders, strict=True)
            )
        embeddings = torch.cat([first.hidden_states[-2], second.hidden_states[-2]], dim=-1)
        side = self.codec.resolution
        sizes = torch.tensor([[side, side, 0, 0, side, side]], dtype=embeddings.dtype, device=embeddings.device)
        return {"prompt_embeds": embeddings, "text_embeds": second.text_embeds, "time_ids": sizes}

    def _encode_for_refiner(self, text: str | None) -> Condition:
        return {} if self.refiner is None else self.refiner.encode(text, self.codec.resolution)


def sdxl_arguments(condition: Condition, prefix: str = "") -> dict:
    """A UNet's names for what is in `condition` under keys that begin with `prefix`."""
    return {
        "encoder_hidden_states": condition[f"{prefix}prompt_embeds"],
        "added_cond_kwargs": {key: condition[prefix + key] for key in ("text_embeds", "time_ids")},
    }


def _check_schedules(base: Schedule, refiner: Schedule) -> None:
    ours, theirs = base.alphas_cumprod, refiner.alphas_cumprod
    alike = ours.shape == theirs.shape and torch.allclose(ours, theirs)
    if not alike or base.prediction != refiner.prediction:
        raise RetortError(
            "the refiner was trained on another noise schedule, or predicts something else, than the base model; "
            "name the refiner that belongs to it"
        )
