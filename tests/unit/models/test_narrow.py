"""Weights kept in the dtype that they run in: half the bytes, and bit for bit the network that wide ones give."""

import shutil
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.models.transformers.dit_transformer_2d import DiTTransformer2DModel
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tests.helpers import tiny_pipelines as tiny
from tests.helpers.saved_pipelines import save_refiner, save_sdxl, save_stable_diffusion
from tests.unit.models import test_dit
from transformers import CLIPTextModel, CLIPTextModelWithProjection

from retort.base import filesystems
from retort.base.files import read_json, write_json
from retort.models.codec import Codec
from retort.models.narrow import narrow_folder, narrow_weights
from retort.models.weights import load_weights
from retort.stages.models import fetch_model as stage
from retort.stages.models.fetch_model import fetch_model

HALVES = ("float16", "bfloat16")
NETWORKS = {
    "dit": {"transformer": DiTTransformer2DModel},
    "sd": {"unet": UNet2DConditionModel, "text_encoder": CLIPTextModel},
    "sdxl": {
        **{"unet": UNet2DConditionModel, "text_encoder": CLIPTextModel},
        "text_encoder_2": CLIPTextModelWithProjection,
    },
    "sdxl-refiner": {"unet": UNet2DConditionModel, "text_encoder_2": CLIPTextModelWithProjection},
    "vae": {".": AutoencoderKL},
}


