"""The published models' repositories, as far as a CPU can hold them: shapes, files, fetching, loading."""

import json
import struct
from pathlib import Path

import pytest
import torch
from diffusers import DDIMScheduler, EulerDiscreteScheduler, PNDMScheduler
from transformers import CLIPTokenizer

from retort.base.files import write_json
from retort.base.running import AUTOMATIC
from retort.models.contents import read_contents
from tests.gpu import models, part_load, part_make
from tests.gpu.harness import Bench, Checks
from tests.gpu.hub import empty_network, old_name, write_tokenizer
from tests.gpu.published import CLIP_G, CLIP_L, DIT, REFINER, SCHEDULERS, SD, SDXL, VAE, VOCABULARY, repositories

# Weights of the published networks, in millions, as their model cards, papers or files have them.
MILLIONS = {
    "transformer": (DIT, 749.8),  # in the form of diffusers, which embeds time and class in every block
    "vae": (VAE, 83.65),
    "unet of SD 1.5": (SD, 859.5),
    "unet of SDXL": (SDXL, 2567.5),
    "unet of the refiner": (REFINER, 2259.5),
    "text_encoder": (CLIP_L, 123.1),
    "text_encoder_2": (CLIP_G, 694.7),
}


@pytest.mark.parametrize("name", MILLIONS)
def test_a_network_of_the_published_config_has_the_published_number_of_weights(name):
    config, expected = MILLIONS[name]
    network = empty_network(name.split()[0], config)
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(expected, abs=0.06)


@pytest.mark.parametrize(
    ("kind", "scheduler"), [("dit", DDIMScheduler), ("sd", PNDMScheduler), ("sdxl", EulerDiscreteScheduler)]
)
def test_the_schedulers_are_those_of_their_libraries(kind, scheduler):
    config = {key: value for key, value in SCHEDULERS[kind].items() if not key.startswith("_")}
    found = scheduler.from_config(config).alphas_cumprod
    low, high = (config[key] ** (0.5 if kind != "dit" else 1) for key in ("beta_start", "beta_end"))
    betas = torch.linspace(low, high, 1000, dtype=torch.float64) ** (2 if kind != "dit" else 1)
    torch.testing.assert_close(found.double(), (1 - betas).cumprod(0), rtol=1e-4, atol=0)
    assert SCHEDULERS[kind]["_class_name"] == scheduler.__name__


@pytest.mark.parametrize("pad", ["!", "<|endoftext|>"])
def test_the_tokenizer_has_clips_size_and_special_tokens(tmp_path, pad):
    write_tokenizer(tmp_path / "tokenizer", pad)
    tokenizer = CLIPTokenizer.from_pretrained(tmp_path / "tokenizer", local_files_only=True)
    assert len(tokenizer) == VOCABULARY
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id) == (VOCABULARY - 2, VOCABULARY - 1)
    tokens = tokenizer(["tench"], padding="max_length", max_length=77).input_ids[0]
    assert (tokens[0], tokens[-1]) == (VOCABULARY - 2, tokenizer.convert_tokens_to_ids(pad))
    assert 1 < tokens.index(VOCABULARY - 1) < 5 + 1  # "tench" is a few merged pieces


# ---------------------------------------------------------------- fetching


def hollow(folder: Path, part: str, config: dict) -> None:
    """A network's config and its weights' names and shapes; of the numbers there is only the room, on no disk."""
    write_json(folder / part / "config.json", config)
    header, end = {}, 0
    for name, weight in empty_network(part, config).named_parameters():
        start, end = end, end + 2 * weight.numel()
        header[name] = {"dtype": "F16", "shape": list(weight.shape), "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    stem = "model" if part.startswith("text_encoder") else "diffusion_pytorch_model"
    with open(folder / part / f"{stem}.safetensors", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + end)


@pytest.mark.parametrize("repository", sorted(repositories("full")))
def test_headers_of_the_published_models_are_read_as_what_they_are(tmp_path, repository):
    published = repositories("full")[repository]
    for part, config in published.networks.items():
        hollow(tmp_path, part, config)
    if published.kind != "vae":
        write_json(tmp_path / "model_index.json", published.index)
        write_json(tmp_path / "scheduler" / "scheduler_config.json", SCHEDULERS["sdxl"])
    for part, pad in (published.tokenizers or {}).items():
        write_tokenizer(tmp_path / part, pad)
    found = read_contents(tmp_path, published.kind)
    assert found.channels == 4
    assert (found.side, found.classes, found.shrink) == {"dit": (32, 1000, None), "vae": (None, None, 8)}.get(
        published.kind, (None, None, None)
    )


def failures(checks: Checks) -> list[str]:
    return [f"{check['what']}: {check['found']}" for check in checks.done if not check["holds"]]


def test_repositories_as_on_the_hub_are_fetched_checked_and_loaded_with_the_weights_that_were_written(tmp_path):
    """Shapes as published, but for their depth: see published.py."""
    bench = Bench(torch.device("cpu"), "few", tmp_path)
    made, loaded = Checks("make"), Checks("load")
    part_make.run(bench, made)
    assert failures(made) == []
    assert len(made.done) == len(models.FETCHED) + 11 + 1  # each fetched, their networks, all checked together
    for kind in models.ENCODERS:
        part_load.load(bench, loaded, kind, "as it is", AUTOMATIC)
    part_load.load(bench, loaded, "sdxl", "with its refiner", AUTOMATIC, refined=True)
    assert failures(loaded) == []
    assert len([check for check in loaded.done if check["what"].endswith("as written")]) == 15


def test_the_old_names_of_a_vaes_attention_are_four_and_no_others():
    names = dict(empty_network("vae", VAE).named_parameters())
    changed = {old_name(name) for name in names} - names.keys()
    parts = {f"{half}.mid_block.attentions.0.{old}" for half in ("encoder", "decoder") for old in OLD}
    assert changed == {f"{part}.{end}" for part in parts for end in ("weight", "bias")}
    assert {models.todays_name(old_name(name)) for name in names} == names.keys()


OLD = ("query", "key", "value", "proj_attn")
