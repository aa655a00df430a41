"""Models whose weights are pickles: rewritten where that is allowed, and never run."""

import os
import shutil
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file
from tests.helpers.fetched_models import PIPELINE, SDXL, digest, fetch

from retort.base.errors import RetortError
from retort.base.files import read_json
from retort.models.load import CodecFiles, load_codec


def pickled(source: Path, folder: Path, *parts: str) -> Path:
    """A copy of a model whose networks are there only as torch.save wrote them."""
    shutil.copytree(source, folder)
    for part in parts:
        stem, old = ("model", "pytorch_model") if "text" in part else ("diffusion_pytorch_model",) * 2
        file = folder / part / f"{stem}.safetensors"
        torch.save(load_file(file), folder / part / f"{old}.bin")
        file.unlink()
    return folder


@pytest.mark.parametrize(
    ("source", "kind", "parts"),
    [(PIPELINE, "dit", ["transformer"]), (SDXL, "sdxl", ["unet", "text_encoder", "text_encoder_2"])],
)
def test_pickles_become_the_same_weights_as_safetensors_where_that_is_allowed(source, kind, parts, tmp_path):
    model = fetch(pickled(source, tmp_path / "source", *parts), tmp_path / "model", kind, allow_pickle=True)
    for part in parts:
        name = f"{part}/{'model' if 'text' in part else 'diffusion_pytorch_model'}.safetensors"
        expected, found = load_file(source / name), load_file(model / name)
        assert expected.keys() == found.keys()
        assert all(torch.equal(found[key], value) for key, value in expected.items())
    assert not list(model.rglob("*.bin"))
    private = [file for file in model.rglob("*") if file.is_file() and not file.stat().st_mode & 0o040]
    assert not private, "a group that shares the results could not read them"
    origin = read_json(model / "origin.json")
    assert {path.split("/")[0] for path in origin["rewritten"]} == set(parts)
    assert all(digest(tmp_path / "source" / path) == told for path, told in origin["rewritten"].items())


def test_pickles_are_refused_where_nobody_allowed_them(tmp_path):
    source = pickled(PIPELINE, tmp_path / "source", "transformer")
    with pytest.raises(RetortError, match=r"has diffusion_pytorch_model\.bin: say allow_pickle: true"):
        fetch(source, tmp_path / "model", "dit")
    assert not (tmp_path / "model").exists()


class _Trap:
    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


def test_code_in_a_pickle_is_not_run_even_where_pickles_are_allowed(tmp_path):
    source, trap = pickled(PIPELINE, tmp_path / "source", "transformer"), _Trap()
    trap.folder = tmp_path / "sprung"
    torch.save({"weight": trap}, source / "transformer" / "diffusion_pytorch_model.bin")
    with pytest.raises(RetortError, match="no file of tensors alone"):
        fetch(source, tmp_path / "model", "dit", allow_pickle=True)
    assert not trap.folder.exists()
    assert not (tmp_path / "model").exists()


def test_safetensors_win_over_a_pickle_beside_them(tmp_path):
    source = shutil.copytree(PIPELINE, tmp_path / "source")
    torch.save({}, source / "transformer" / "diffusion_pytorch_model.bin")
    model = fetch(source, tmp_path / "model", "dit", allow_pickle=True)
    assert "rewritten" not in read_json(model / "origin.json")


def test_an_old_vae_whose_attention_has_old_names_is_the_same_vae(tmp_path):
    """As facebook/DiT-XL-2-256 has it: saved as a pickle before diffusers renamed the attention's layers."""
    torch.manual_seed(0)
    vae = AutoencoderKL(
        block_out_channels=(8,),
        down_block_types=("DownEncoderBlock2D",),
        up_block_types=("UpDecoderBlock2D",),
        norm_num_groups=4,
    )
    vae.save_pretrained(tmp_path / "new")
    weights = load_file(tmp_path / "new" / "diffusion_pytorch_model.safetensors")
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    renamed = {}
    for name, value in weights.items():
        for new, former in old.items():
            name = name.replace(f"attentions.0.{new}.", f"attentions.0.{former}.")
        renamed[name] = value
    assert renamed.keys() != weights.keys()
    source = shutil.copytree(tmp_path / "new", tmp_path / "source")
    (source / "diffusion_pytorch_model.safetensors").unlink()
    torch.save(renamed, source / "diffusion_pytorch_model.bin")
    model = fetch(source, tmp_path / "model", "vae", allow_pickle=True)
    images = torch.rand(1, 3, 8, 8) * 2 - 1
    codec = load_codec(CodecFiles(str(model), "float32", 8))
    with torch.no_grad():
        torch.testing.assert_close(
            codec.decode(codec.encode(images)),
            vae.eval().decode(vae.encode(images).latent_dist.mean).sample,
            rtol=1e-4,
            atol=1e-5,
        )
