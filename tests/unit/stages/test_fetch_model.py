"""Models that come from a directory: what is copied of them, and what is refused."""

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.helpers.fetched_models import FIXTURES, PARTS, PIPELINE, SDXL, change, digest, fetch, saved

from retort.base.errors import RetortError
from retort.base.files import read_json, write_json
from retort.models.contents import NEEDED
from retort.models.load import CodecFiles, ModelFiles, load_diffusion


def test_a_pipeline_is_copied_whole_with_its_origin(tmp_path):
    model = fetch(PIPELINE, tmp_path / "model", "dit")
    files = {file.relative_to(PIPELINE).as_posix(): digest(file) for file in PIPELINE.rglob("*") if file.is_file()}
    assert {path: digest(model / path) for path in files} == files
    origin = {"name": "mine", "source": str(PIPELINE), "revision": None, "files": files}
    assert read_json(model / "origin.json") == origin


def test_a_local_directory_is_copied_so_that_its_owner_may_edit_it(tmp_path):
    source = shutil.copytree(PIPELINE, tmp_path / "source")
    model = fetch(source, tmp_path / "model", "dit")
    weights = "transformer/diffusion_pytorch_model.safetensors"
    assert (model / weights).stat().st_ino != (source / weights).stat().st_ino


def test_an_encoder_may_be_taken_from_a_pipeline_or_stand_alone(tmp_path):
    for source in (PIPELINE, PIPELINE / "vae"):
        model = fetch(source, tmp_path / source.name, "vae")
        assert (model / "config.json").read_bytes() == (PIPELINE / "vae" / "config.json").read_bytes()
        assert not (model / "transformer").exists()


def test_a_directory_of_another_kind_is_refused_and_leaves_nothing(tmp_path):
    with pytest.raises(RetortError, match=r"models\.mine\.source: .* lacks transformer/config\.json"):
        fetch(PIPELINE / "vae", tmp_path / "model", "dit")
    assert list(tmp_path.iterdir()) == []


def test_pickled_weights_alone_are_refused(tmp_path):
    source = shutil.copytree(PIPELINE, tmp_path / "source")
    weights = source / "transformer" / "diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_suffix(".bin"))
    with pytest.raises(RetortError, match=r"no \.safetensors weights"):
        fetch(source, tmp_path / "model", "dit")


def test_what_a_clone_keeps_for_itself_is_left_behind(tmp_path):
    source = shutil.copytree(PIPELINE, tmp_path / "source")
    (source / ".git" / "lfs").mkdir(parents=True)
    (source / ".git" / "lfs" / "object").write_bytes(b"the weights again")
    assert list(fetch(source, tmp_path / "model", "dit").glob(".*")) == []


def test_a_clone_without_its_large_files_is_refused(tmp_path):
    source = shutil.copytree(PIPELINE, tmp_path / "source")
    pointer = b"version 1 of a large file's pointer\noid sha256:0123\nsize 501304\n"
    (source / "transformer" / "diffusion_pytorch_model.safetensors").write_bytes(pointer)
    with pytest.raises(RetortError, match="is not a whole safetensors file"):
        fetch(source, tmp_path / "model", "dit")


def test_pickled_weights_beside_others_are_left_behind(tmp_path):
    source = shutil.copytree(PIPELINE, tmp_path / "source")
    (source / "transformer" / "diffusion_pytorch_model.bin").write_bytes(b"never read")
    assert list(fetch(source, tmp_path / "model", "dit").rglob("*.bin")) == []


# ---------------------------------------------------------------- text-to-image pipelines


@pytest.fixture
def source(tmp_path, kind) -> Path:
    return saved(kind, tmp_path / "source")


@pytest.mark.parametrize("kind", sorted(PARTS))
def test_of_a_text_to_image_pipeline_its_own_parts_are_copied(source, tmp_path, kind):
    (source / "safety_checker").mkdir()
    for left in (
        "everything.safetensors",
        "safety_checker/model.safetensors",
        "unet/model.fp16.safetensors",
        "unet/model.onnx",
        "unet/model.onnx_data",
        "unet/diffusion_flax_model.msgpack",
    ):
        (source / left).write_bytes(b"never read")
    model = fetch(source, tmp_path / "model", kind)
    copied = {file.relative_to(model).as_posix() for file in model.rglob("*") if file.is_file()}
    expected = {file.relative_to(SDXL).as_posix() for p in PARTS[kind] for file in (SDXL / p).rglob("*")}
    assert copied == expected | {"model_index.json", "origin.json"}
    for part in expected:
        assert (model / part).read_bytes() == (source / part).read_bytes()


