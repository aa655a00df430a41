"""A folder of one's own images, through the same rules."""

import shutil

import pandas as pd
import yaml

from .workspace import REPOSITORY, Workspace, smoke_config


def folder_config(path, **more) -> dict:
    config = smoke_config()
    config["dataset"] = {"kind": "folder", "name": "mine", "path": str(path), "resolution": 32, **more}
    return config


def test_a_folder_without_splits_is_split_distilled_and_measured(finished, tmp_path):
    images = tmp_path / "my images"
    for digit, name in (("0", "zero"), ("1", "eins ä")):
        shutil.copytree(finished.results("smoke", "images", "val", digit), images / name)
    (images / "zero" / "broken.png").write_bytes(b"no image")
    workspace = Workspace.fresh(tmp_path / "workspace", folder_config(images))
    output = workspace.run("--cores", "2", "--", "results/mine/students/random/ipc2/hard/resnet8", succeeds=False)
    assert "1 of" in output
    assert "broken.png" in output
    assert "on_bad_image: skip" in output
    workspace.configure(folder_config(images, on_bad_image="skip", classes=["zero", "eins ä"]))
    workspace.run("--cores", "2", "--", "results/mine/students/random/ipc2/hard/resnet8")
    bad = pd.read_csv(workspace.results("mine", "bad_images.csv"))
    assert bad["path"].str.endswith("broken.png").tolist() == [True]
    manifest = pd.read_csv(workspace.results("mine", "distilled", "random", "ipc2", "manifest.csv"))
    assert manifest["class_id"].tolist() == ["zero", "zero", "eins ä", "eins ä"]
    assert manifest["class_index"].tolist() == [0, 0, 1, 1]
    students = workspace.results("mine", "students", "random", "ipc2", "hard", "resnet8")
    assert sorted(p.name for p in students.glob("*.json")) == ["0.json", "1.json"]


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
