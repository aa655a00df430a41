"""Repositories as the hub serves them, with random weights: names, formats and what else lies in them."""

import itertools
import json
import math
import string
from collections.abc import Iterator
from pathlib import Path

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.models.embeddings import get_2d_sincos_pos_embed
from diffusers.models.transformers.dit_transformer_2d import DiTTransformer2DModel
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from retort.base.files import write_json
from tests.gpu.published import SCHEDULERS, VOCABULARY, Repository

# What the attention of a VAE was called when the first of them were published.
OLD_NAMES = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
KINDS = {"vae": AutoencoderKL, "": AutoencoderKL, "unet": UNet2DConditionModel, "transformer": DiTTransformer2DModel}
ENCODERS = {"CLIPTextModel": CLIPTextModel, "CLIPTextModelWithProjection": CLIPTextModelWithProjection}
# What nobody here reads: a variant, a checkpoint of another program, an export, other parts of the pipeline.
BESIDE = ("unet/diffusion_pytorch_model.fp16.safetensors", "everything_in_one.safetensors", "everything.ckpt")
BESIDE += ("unet/model.onnx", "safety_checker/model.safetensors", "vae_1_0/diffusion_pytorch_model.safetensors")


def write_repository(repository: Repository, folder: Path, device: torch.device, seed: int) -> None:
    """All files of a repository, with weights drawn on `device`; those that nobody reads hold a few bytes."""
    if repository.index is not None:
        write_json(folder / "model_index.json", repository.index)
    if repository.kind in SCHEDULERS or repository.kind == "sdxl-refiner":
        write_json(folder / "scheduler" / "scheduler_config.json", SCHEDULERS[repository.kind.removesuffix("-refiner")])
    for number, (part, config) in enumerate(repository.networks.items()):
        write_json(folder / part / "config.json", config)
        weights = drawn(empty_network(part, config), getattr(torch, repository.dtype), device, (seed, number))
        save_weights(published_names(part, config, weights, repository.old_names), folder / part, repository.pickled)
    for part, pad in (repository.tokenizers or {}).items():
        write_tokenizer(folder / part, pad)
    if repository.kind in ("sd", "sdxl", "sdxl-refiner"):
        for name in BESIDE:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(b"never read")


def empty_network(part: str, config: dict) -> nn.Module:
    """The network of a part of a pipeline on the meta device: shapes, and no numbers."""
    with torch.device("meta"):
        if "architectures" in config:
            return ENCODERS[config["architectures"][0]](CLIPTextConfig(**config))
        kind = KINDS[part]
        known = {key: value for key, value in config.items() if not key.startswith("_")}
        return kind.from_config(known)


def drawn(network: nn.Module, dtype: torch.dtype, device: torch.device, seed: tuple[int, int]) -> dict[str, Tensor]:
    """Name -> random numbers for every weight, on the CPU, of a size that keeps what they compute finite."""
    generator = torch.Generator(device).manual_seed(1000 * seed[0] + seed[1])
    weights = {}
    for name, weight in network.named_parameters():
        numbers = torch.randn(weight.shape, generator=generator, device=device)
        if weight.dim() > 1:
            numbers *= 0.02 if "embed" in name else 1 / math.sqrt(math.prod(weight.shape[1:]))
        else:
            numbers = 0.02 * numbers + (1 if name.endswith("weight") else 0)
        weights[name] = numbers.to("cpu", dtype)
    return weights


def published_names(part: str, config: dict, weights: dict[str, Tensor], old: bool) -> dict[str, Tensor]:
    """The same weights under the names that they have on the hub, with what else the files hold there."""
    if part.startswith("text_encoder"):
        named = {f"text_model.{name}" if _bare(name) else name: weight for name, weight in weights.items()}
        length = config["max_position_embeddings"]
        return named | {"text_model.embeddings.position_ids": torch.arange(length)[None]}
    if part == "transformer":
        width, side = config["num_attention_heads"] * config["attention_head_dim"], config["sample_size"] // 2
        places = get_2d_sincos_pos_embed(width, side, base_size=side, output_type="pt")
        return weights | {"pos_embed.pos_embed": torch.as_tensor(places).float()[None]}
    if old and part == "vae":
        return {old_name(name): weight for name, weight in weights.items()}
    return weights


def old_name(name: str) -> str:
    """What a VAE's weight was called in 2022."""
    for new, old in OLD_NAMES.items():
        name = name.replace(f"attentions.0.{new}.", f"attentions.0.{old}.")
    return name


def save_weights(weights: dict[str, Tensor], folder: Path, pickled: bool) -> None:
    text = folder.name.startswith("text_encoder")
    if pickled:
        torch.save(weights, folder / ("pytorch_model.bin" if text else "diffusion_pytorch_model.bin"))
        return
    file = "model.safetensors" if text else "diffusion_pytorch_model.safetensors"
    save_file({name: weight.contiguous() for name, weight in weights.items()}, folder / file, {"format": "pt"})


def write_tokenizer(folder: Path, pad: str) -> None:
    """CLIP's tokenizer in vocab.json and merges.txt, with a vocabulary of its size, made of two to four letters."""
    folder.mkdir(parents=True)
    letters = [*_byte_letters()]
    singles = [*letters, *(f"{letter}</w>" for letter in letters)]
    merges = list(itertools.islice(_merges(), VOCABULARY - len(singles) - 2))
    tokens = [*singles, *("".join(pair) for pair in merges), "<|startoftext|>", "<|endoftext|>"]
    assert len(set(tokens)) == VOCABULARY
    (folder / "vocab.json").write_text(json.dumps({token: place for place, token in enumerate(tokens)}))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges))
    special = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>"}
    write_json(folder / "special_tokens_map.json", special | {"pad_token": pad})
    about = {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, "do_lower_case": True}
    write_json(folder / "tokenizer_config.json", about | special | {"pad_token": pad})


def _bare(name: str) -> bool:
    return not name.startswith(("text_model.", "text_projection."))


def _byte_letters() -> Iterator[str]:
    """A printable letter for each of 256 bytes, as CLIP's vocabulary begins."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    yield from map(chr, plain)
    yield from (chr(256 + n) for n in range(256 - len(plain)))


def _merges() -> Iterator[tuple[str, str]]:
    pairs = list(itertools.product(string.ascii_lowercase, repeat=2))
    for end in ("", "</w>"):
        yield from ((a, b + end) for a, b in pairs)
    for end in ("", "</w>"):
        yield from ((a + b, c + end) for (a, b), c in itertools.product(pairs, string.ascii_lowercase))
    yield from ((a + b + c, d) for (a, b), c, d in itertools.product(pairs, *[string.ascii_lowercase] * 2))