def test_a_fetched_pipeline_computes_what_its_source_computes(tmp_path):
    codec = CodecFiles(str(SDXL / "vae"), "float32", 64)
    latents, times = torch.ones(1, 4, 16, 16), torch.tensor([500])
    predicted = []
    for directory in (SDXL, fetch(SDXL, tmp_path / "model", "sdxl")):
        model = load_diffusion(ModelFiles(str(directory), "float32", kind="sdxl"), codec)
        predicted.append(model.eps(latents.to(model.device), times.to(model.device), model.null(1)))
    assert torch.equal(*predicted)


@pytest.mark.parametrize(("kind", "file"), [(kind, file) for kind in sorted(PARTS) for file in NEEDED[kind]])
def test_every_file_that_a_text_to_image_pipeline_lacks_is_named(source, tmp_path, kind, file):
    (source / file).unlink()
    with pytest.raises(RetortError, match=rf"is no {kind} directory of diffusers: it lacks {file}; give the directory"):
        fetch(source, tmp_path / "model", kind)


@pytest.mark.parametrize("kind", sorted(PARTS))
def test_a_tokenizer_may_come_in_either_format_but_whole(source, tmp_path, kind):
    for tokenizer in (part for part in PARTS[kind] if part.startswith("tokenizer")):
        folder = source / tokenizer
        (folder / "tokenizer.json").unlink()
        fetch(source, tmp_path / "model", kind)
        (folder / "merges.txt").rename(folder / "elsewhere.txt")
        lacks = rf"it lacks {tokenizer}/tokenizer\.json \(or vocab\.json and merges\.txt\); give the directory"
        with pytest.raises(RetortError, match=lacks):
            fetch(source, tmp_path / "model", kind)
        shutil.copytree(SDXL / tokenizer, folder, dirs_exist_ok=True)


@pytest.mark.parametrize(
    ("kind", "part"),
    [(kind, part) for kind in sorted(PARTS) for part in sorted(PARTS[kind]) if part[:4] in ("unet", "text")],
)
@pytest.mark.parametrize("ending", [".bin", ".fp16.safetensors"])
def test_a_part_without_readable_weights_is_refused(source, tmp_path, kind, part, ending):
    (weights,) = (source / part).glob("*.safetensors")
    weights.rename(weights.with_name(weights.stem + ending))
    with pytest.raises(RetortError, match=rf"{part} has no \.safetensors weights under their plain name") as caught:
        fetch(source, tmp_path / "model", kind)
    advice = {".bin": "say allow_pickle: true", ".fp16.safetensors": "a variant: rename it to the plain name"}
    assert [way for way in advice.values() if way in str(caught.value)] == [advice[ending]]
    assert "hub" not in str(caught.value)


# ---------------------------------------------------------------- weights that are not whole


