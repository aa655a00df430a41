"""A folder of one's own images, through the same rules."""

import shutil

import pandas as pd
import yaml

from retort.data.layouts.digits import write_images as write_digits
from tests.helpers.workspace import REPOSITORY, Workspace, smoke_config


def folder_config(path, **more) -> dict:
    config = smoke_config()
    config["dataset"] = {"kind": "folder", "name": "mine", "path": str(path), "resolution": 32, **more}
    return config


# What Snakemake, a shell, a format string, a glob or a table would take for itself.
ODD = "-eins ä {best} 100%s [x], 'q'"


def test_a_folder_without_splits_is_split_distilled_and_measured(finished, tmp_path):
    images = tmp_path / "my {images} [1] %s 'q'"
    for digit, name in (("0", "zero"), ("1", ODD)):
        shutil.copytree(finished.results("smoke", "images", "val", digit), images / name)
    (images / "zero" / "broken.png").write_bytes(b"no image")
    workspace = Workspace.fresh(tmp_path / "workspace", folder_config(images))
    output = workspace.run("--cores", "2", "--", "results/mine/students/random/ipc2/hard/resnet8", succeeds=False)
    assert "1 of" in output
    assert "broken.png" in output
    assert "on_bad_image: skip" in output
    workspace.configure(folder_config(images, on_bad_image="skip", classes=["zero", ODD]))
    workspace.run("--cores", "2", "--", "results/mine/students/random/ipc2/hard/resnet8")
    bad = pd.read_csv(workspace.results("mine", "bad_images.csv"))
    assert bad["path"].str.endswith("broken.png").tolist() == [True]
    manifest = pd.read_csv(workspace.results("mine", "distilled", "random", "ipc2", "manifest.csv"))
    assert manifest["class_id"].tolist() == ["zero", "zero", ODD, ODD]
    assert manifest["class_index"].tolist() == [0, 0, 1, 1]
    students = workspace.results("mine", "students", "random", "ipc2", "hard", "resnet8")
    assert sorted(p.name for p in students.glob("*.json")) == ["0.json", "1.json"]


def test_an_image_that_changes_in_place_is_noticed_even_by_a_run_that_was_cut_off(tmp_path):
    write_digits(tmp_path / "digits", ["0", "1"], 32)
    images = tmp_path / "digits" / "val"
    workspace = Workspace.fresh(tmp_path / "workspace", folder_config(images, classes=["0", "1"]))
    selection = "results/mine/selected/random/ipc2.csv"
    workspace.run("--cores", "1", selection)
    assert workspace.planned(selection) == {}
    images.rename(tmp_path / "unmounted")
    assert workspace.planned(selection) == {}
    (tmp_path / "unmounted").rename(images)
    assert workspace.planned(selection) == {}
    image = next(images.glob("*/*.png"))
    image.write_bytes(image.read_bytes() + b"more")
    assert workspace.planned(selection) == {"build_manifest": 1, "select_images": 1}
    # What the manifest says of each image is the same, but those who read the images through it must not take it so.
    workspace.run("--cores", "1", "results/mine/manifest.parquet")
    assert workspace.planned(selection) == {"select_images": 1}


def test_the_ready_config_for_a_folder_plans_everything(finished, tmp_path):
    config = yaml.safe_load((REPOSITORY / "configs" / "own-folder.yaml").read_text())
    config["dataset"]["path"] = str(finished.results("smoke", "images"))
    planned = Workspace.fresh(tmp_path / "workspace", config).planned()
    assert planned.items() >= {"train_vae": 1, "train_dit": 1, "invert_latents": 1, "write_set": 15}.items()


def test_a_missing_folder_is_one_clear_error(tmp_path):
    workspace = Workspace.fresh(tmp_path / "workspace", folder_config(tmp_path / "nowhere"))
    output = workspace.run("--dry-run", succeeds=False)
    assert "there is no folder" in output
    assert "nowhere" in output
    assert "Traceback" not in output
