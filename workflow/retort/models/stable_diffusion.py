"""Text-to-image UNets of diffusers behind the model interface: what they share, and Stable Diffusion 1.x and 2.x."""

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

from retort.base.errors import RetortError
from retort.data.manifest import ClassEntry
from retort.data.prompts import alike, first_name, named_by_imagenet, prompted_alike
from retort.models.backbone import Backbone
from retort.models.codec import Codec
from retort.models.economy import borrowed, laid_out
from retort.models.interface import Condition, join
from retort.models.schedules import Schedule, read_schedule
from retort.models.weights import load_weights

PLACE_OF_NAME, PLACE_OF_NAMES = "{name}", "{names}"


class TextToImage(Backbone, ABC):
    """A UNet that is told its class by a prompt, and the codec of its latents.

    A class is called by its first name, the part before the first comma, where `prompt` has {name}, and by all of its
    names where it has {names}. CFG leads away from the prompt `negative`, where there is one. Every prompt is encoded
    once, alone: an embedding then depends neither on its neighbours nor on their number.
    """

    def __init__(
        self,
        unet: UNet2DConditionModel,
        schedule: Schedule,
        codec: Codec,
        prompt: str = PLACE_OF_NAME,
        negative: str = "",
    ):
        if PLACE_OF_NAME not in prompt and PLACE_OF_NAMES not in prompt:
            raise RetortError(f"the prompt {prompt!r} is the same for every class; write {PLACE_OF_NAME} into it")
        super().__init__(unet, schedule.alphas_cumprod, codec)
        self.unet = unet
        self.prediction = schedule.prediction
        self.prompt, self.negative = prompt, negative
        self.latent_shape = codec.latent_shape
        rates = torch.stack([self.alphas_cumprod.sqrt(), (1 - self.alphas_cumprod).sqrt()])
        self._rates = rates.to(self.device, torch.promote_types(self.dtype, torch.float32))
        self._encoded: dict[str, Condition] = {}

    @abstractmethod
    def encode_prompt(self, text: str) -> Condition:
        """The condition of one image with the prompt `text`."""

    @abstractmethod
    def unet_arguments(self, condition: Condition) -> dict:
        """The UNet's names for what is in `condition`."""

    def encode_null(self) -> Condition:
        """The condition of one image without a prompt, or with the negative one."""
        return self.encode_prompt(self.negative)

    def condition(self, classes: Sequence[ClassEntry]) -> Condition:
        return join(*[self._once(self._prompt_of(entry)) for entry in classes])

    def _prompt_of(self, entry: ClassEntry) -> str:
        return self.prompt.replace(PLACE_OF_NAME, first_name(entry.name)).replace(PLACE_OF_NAMES, entry.name)

    def null(self, n: int) -> Condition:
        return join(*[self._once(None)] * n)

    def eps(self, latents: Tensor, timesteps: Tensor, condition: Condition) -> Tensor:
        """Predicted noise; a prediction v is turned into sqrt(abar) v + sqrt(1 - abar) x (Salimans and Ho 2022)."""
        return self.predict(self.unet, latents, timesteps, self.unet_arguments(condition))

    def predict(self, unet: UNet2DConditionModel, latents: Tensor, timesteps: Tensor, arguments: dict) -> Tensor:
        """The noise that a UNet of this model's schedule and kind of prediction predicts."""
        output = unet(latents.to(unet.dtype), timesteps, **arguments).sample
        if self.prediction == "v_prediction":
            signal, noise = self._rates[:, timesteps.to(self.device)][..., None, None, None]
            output = signal * output + noise * latents
        return output.to(latents.dtype)

    def eps_and_variance(self, latents: Tensor, timesteps: Tensor, condition: Condition) -> tuple[Tensor, None]:
        """Predicted noise, and None: these models learn no variance."""
        return self.eps(latents, timesteps, condition), None

    def check_classes(self, classes: Sequence[ClassEntry]) -> None:
        """Raises RetortError for a class that has no name to be called by, or only a WordNet id such as n01440764, and
        for classes that are prompted alike. Of ImageNet's own names it only warns, because papers use them as they are.
        """
        nameless = [entry.id for entry in classes if re.fullmatch(r"(n\d{8})?", first_name(entry.name))]
        if nameless:
            raise RetortError(
                f"class {nameless[0]!r} has no name to put into the prompt {self.prompt!r} ({len(nameless)} such "
                "classes); give names in dataset.class_names"
            )
        names = {entry.id: entry.name for entry in classes}
        for ids in prompted_alike(names):
            if not named_by_imagenet(ids, names):
                raise RetortError(alike(ids, names))
            print(f"warning: {alike(ids, names)}")

    def _once(self, text: str | None) -> Condition:
        """The condition of one image, from the first time that it was asked for; None is the null branch."""
        if text not in self._encoded:
            # Made under inference_mode, it could not be used later where gradients are wanted.
            with torch.inference_mode(False), torch.no_grad():
                self._encoded[text] = self.encode_null() if text is None else self.encode_prompt(text)
        return self._encoded[text]