@pytest.fixture
def sharded(tmp_path) -> Path:
    """The DiT pipeline with its weights in two files and an index, as save_pretrained writes large ones."""
    folder = shutil.copytree(PIPELINE, tmp_path / "sharded") / "transformer"
    tensors = load_file(folder / "diffusion_pytorch_model.safetensors")
    (folder / "diffusion_pytorch_model.safetensors").unlink()
    names = sorted(tensors)
    places = {}
    for i, members in enumerate((names[: len(names) // 2], names[len(names) // 2 :]), start=1):
        file = f"diffusion_pytorch_model-0000{i}-of-00002.safetensors"
        save_file({name: tensors[name] for name in members}, folder / file)
        places |= dict.fromkeys(members, file)
    write_json(folder / "diffusion_pytorch_model.safetensors.index.json", {"metadata": {}, "weight_map": places})
    return folder.parent


def test_weights_in_several_files_are_taken_with_their_index(sharded, tmp_path):
    model = fetch(sharded, tmp_path / "model", "dit")
    codec = CodecFiles(str(PIPELINE / "vae"), "float32", 32)
    times = torch.tensor([500])
    whole, parts = (load_diffusion(ModelFiles(str(d), "float32"), codec) for d in (PIPELINE, model))
    latents = torch.ones(1, *whole.latent_shape)
    torch.testing.assert_close(whole.eps(latents, times, whole.null(1)), parts.eps(latents, times, parts.null(1)))


def test_a_file_that_the_index_names_and_the_directory_lacks_is_named(sharded, tmp_path):
    (sharded / "transformer" / "diffusion_pytorch_model-00002-of-00002.safetensors").unlink()
    with pytest.raises(RetortError, match=r"transformer lacks diffusion_pytorch_model-00002-of-00002\.safetensors"):
        fetch(sharded, tmp_path / "model", "dit")
    assert not (tmp_path / "model").exists()


def test_weights_that_the_index_names_and_no_file_has_are_named(sharded, tmp_path):
    index = sharded / "transformer" / "diffusion_pytorch_model.safetensors.index.json"
    places = read_json(index)["weight_map"]
    change(index, weight_map=places | {"proj_out_3.weight": next(iter(places.values()))})
    with pytest.raises(RetortError, match=r"lacks 1 weights that .*index\.json names, proj_out_3\.weight"):
        fetch(sharded, tmp_path / "model", "dit")


def test_files_without_their_index_are_no_weights(sharded, tmp_path):
    (sharded / "transformer" / "diffusion_pytorch_model.safetensors.index.json").unlink()
    words = r"no \.safetensors weights under their plain name.*of several files, but their index.*is missing"
    with pytest.raises(RetortError, match=words):
        fetch(sharded, tmp_path / "model", "dit")


@pytest.mark.parametrize("shards", [True, False])
def test_two_versions_of_the_weights_are_refused_with_or_without_the_older_shards(sharded, tmp_path, shards):
    """diffusers would take the shards, and the check the single file."""
    folder = sharded / "transformer"
    newer = PIPELINE / "transformer" / "diffusion_pytorch_model.safetensors"
    shutil.copy(newer, folder)
    if not shards:
        for file in folder.glob("*-of-*.safetensors"):
            file.unlink()
    with pytest.raises(RetortError, match=r"holds two versions of the weights.*take one of the two away"):
        fetch(sharded, tmp_path / "model", "dit")
    assert not (tmp_path / "model").exists()
    (folder / "diffusion_pytorch_model.safetensors.index.json").unlink()
    fetch(sharded, tmp_path / "model", "dit")


@pytest.mark.parametrize("allowed", [True, False])
def test_pickles_in_several_files_are_answered_by_what_helps(sharded, tmp_path, allowed):
    for file in (sharded / "transformer").glob("*.safetensors*"):
        file.rename(file.with_name(file.name.replace(".safetensors", ".bin")))
    with pytest.raises(RetortError, match=r"\.bin in several files .*save it again as safetensors") as caught:
        fetch(sharded, tmp_path / "model", "dit", allow_pickle=allowed)
    assert "allow_pickle" not in str(caught.value)


@pytest.mark.parametrize("left", [0, 5, 100, -1])
@pytest.mark.parametrize(
    ("kind", "file"), [("vae", "vae/diffusion_pytorch_model"), ("dit", "transformer/diffusion_pytorch_model")]
)
def test_a_file_that_was_cut_short_is_refused(tmp_path, left, kind, file):
    source = shutil.copytree(PIPELINE, tmp_path / "source")
    weights = source / f"{file}.safetensors"
    weights.write_bytes(weights.read_bytes()[:left])
    with pytest.raises(RetortError, match=rf"models\.mine\.source: {weights} is not a whole safetensors file"):
        fetch(source, tmp_path / "model", kind)
    assert not (tmp_path / "model").exists()


def test_a_file_with_more_than_its_header_says_is_refused(tmp_path):
    source = shutil.copytree(PIPELINE, tmp_path / "source")
    with open(source / "transformer" / "diffusion_pytorch_model.safetensors", "ab") as handle:
        handle.write(b"more")
    with pytest.raises(RetortError, match=r"it has 501,308 bytes where its header says 501,304"):
        fetch(source, tmp_path / "model", "dit")


def test_half_precision_weights_are_whole_too(tmp_path):
    source = shutil.copytree(PIPELINE, tmp_path / "source")
    weights = source / "transformer" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(weights)
    for dtype in (torch.float16, torch.bfloat16):
        save_file({name: tensor.to(dtype) for name, tensor in tensors.items()}, weights)
        fetch(source, tmp_path / str(dtype), "dit")


# ---------------------------------------------------------------- weights that are not those of their config


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"num_embeds_ada_norm": 999}, "says 999 classes, but the weights beside it have"),
        ({"num_layers": 28}, "says 28 layers, but the weights beside it have"),
        ({"in_channels": 16}, "says 16 latent channels, but the weights beside it have 4"),
        ({"norm_type": "ada_norm_single"}, "no class-conditional DiT: its norm_type is 'ada_norm_single'"),
        ({"num_layers": None}, "says None layers"),
    ],
)
def test_a_dit_that_is_not_what_its_config_says_is_refused(tmp_path, changes, said):
    source = shutil.copytree(PIPELINE, tmp_path / "source")
    change(source / "transformer" / "config.json", **changes)
    with pytest.raises(RetortError, match=said):
        fetch(source, tmp_path / "model", "dit")


