"""A set that was made elsewhere, through the same rules: measured, shown and exported beside the others."""

import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from retort.base.files import read_json
from tests.helpers.workspace import Workspace, smoke_config

FEW = ["1/00000.png", "0/00000.png", "1/00001.png"]
METHODS = ["random", "again", "theirs", "few"]


def config(**methods) -> dict:
    """Real images at random, and sets that were made elsewhere; no diffusion model."""
    small = smoke_config()
    parts = {part: small[part] for part in ("seed", "dataset", "teachers", "protocols")}
    run = {"methods": ["random", *methods], "ipc": [2], "protocols": ["hard", "soft"]}
    parts["dataset"] = parts["dataset"] | {"name": "mine"}
    return parts | {
        "methods": {"random": {"select": "random"}} | methods,
        "quality": {"teacher": "resnet", "measures": ["fid", "density-coverage"], "neighbors": 3},
        "runs": [run | {"students": ["resnet8"], "seeds": 1}],
    }


@pytest.fixture(scope="module")
def imported(tmp_path_factory) -> Workspace:
    """A workspace that exported its random set, and imported that again, beside a folder with one image more."""
    home = tmp_path_factory.mktemp("import")
    workspace = Workspace.fresh(home / "workspace", config())
    workspace.run("--cores", "2", "results/mine/exports/random-ipc2/train.parquet")
    shutil.copytree(workspace.results("mine", "distilled", "random", "ipc2"), home / "theirs")
    for name in ("classes.csv", "class_map.txt", "manifest.csv", "metadata.csv"):
        (home / "theirs" / name).unlink()
    shutil.copy(home / "theirs" / "0" / "00000.png", home / "theirs" / "0" / "00002.png")
    Image.open(home / "theirs" / "1" / "00001.png").rotate(90).save(home / "theirs" / "1" / "00001.png")
    shutil.copytree(workspace.results("mine", "exports", "random-ipc2"), home / "export")
    theirs = {"images": str(home / "theirs"), "licence": "mit", "source": "a paper of 2025"}
    pixels = np.stack([np.asarray(Image.open(home / "theirs" / name)) for name in FEW])
    np.savez(home / "few.npz", images=pixels.transpose(0, 3, 1, 2) / np.float32(255), labels=[1, 0, 1])
    few = {"images": str(home / "few.npz"), "ipc": "any"}
    workspace.configure(config(again={"images": {2: str(home / "export")}}, theirs=theirs, few=few))
    workspace.run("--cores", "2", "all", "report_page", "exports")
    return workspace


def record(workspace: Workspace, method: str, protocol: str) -> dict:
    return read_json(workspace.results("mine", "students", method, "ipc2", protocol, "resnet8", "0.json"))


def test_our_own_export_imported_again_has_the_same_images_and_trains_the_same_students(imported):
    sets = [imported.results("mine", "distilled", method, "ipc2") for method in ("random", "again")]
    names = [sorted(str(p.relative_to(folder)) for p in folder.rglob("*.png")) for folder in sets]
    assert names[0] == names[1]
    assert len(names[0]) == 4
    for name in names[0]:
        assert (sets[0] / name).read_bytes() == (sets[1] / name).read_bytes()
    for protocol in ("hard", "soft"):
        found, again, other = (record(imported, method, protocol) for method in METHODS[:3])
        same = [key for key in found if key not in ("method", "seconds")]
        assert [found[key] for key in same] == [again[key] for key in same]
        assert [found[key] for key in same] != [other[key] for key in same]


def test_imported_sets_stand_in_tables_pictures_exports_and_report(imported):
    for table in ("accuracy.csv", "quality.csv", "scores.csv", "costs.csv"):
        compared = METHODS[1:] if table == "scores.csv" else METHODS  # scores compare with random images
        assert set(compared) <= set(pd.read_csv(imported.results(table))["method"]), table
    assert imported.results("figures", "mine", "sets", "theirs-ipc2.png").is_file()
    page = imported.results("report.html").read_text()
    assert "A set that was made elsewhere, taken as it is (from a paper of 2025)." in page
    assert imported.results("figures", "mine", "gallery.png").is_file()
    card = imported.results("mine", "exports", "theirs-ipc2", "README.md").read_text()
    assert "license: mit" in card
    assert "Set: from a paper of 2025, read at theirs, SHA-256" in card
    assert "4 of its 5 images" in card
    assert "license: mit" not in imported.results("mine", "exports", "again-ipc2", "README.md").read_text()


def test_origin_licence_checksum_and_count_are_recorded(imported):
    folder = imported.results("mine", "distilled", "theirs", "ipc2")
    provenance = read_json(folder / "provenance.json")
    assert {key: provenance["imported"][key] for key in ("form", "held", "taken", "resized")} == {
        **{"form": "class folders", "held": 5, "taken": 4, "resized": 0},
    }
    assert len(provenance["imported"]["sha256"]) == 64
    assert provenance["settings"]["licence"] == "mit"
    sources = pd.read_csv(folder / "manifest.csv")["source"].tolist()
    assert sources == [f"{digit}/0000{i}.png" for digit in (0, 1) for i in (0, 1)]
    assert "licence mit" in (folder / "card.md").read_text()


def test_a_changed_file_reruns_what_follows_and_nothing_else_and_a_set_that_is_gone_nothing(imported, tmp_path):
    assert imported.planned("all", "exports") == {}
    theirs = imported.folder.parent / "theirs"
    theirs.rename(tmp_path / "gone")
    assert imported.planned("all", "exports") == {}
    (tmp_path / "gone").rename(theirs)
    image = theirs / "1" / "00000.png"
    image.write_bytes(image.read_bytes() + b"more")
    jobs = imported.planned("all", "exports")
    assert {rule: jobs[rule] for rule in ("import_set", "write_set", "relabel_set", "train_students")} == {
        **{"import_set": 1, "write_set": 1, "relabel_set": 1, "train_students": 2},
    }
    assert not set(jobs) & {"build_manifest", "select_images", "train_teacher", "decode_split", "describe_images"}


def test_a_set_that_is_not_there_stops_the_run_before_anything_runs(tmp_path):
    workspace = Workspace.fresh(tmp_path / "workspace", config(theirs={"images": str(tmp_path / "nowhere")}))
    output = workspace.run("--dry-run", "--cores", "1", succeeds=False)
    assert f"methods.theirs.images: there is no {tmp_path / 'nowhere'}" in output
    assert "Traceback" not in output


def test_a_set_with_fewer_images_is_measured_as_it_is_and_its_card_says_at_most(imported):
    folder = imported.results("mine", "distilled", "few", "ipc2")
    rows = pd.read_csv(folder / "manifest.csv", dtype={"class_id": str})
    assert list(zip(rows["file"], rows["source"], strict=True)) == [
        ("0/00000.png", "few.npz, image 1"),
        ("1/00000.png", "few.npz, image 0"),
        ("1/00001.png", "few.npz, image 2"),
    ]
    for file in rows["file"]:
        theirs = imported.results("mine", "distilled", "theirs", "ipc2", file)
        np.testing.assert_array_equal(np.asarray(Image.open(folder / file)), np.asarray(Image.open(theirs)))
    assert "# few, at most 2 images per class, from mine" in (folder / "card.md").read_text()
    quality = pd.read_csv(imported.results("quality.csv"))
    assert set(quality[quality["method"] == "few"]["n_distilled"]) == {3}
