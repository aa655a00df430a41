"""A thousand classes: what stages hold in memory does not grow with the data set, and no class is lost on the way."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from diffusers import AutoencoderKL, DDIMScheduler
from diffusers.models.transformers.dit_transformer_2d import DiTTransformer2DModel
from PIL import Image
from pyarrow.parquet import ParquetFile
from tests.helpers.peak_memory import SIDE

from retort.base.tensors import open_tensors
from retort.config.load import load_config
from retort.data.classes import class_list
from retort.data.manifest import ClassEntry, read_classes, read_split, write_manifest
from retort.plan.plan import Plan
from retort.stages.data.build_manifest import build_manifest

ROOT = Path(__file__).resolve().parents[3]
IMAGES = 4
TREES = {"hundred": 100, "thousand": 1000}

spec = importlib.util.spec_from_file_location("synthetic_tree", ROOT / "bench" / "synthetic_tree.py")
synthetic_tree = importlib.util.module_from_spec(spec)
spec.loader.exec_module(synthetic_tree)


def save_dit(folder: Path, classes: int) -> None:
    torch.manual_seed(0)
    DiTTransformer2DModel(
        num_layers=2,
        num_attention_heads=2,
        attention_head_dim=8,
        patch_size=4,
        in_channels=4,
        out_channels=4,
        sample_size=SIDE // 2,
        num_embeds_ada_norm=classes,
    ).save_pretrained(folder / "transformer")
    DDIMScheduler().save_pretrained(folder / "scheduler")


def save_vae(folder: Path) -> None:
    torch.manual_seed(1)
    AutoencoderKL(
        block_out_channels=(4, 4),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        norm_num_groups=4,
        latent_channels=4,
        mid_block_add_attention=False,
        sample_size=SIDE,
    ).save_pretrained(folder)


def planned(config: dict) -> Plan:
    checked = load_config(config)
    return Plan(checked, class_list(checked.dataset))


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """A tree of a hundred classes and one of a thousand, with their manifests, and models for them."""
    folder = tmp_path_factory.mktemp("scale")
    save_vae(folder / "vae")
    for name, classes in TREES.items():
        synthetic_tree.write_tree(folder / name / "images", classes, IMAGES, SIDE)
        save_dit(folder / name / "dit", classes)
        plan = planned(synthetic_tree.config_for(folder / name / "images", SIDE))
        outputs = (str(folder / name / file) for file in ("manifest.parquet", "classes.csv", "bad.csv"))
        settings = plan.manifest_settings() | {"class_ids": plan.classes}
        build_manifest(None, *outputs, **settings, made_of={}, threads=1)
    return folder


@pytest.fixture(scope="module")
def peaks(home) -> dict[str, dict[str, int]]:
    """Tree -> stage -> the most memory in bytes that the stage held, over all shards of the tree."""
    command = [sys.executable, "-m", "tests.helpers.peak_memory", home, *TREES]
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'workflow'}{os.pathsep}{ROOT}", "OMP_NUM_THREADS": "1"}
    run = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def growth(peaks: dict, stage: str) -> int:
    return peaks["thousand"][stage] - peaks["hundred"][stage]


def added_images() -> int:
    return (TREES["thousand"] - TREES["hundred"]) * IMAGES


@pytest.mark.parametrize("stage", ["encode", "invert"])
def test_peak_memory_does_not_grow_with_the_number_of_classes(peaks, stage):
    assert peaks["thousand"][stage] < 1.2 * peaks["hundred"][stage]


def test_what_encoding_holds_is_a_small_part_of_what_the_images_would_take(peaks):
    assert growth(peaks, "encode") < 0.2 * added_images() * 3 * SIDE**2 * 4  # as the numbers that a model reads


def test_what_inversion_holds_is_a_small_part_of_what_the_latents_would_take(home, peaks):
    latents = added_images() * 4 * (SIDE // 2) ** 2 * 4
    assert growth(peaks, "hoard") > 0.9 * latents  # so the measurement would see them
    assert growth(peaks, "invert") < 0.2 * latents


def test_every_image_of_a_thousand_classes_is_encoded_and_every_class_inverted(home, peaks):
    tree = home / "thousand"
    entries, images = read_classes(tree / "classes.csv"), read_split(tree / "manifest.parquet", "train")
    assert [c.id for c in entries] == synthetic_tree.class_names(1000)
    assert len(images) == 1000 * IMAGES
    assert len(read_split(tree / "manifest.parquet", "val")) == 1000
    files = sorted((tree / "latents").iterdir())
    assert len(files) == 20
    latents = {name: array for file in files for name, array in open_tensors(file).items()}
    rows = np.concatenate([latents[f"rows/{c.id}"] for c in entries])
    np.testing.assert_array_equal(rows, np.arange(len(images)))
    assert all(np.isfinite(latents[f"latents/{c.id}"]).all() and latents[f"latents/{c.id}"].any() for c in entries)
    inverted = [open_tensors(file) for file in sorted((tree / "inverted").iterdir())]
    assert np.concatenate([found["count"] for found in inverted]).tolist() == [IMAGES] * 1000
    assert all((found["variance"] > 0).mean() > 0.99 for found in inverted)


# ---------------------------------------------------------------- the manifest


@pytest.fixture(scope="module")
def long_manifest(tmp_path_factory) -> Path:
    """A manifest of 1,000 classes with 40 training images each, in an order of classes that is not alphabetical."""
    folder, names = tmp_path_factory.mktemp("manifest"), synthetic_tree.class_names(1000)[::-1]
    images = pd.DataFrame({"split": "train", "class_id": np.repeat(names, 40), "image": np.tile(np.arange(40), 1000)})
    images = images.assign(
        class_index=np.repeat(np.arange(1000), 40), class_name=images["class_id"], width=64, height=64
    ).assign(image_id=images["class_id"] + "/" + images["image"].astype(str), path=images["class_id"] + "/x.jpg")
    entries = [ClassEntry(i, name, name) for i, name in enumerate(names)]
    write_manifest(images, entries, folder / "manifest.parquet", folder / "classes.csv")
    return folder / "manifest.parquet"


def test_a_long_manifest_lets_readers_of_a_few_classes_skip_the_rest(long_manifest):
    groups = ParquetFile(long_manifest).metadata
    column = groups.schema.names.index("class_id")
    ranges = [groups.row_group(i).column(column).statistics for i in range(groups.num_row_groups)]
    assert len(ranges) == 3
    assert ranges[0].min >= ranges[1].max >= ranges[1].min >= ranges[2].max


def test_parts_of_a_manifest_are_those_of_the_whole(long_manifest):
    whole = pd.read_parquet(long_manifest)
    some = read_split(long_manifest, "train", ["c00990", "c00003"])
    assert some.equals(whole[whole["class_id"].isin(["c00990", "c00003"])].reset_index(drop=True))
    picked = read_split(long_manifest, "train", rows=[39_999, 7, 20_000], columns=["row", "image_id"])
    assert picked.values.tolist() == whole.loc[[7, 20_000, 39_999], ["row", "image_id"]].values.tolist()
    assert len(read_split(long_manifest, "val")) == 0


# ---------------------------------------------------------------- the tree itself


def test_the_tree_is_the_same_every_time_and_its_images_all_differ(home, tmp_path):
    synthetic_tree.write_tree(tmp_path, 3, 2, SIDE)
    again = {file.relative_to(tmp_path): file.read_bytes() for file in tmp_path.rglob("*.jpg")}
    assert len(again) == len(set(again.values())) == 9
    assert all((home / "hundred" / "images" / name).read_bytes() == content for name, content in again.items())
    assert {Image.open(tmp_path / name).size for name in again} == {(SIDE, SIDE), (SIDE, SIDE + 1)}


def test_the_config_of_the_tree_is_one_that_plans(home):
    plan = planned(synthetic_tree.config_for(home / "thousand" / "images", SIDE))
    assert len(plan.classes) == 1000
    assert len(plan.shards) == 20