class StableDiffusion(TextToImage):
    """Stable Diffusion 1.x or 2.x; null is the empty prompt, or the negative one."""

    def __init__(
        self,
        unet: UNet2DConditionModel,
        tokenizer: CLIPTokenizer,
        text_encoder: CLIPTextModel,
        schedule: Schedule,
        codec: Codec,
        prompt: str = PLACE_OF_NAME,
        negative: str = "",
    ):
        super().__init__(unet, schedule, codec, prompt, negative)
        self.tokenizer = tokenizer
        self.text_encoder = text_encoder.eval().requires_grad_(False)

    @classmethod
    def load(
        cls,
        directory: str | Path,
        codec: Codec,
        dtype: torch.dtype,
        device: torch.device,
        prompt: str = PLACE_OF_NAME,
        offload: bool = False,
        load_as: str = "auto",
        negative: str = "",
    ) -> "StableDiffusion":
        """From a StableDiffusionPipeline directory; only safetensors weights are read.

        offload: the text encoder waits on the CPU. load_as: how weights are read, see `read_at_once`. Raises
        RetortError for another kind of UNet, for weights with holes, and for a prompt without a place for the name.
        """
        unet = load_weights(UNet2DConditionModel, Path(directory, "unet"), dtype, load_as)
        if unet.config.addition_embed_type is not None:
            raise RetortError(f"{directory} is no Stable Diffusion 1.x or 2.x; is its kind sdxl?")
        text_encoder = load_weights(CLIPTextModel, Path(directory, "text_encoder"), dtype, load_as)
        return cls(
            laid_out(unet, device).to(device),
            CLIPTokenizer.from_pretrained(Path(directory, "tokenizer"), local_files_only=True),
            text_encoder if offload else text_encoder.to(device),
            read_schedule(Path(directory, "scheduler")),
            codec,
            prompt,
            negative,
        )

    def encode_prompt(self, text: str) -> Condition:
        """{"prompt_embeds": (1, L, D)}, the text encoder's last layer."""
        with borrowed(self.device, self.text_encoder):
            tokens = tokenize(text, self.tokenizer, self.text_encoder)
            return {"prompt_embeds": self.text_encoder(tokens).last_hidden_state}

    def unet_arguments(self, condition: Condition) -> dict:
        return {"encoder_hidden_states": condition["prompt_embeds"]}


def tokenize(text: str, tokenizer: CLIPTokenizer, text_encoder: torch.nn.Module) -> Tensor:
    """Token ids (1, L) int64 where `text_encoder` is, padded or cut to the length that it was trained on."""
    # A tokenizer saved without its length says 1e30.
    length = min(tokenizer.model_max_length, text_encoder.config.max_position_embeddings)
    tokens = tokenizer([text], padding="max_length", max_length=length, truncation=True, return_tensors="pt")
    return tokens.input_ids.to(text_encoder.device)
