"""The class-conditional diffusion transformer of diffusers behind the model interface."""

from collections.abc import Sequence
from pathlib import Path

import torch
from diffusers.models.transformers.dit_transformer_2d import DiTTransformer2DModel
from torch import Tensor

from retort.base.errors import RetortError, some_of
from retort.data.manifest import ClassEntry
from retort.models.backbone import Backbone
from retort.models.codec import Codec
from retort.models.interface import Condition
from retort.models.schedules import read_schedule
from retort.models.weights import load_weights


class DiT(Backbone):
    """DiT over a diffusers pipeline directory (transformer/, scheduler/) and the codec of its latents.

    class_ids: the classes that it knows, in the order of its labels; None means those of the data set, in theirs.
    """

    def __init__(
        self,
        transformer: DiTTransformer2DModel,
        alphas_cumprod: Tensor,
        codec: Codec,
        class_ids: Sequence[str] | None = None,
    ):
        super().__init__(transformer, alphas_cumprod, codec)
        self.transformer = transformer
        side = transformer.config.sample_size
        self.latent_shape = (transformer.config.in_channels, side, side)
        self.null_class = transformer.config.num_embeds_ada_norm
        self._labels = None if class_ids is None else {class_id: label for label, class_id in enumerate(class_ids)}

    @classmethod
    def load(
        cls,
        directory: str | Path,
        codec: Codec,
        dtype: torch.dtype,
        device: torch.device,
        timestep_embedding: str = "diffusers",
        class_ids: Sequence[str] | None = None,
        load_as: str = "auto",
    ) -> "DiT":
        """From a DiTPipeline directory; only safetensors weights are read.

        timestep_embedding: "diffusers" (frequency shift 1, as D3HR runs) or "original" (shift 0, as the original
        DiT code and CaO2 run); the weights are the same, the predictions are not. load_as: how weights are read, see
        `read_at_once`.
        """
        transformer = load_weights(DiTTransformer2DModel, Path(directory, "transformer"), dtype, load_as)
        schedule = read_schedule(Path(directory, "scheduler"))
        if schedule.prediction != "epsilon":
            raise RetortError(
                f"{directory} predicts {schedule.prediction!r}; a DiT that predicts the noise can be used"
            )
        set_timestep_embedding(transformer, timestep_embedding)
        return cls(transformer.to(device), schedule.alphas_cumprod, codec, class_ids)

    def condition(self, classes: Sequence[ClassEntry]) -> Condition:
        labels = [c.index if self._labels is None else self._labels[c.id] for c in classes]
        return {"class_labels": torch.tensor(labels, device=self.device)}

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
        """Raises RetortError unless the model knows these classes, and as many in all as it is said to know."""
        known = len(classes) if self._labels is None else len(self._labels)
        if known != self.null_class:
            owner = "the data set has" if self._labels is None else "its list of classes has"
            raise RetortError(
                f"the model knows {self.null_class} classes but {owner} {known}; train the model on this data set, or "
                "say in the model's key classes which list it was trained on (dataset, imagenet1k, ...)"
            )
        if self._labels is not None and (strange := [c.id for c in classes if c.id not in self._labels]):
            raise RetortError(
                f"the model does not know {len(strange)} of the data set's {len(classes)} classes: "
                f"{some_of(strange)}; its own are {some_of(list(self._labels))}. Class ids must be those of its list "
                "(folders named by wnid for ImageNet), or train the model on this data set"
            )


def set_timestep_embedding(transformer: DiTTransformer2DModel, convention: str) -> None:
    """Set the frequency shift of every block's timestep embedding: 1 for "diffusers", 0 for "original"."""
    shift = {"diffusers": 1, "original": 0}[convention]
    for block in transformer.transformer_blocks:
        block.norm1.emb.time_proj.downscale_freq_shift = shift
