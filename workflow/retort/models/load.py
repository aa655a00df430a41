"""From the config's description of a model and its directory to the running thing."""

from dataclasses import dataclass

import torch

from retort.config.devices import pick_device
from retort.errors import RetortError
from retort.models.codec import Codec
from retort.models.interface import LatentDiffusion


@dataclass(frozen=True)
class ModelFiles:
    """Where a model lies and how to run it: the parameters of a rule that can change what the model computes."""

    directory: str
    dtype: str
    timestep_embedding: str = "diffusers"


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

    Raises RetortError when its latents are not of the shape that the encoder makes.
    """
    from retort.models.dit import DiT

    encoder = load_codec(codec)
    model = DiT.load(files.directory, encoder, getattr(torch, files.dtype), pick_device(), files.timestep_embedding)
    if model.latent_shape != encoder.latent_shape:
        raise RetortError(
            f"{files.directory} works on latents {model.latent_shape}, but {codec.directory} makes "
            f"{encoder.latent_shape} at {codec.resolution} pixels; name its own encoder or set that resolution"
        )
    return model
