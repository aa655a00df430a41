"""The class-conditional diffusion transformer of diffusers behind the model interface."""

from collections.abc import Sequence
from pathlib import Path

import torch
from diffusers.models.transformers.dit_transformer_2d import DiTTransformer2DModel
from torch import Tensor

from retort.data.manifest import ClassEntry
from retort.errors import RetortError
from retort.models.backbone import Backbone
from retort.models.codec import Codec
from retort.models.interface import Condition
from retort.models.schedules import read_schedule
from retort.models.weights import load_weights


class DiT(Backbone):
    """DiT over a diffusers pipeline directory (transformer/, scheduler/) and the codec of its latents."""

    def __init__(self, transformer: DiTTransformer2DModel, alphas_cumprod: Tensor, codec: Codec):
        super().__init__(transformer, alphas_cumprod, codec)
        self.transformer = transformer
        side = transformer.config.sample_size
        self.latent_shape = (transformer.config.in_channels, side, side)
        self.null_class = transformer.config.num_embeds_ada_norm

    @classmethod
    def load(
        cls,
        directory: str | Path,
        codec: Codec,
        dtype: torch.dtype,
        device: torch.device,
        timestep_embedding: str = "diffusers",
    ) -> "DiT":
        """From a DiTPipeline directory; only safetensors weights are read.

        timestep_embedding: "diffusers" (frequency shift 1, as D3HR runs) or "original" (shift 0, as the original
        DiT code and CaO2 run); the weights are the same, the predictions are not.
        """
        transformer = load_weights(DiTTransformer2DModel, Path(directory, "transformer"), dtype)
        schedule = read_schedule(Path(directory, "scheduler"))
        if schedule.prediction != "epsilon":
            raise RetortError(
                f"{directory} predicts {schedule.prediction!r}; a DiT that predicts the noise can be used"
            )
        set_timestep_embedding(transformer, timestep_embedding)
        return cls(transformer.to(device), schedule.alphas_cumprod, codec)

    def condition(self, classes: Sequence[ClassEntry]) -> Condition:
        return {"class_labels": torch.tensor([c.index for c in classes], device=self.device)}

    def null(self, n: int) -> Condition:
        return {"class_labels": torch.full((n,), self.null_class, device=self.device)}

    def eps(self, latents: Tensor, timesteps: Tensor, condition: Condition) -> Tensor:
        return self.eps_and_variance(latents, timesteps, condition)[0]

    def eps_and_variance(
        self, latents: Tensor, timesteps: Tensor, condition: Condition
    ) -> tuple[Tensor, Tensor | None]:
        """A DiT with twice as many output channels as input channels has learned its variance too."""
        output = self.transformer(latents.to(self.dtype), timestep=timesteps, **condition).sample.to(latents.dtype)
        channels = self.latent_shape[0]
        return output[:, :channels], output[:, channels:] if output.shape[1] == 2 * channels else None

    def check_classes(self, classes: Sequence[ClassEntry]) -> None:
        """Raises RetortError unless the model knows exactly as many classes as the data set has."""
        if len(classes) != self.null_class:
            raise RetortError(
                f"the model knows {self.null_class} classes but the data set has {len(classes)}; "
                "train the model on this data set or name the data set that it was trained on"
            )


def set_timestep_embedding(transformer: DiTTransformer2DModel, convention: str) -> None:
    """Set the frequency shift of every block's timestep embedding: 1 for "diffusers", 0 for "original"."""
    shift = {"diffusers": 1, "original": 0}[convention]
    for block in transformer.transformer_blocks:
        block.norm1.emb.time_proj.downscale_freq_shift = shift