def test_a_vae_of_other_latents_than_its_config_says_is_refused(tmp_path):
    source = shutil.copytree(PIPELINE / "vae", tmp_path / "source")
    change(source / "config.json", latent_channels=16)
    with pytest.raises(RetortError, match="says 16 latent channels, but the weights beside it have 4"):
        fetch(source, tmp_path / "model", "vae")


def test_a_config_of_something_else_is_refused_in_words(tmp_path):
    source = shutil.copytree(PIPELINE / "vae", tmp_path / "source")
    (source / "config.json").write_text("{}")
    with pytest.raises(RetortError, match="do not describe a vae"):
        fetch(source, tmp_path / "model", "vae")


@pytest.mark.parametrize("kind", ["sdxl"])
@pytest.mark.parametrize("taken_for", ["sd", "sdxl-refiner"])
def test_a_pipeline_taken_for_another_kind_is_refused_by_the_width_of_its_text(source, tmp_path, taken_for):
    with pytest.raises(RetortError, match=r"its UNet takes text embeddings of width \d+, but text_encoder.* give \d+"):
        fetch(source, tmp_path / "model", taken_for)


# ---------------------------------------------------------------- original checkpoints


def test_an_original_checkpoint_is_converted_checked_and_recorded(tmp_path):
    case, weights = FIXTURES / "cao2_latent_optimization", "transformer/diffusion_pytorch_model.safetensors"
    checkpoint = tmp_path / "DiT.pt"
    torch.save(load_file(case / "reference_dit.safetensors"), checkpoint)
    heads = read_json(case / "diffusers_transformer" / "config.json")["num_attention_heads"]
    model = fetch(checkpoint, tmp_path / "model", "dit", heads=heads)
    found, expected = load_file(model / weights), load_file(case / "diffusers_transformer" / Path(weights).name)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    origin = read_json(model / "origin.json")
    assert origin["sha256"] == digest(checkpoint)["sha256"]
    assert origin["files"][weights] == digest(model / weights)


@pytest.mark.parametrize(("kind", "file"), [("vae", "vae.pt"), ("sd", "sd.ckpt"), ("dit", "dit.safetensors")])
def test_other_single_files_are_refused(tmp_path, kind, file):
    (tmp_path / file).write_bytes(b"weights")
    with pytest.raises(
        RetortError, match=r"is a file; only a dit may be one, an original checkpoint that ends in \.pt"
    ):
        fetch(tmp_path / file, tmp_path / "model", kind)


@pytest.mark.parametrize("source", ["/nowhere/at/all", "./models/dit", "~/dit", "a/b/c", "dit.pt"])
def test_a_path_to_nothing_is_not_taken_for_a_hub_id(tmp_path, source):
    with pytest.raises(RetortError, match="is neither a directory nor a model of the hub; paths start where"):
        fetch(source, tmp_path / "model", "dit")