@pytest.fixture(scope="module")
def sources(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("sources")
    found = {
        "dit": test_dit.save_dit(folder / "dit", classes=2),
        "sd": save_stable_diffusion(folder / "sd"),
        "sdxl": save_sdxl(folder / "sdxl"),
        "sdxl-refiner": save_refiner(folder / "refiner"),
    }
    vae = shutil.copytree(found["sd"] / "vae", folder / "vae")
    write_json(vae / "config.json", read_json(vae / "config.json") | {"force_upcast": False})
    return found | {"vae": vae}


def fetch(source: Path, output: Path, kind: str, **settings) -> Path:
    fetch_model(str(output), name="mine", kind=kind, source=str(source), revision=None, **settings)
    return output


def everything(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Parameters and buffers, those too that are not saved."""
    return dict(network.named_parameters()) | dict(network.named_buffers())


# ---------------------------------------------------------------- the same network


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("kind", NETWORKS)
def test_a_model_stored_narrow_loads_to_the_bit_as_the_wide_one(sources, tmp_path, kind, dtype):
    narrow, target = fetch(sources[kind], tmp_path / "narrow", kind, store=dtype), getattr(torch, dtype)
    for part, network in NETWORKS[kind].items():
        wide_one, narrow_one = (load_weights(network, place / part, target) for place in (sources[kind], narrow))
        wide, found = everything(wide_one), everything(narrow_one)
        assert found.keys() == wide.keys()
        for name in wide:
            assert found[name].dtype == wide[name].dtype
            assert torch.equal(found[name], wide[name]), name
        assert any(value.dtype == target for value in found.values())


@pytest.mark.parametrize("kind", NETWORKS)
def test_no_library_class_keeps_weights_wide_which_narrow_files_would_have_rounded(kind):
    """A version of the libraries that does must be met by leaving those weights as they are."""
    for network in NETWORKS[kind].values():
        assert not getattr(network, "_keep_in_fp32_modules", None)
        assert not getattr(network, "_keep_in_fp32_modules_strict", None)


def test_the_position_embedding_of_a_dit_stays_in_single_precision(sources, tmp_path):
    narrow = fetch(sources["dit"], tmp_path / "narrow", "dit", store="float16")
    network = load_weights(DiTTransformer2DModel, narrow / "transformer", torch.float16)
    assert network.pos_embed.pos_embed.dtype == torch.float32
    assert torch.equal(network.pos_embed.pos_embed, DiTTransformer2DModel(**network.config).pos_embed.pos_embed)


@pytest.mark.parametrize("kind", NETWORKS)
def test_weights_take_half_the_bytes_and_the_origin_says_what_they_were(sources, tmp_path, kind):
    wide, narrow = (fetch(sources[kind], tmp_path / str(s), kind, store=s) for s in (None, "float16"))
    before, after = (read_json(folder / "origin.json") for folder in (wide, narrow))
    parts = {Path(part).as_posix() for part in NETWORKS[kind]}  # a dit's own vae/ is never read, and stays
    weights = [f for f in before["files"] if f.endswith(".safetensors") and Path(f).parent.as_posix() in parts]
    assert len(weights) == len(parts)
    assert after["stored"] == "float16"
    assert after["wide"] == {file: before["files"][file] for file in weights}
    assert "stored" not in before
    for file in weights:
        assert (narrow / file).stat().st_size < 0.6 * (wide / file).stat().st_size
        assert after["files"][file]["bytes"] == (narrow / file).stat().st_size
    others = before["files"].keys() - set(weights)
    assert {file: after["files"][file] for file in others} == {file: before["files"][file] for file in others}


def test_a_vae_that_is_run_in_single_precision_is_stored_in_it(sources, tmp_path):
    source = shutil.copytree(sources["vae"], tmp_path / "source")
    write_json(source / "config.json", read_json(source / "config.json") | {"force_upcast": True})
    kept = fetch(source, tmp_path / "kept", "vae", store="float16")
    assert {t.dtype for t in load_file(kept / "diffusion_pytorch_model.safetensors").values()} == {torch.float32}
    assert "stored" not in read_json(kept / "origin.json")
    ours = Codec.load(kept, tiny.SIDE, torch.float16, torch.device("cpu")).vae.state_dict()
    assert all(
        torch.equal(value, ours[name]) for name, value in AutoencoderKL.from_pretrained(source).state_dict().items()
    )
    brain = fetch(source, tmp_path / "brain", "vae", store="bfloat16")  # in which it does not overflow, and runs
    assert read_json(brain / "origin.json")["stored"] == "bfloat16"


def test_a_file_that_is_linked_to_the_cache_is_replaced_and_not_written(sources, tmp_path, monkeypatch):
    cache = shutil.copytree(sources["dit"], tmp_path / "cache")
    before = {file: file.read_bytes() for file in cache.rglob("*") if file.is_file()}
    snapshot = stage.Snapshot(cache, "0" * 40, {})
    monkeypatch.setattr(stage, "download", lambda *given: snapshot)
    fetch_model(str(tmp_path / "model"), name="mine", kind="dit", source="owner/dit", revision=None, store="float16")
    assert {file: file.read_bytes() for file in cache.rglob("*") if file.is_file()} == before
    configs = [folder / "transformer" / "config.json" for folder in (cache, tmp_path / "model")]
    assert configs[0].samefile(configs[1])  # so the weights were linked too


# ---------------------------------------------------------------- one file


def test_only_wide_floating_point_tensors_change_and_each_as_torch_rounds_it(tmp_path):
    path, generator = tmp_path / "weights.safetensors", torch.Generator().manual_seed(0)
    tensors = {
        "b/odd": torch.randn(3, 5, generator=generator),
        "a/edge": torch.tensor([1 + 2**-11, 1 + 2**-11 + 2**-20, 65_519.0, 6e-8, -0.0, 1e-9]),  # ties, the ends
        "double": torch.randn(7, generator=generator).double(),
        "half": torch.randn(3, generator=generator).half(),
        "brain": torch.randn(3, generator=generator).bfloat16(),
        "ids": torch.arange(77)[None],
        "mask": torch.tensor([True, False, True]),
        "none": torch.zeros(0, 4),
        "scalar": torch.tensor(0.1),
    }
    save_file(tensors, path, {"format": "pt", "more": "words"})
    assert narrow_weights(path, torch.float16)
    found = load_file(path)
    wide = {"b/odd", "a/edge", "double", "none", "scalar"}
    assert found.keys() == tensors.keys()
    for name, tensor in tensors.items():
        expected = tensor.to(torch.float16) if name in wide else tensor
        assert found[name].dtype == expected.dtype
        assert found[name].shape == expected.shape
        assert found[name].flatten().view(torch.uint8).tolist() == expected.flatten().view(torch.uint8).tolist()
    with safe_open(path, "pt") as file:
        assert file.metadata() == {"format": "pt", "more": "words"}
    assert not narrow_weights(path, torch.float16)
    assert [file.name for file in tmp_path.iterdir()] == ["weights.safetensors"]


def test_narrow_weights_are_not_widened(tmp_path):
    path = tmp_path / "weights.safetensors"
    save_file({"x": torch.ones(3, dtype=torch.float16)}, path)
    before = path.read_bytes()
    assert not narrow_weights(path, torch.float32)
    assert path.read_bytes() == before


def test_weights_in_several_files_keep_their_index_which_says_their_size(tmp_path):
    network = tiny.unet(16)
    network.save_pretrained(tmp_path / "unet", max_shard_size="100KB")
    index = tmp_path / "unet" / "diffusion_pytorch_model.safetensors.index.json"
    before = read_json(index)
    expected = load_weights(UNet2DConditionModel, tmp_path / "unet", torch.float16).state_dict()
    assert len(narrow_folder(tmp_path / "unet", torch.float16)) == len(set(before["weight_map"].values())) > 1
    found = load_weights(UNet2DConditionModel, tmp_path / "unet", torch.float16).state_dict()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    after = read_json(index)
    assert after["weight_map"] == before["weight_map"]
    assert after["metadata"]["total_size"] == before["metadata"]["total_size"] / 2


# ---------------------------------------------------------------- read without a map


@pytest.fixture(scope="module")
def mapped(sources) -> dict:
    """(kind, part) -> what a network is made of when its file is mapped."""
    cases = [(kind, part, network) for kind, parts in NETWORKS.items() for part, network in parts.items()]
    return {(k, p): everything(load_weights(n, sources[k] / p, torch.float32, "mmap")) for k, p, n in cases}


@pytest.fixture
def no_maps(monkeypatch):
    """Every way by which the libraries map a file fails; the errors that come of it."""
    import diffusers.models.model_loading_utils as of_diffusers
    import transformers.modeling_utils as of_transformers

    def refused(*arguments, **switches):
        raise AssertionError("mapped")

    monkeypatch.setattr(of_diffusers.safetensors.torch, "load_file", refused)
    monkeypatch.setattr(of_transformers, "safe_open", refused)
    return AssertionError, OSError  # diffusers makes the second of the first


@pytest.mark.parametrize("kind", NETWORKS)
def test_networks_read_at_once_are_those_that_are_mapped(sources, mapped, no_maps, kind):
    for part, network in NETWORKS[kind].items():
        with pytest.raises(no_maps):
            load_weights(network, sources[kind] / part, torch.float32, "mmap")
        eager = everything(load_weights(network, sources[kind] / part, torch.float32, "eager"))
        assert eager.keys() == mapped[kind, part].keys()
        assert all(torch.equal(eager[name], value) for name, value in mapped[kind, part].items())


def test_by_default_the_file_system_decides(sources, no_maps, tmp_path, monkeypatch):
    monkeypatch.setattr(filesystems, "MOUNTS", tmp_path / "mountinfo")
    (tmp_path / "mountinfo").write_text("1 0 0:1 / / rw - lustre 10.0.0.2@o2ib:/lfs rw\n")
    load_weights(UNet2DConditionModel, sources["sd"] / "unet", torch.float32)
    (tmp_path / "mountinfo").write_text("1 0 0:1 / / rw - xfs /dev/sda rw\n")
    with pytest.raises(no_maps):
        load_weights(UNet2DConditionModel, sources["sd"] / "unet", torch.float32)
