"""From the config's description of a model and its directory to the running thing."""

from dataclasses import dataclass

import torch

from retort.config.devices import pick_device
from retort.errors import RetortError
from retort.models.codec import Codec
from retort.models.interface import LatentDiffusion


@dataclass(frozen=True)
class ModelFiles:
    """Where a model lies and how to run it: the parameters of a rule that can change what the model computes.

    kind: "dit", "sd" (Stable Diffusion 1.x and 2.x) or "sdxl". timestep_embedding is read for a dit; prompt, with
    {name} for the class, for the others.
    """

    directory: str
    dtype: str
    timestep_embedding: str = "diffusers"
    kind: str = "dit"
    prompt: str = "{name}"


@dataclass(frozen=True)
class CodecFiles:
    """The same for the encoder that the model works on; resolution is the image side in pixels."""

    directory: str
    dtype: str
    resolution: int


def load_codec(files: CodecFiles) -> Codec:
    return Codec.load(files.directory, files.resolution, getattr(torch, files.dtype), pick_device())


def load_diffusion(files: ModelFiles, codec: CodecFiles) -> LatentDiffusion:
    """The LatentDiffusion that `files` describes, on this job's device.

    Raises RetortError when its latents are not of the shape that the encoder makes (a dit) or not of as many
    channels (the others, which take latents of any size).
    """
    encoder = load_codec(codec)
    model = KINDS[files.kind](files, encoder)
    takes = model.latent_shape if files.kind == "dit" else (model.unet.config.in_channels, *model.latent_shape[1:])
    if takes != encoder.latent_shape:
        raise RetortError(
            f"{files.directory} works on latents {takes}, but {codec.directory} makes "
            f"{encoder.latent_shape} at {codec.resolution} pixels; name its own encoder or set that resolution"
        )
    return model


# Each kind is imported where it is loaded: the libraries behind them take many seconds to import.


def _dit(files: ModelFiles, codec: Codec) -> LatentDiffusion:
    from retort.models.dit import DiT

    return DiT.load(files.directory, codec, getattr(torch, files.dtype), pick_device(), files.timestep_embedding)


def _stable_diffusion(files: ModelFiles, codec: Codec) -> LatentDiffusion:
    from retort.models.stable_diffusion import StableDiffusion

    return StableDiffusion.load(files.directory, codec, getattr(torch, files.dtype), pick_device(), files.prompt)


def _sdxl(files: ModelFiles, codec: Codec) -> LatentDiffusion:
    from retort.models.sdxl import Sdxl

    return Sdxl.load(files.directory, codec, getattr(torch, files.dtype), pick_device(), files.prompt)


KINDS = {"dit": _dit, "sd": _stable_diffusion, "sdxl": _sdxl}
