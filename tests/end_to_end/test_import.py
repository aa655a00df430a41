"""A set that was made elsewhere, through the same rules: measured, shown and exported beside the others."""

import os
import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from retort.artifacts.own_labels import own_record
from retort.base.files import read_json
from retort.base.tensors import open_tensors
from tests.helpers.workspace import Workspace, smoke_config

FEW = ["1/00000.png", "0/00000.png", "1/00001.png"]
METHODS = ["random", "again", "theirs", "few"]
OWN = np.array([[0.8, 0.2], [0.6, 0.4], [0.5, 0.5], [0.1, 0.9], [0.7, 0.3]])  # of the images of theirs, by name


def config(own=(), **methods) -> dict:
    """Real images at random, and sets that were made elsewhere; no diffusion model.

    own: methods that are also measured by the soft labels that they bring, and by a teacher's of each image.
    """
    small = smoke_config()
    parts = {part: small[part] for part in ("seed", "dataset", "teachers", "protocols")}
    run = {"methods": ["random", *methods], "ipc": [2], "protocols": ["hard", "soft"]}
    parts["dataset"] = parts["dataset"] | {"name": "mine"}
    soft, students = small["protocols"]["soft"] | {"temperature": 4.0}, {"students": ["resnet8"], "seeds": 1}
    static = soft | {"labels": {"teacher": "resnet", "kind": "static"}}
    parts["protocols"] = parts["protocols"] | {"static": static, "own": soft | {"labels": "own"}}
    others = [{"methods": list(own), "ipc": [2], "protocols": ["static", "own"]} | students] if own else []
    return parts | {
        "methods": {"random": {"select": "random"}} | methods,
        "quality": {"teacher": "resnet", "measures": ["fid", "density-coverage"], "neighbors": 3},
        "runs": [run | students, *others],
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
    np.savez(home / "theirs" / "soft_labels.npz", soft_labels=OWN)
    shutil.copytree(workspace.results("mine", "exports", "random-ipc2"), home / "export")
    theirs = {"images": str(home / "theirs"), "licence": "mit", "source": "a paper of 2025"}
    pixels = np.stack([np.asarray(Image.open(home / "theirs" / name)) for name in FEW])
    np.savez(home / "few.npz", images=pixels.transpose(0, 3, 1, 2) / np.float32(255), labels=[1, 0, 1])
    few = {"images": str(home / "few.npz"), "ipc": "any"}
    workspace.configure(
        config(["again", "theirs"], again={"images": {2: str(home / "export")}}, theirs=theirs, few=few)
    )
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


def test_own_labels_train_the_students_that_a_teacher_of_the_same_logits_trains(imported):
    """The export that `again` imports has the logits of the teacher for each image, as static labels are."""
    own, static, hard = (record(imported, "again", protocol) for protocol in ("own", "static", "hard"))
    same = [key for key in own if key not in ("protocol", "teacher_arch", "seconds", "label_bytes")]
    assert [own[key] for key in same] == [static[key] for key in same]
    assert own["curve"] != hard["curve"]
    assert (own["teacher_arch"], static["teacher_arch"]) == (None, "resnet8")


def test_own_labels_stand_beside_the_set_with_where_they_are_from(imported):
    labels = imported.results("mine", "own-labels", "theirs", "ipc2.safetensors")
    found = np.exp(np.array(open_tensors(labels)["logits"], np.float64))
    np.testing.assert_allclose(found, OWN[[0, 1, 3, 4]], rtol=1e-6)
    about = own_record(labels)
    assert (about["kind"], about["images"], about["agree"]) == ("probabilities", 4, 0.75)
    assert about["file"].endswith("theirs/soft_labels.npz")
    exported = imported.results("mine", "exports", "theirs-ipc2")
    assert read_json(exported / "provenance.json")["own_labels"]["sha256"] == about["sha256"]
    card = (exported / "README.md").read_text()
    assert (
        "Students by own (at temperature 4) learnt from soft labels that came with the set: soft_labels, read as"
        in card
    )
    assert "that of the image's class for 75.0% of the images" in card
    assert "own_labels" not in read_json(imported.results("mine", "exports", "few-ipc2", "provenance.json"))
    costs = pd.read_csv(imported.results("costs.csv"))
    row = costs[(costs["method"] == "theirs") & (costs["stage"] == "import_labels")]
    assert row["bytes"].tolist() == [labels.stat().st_size]
    accuracy = pd.read_csv(imported.results("accuracy.csv"))
    assert set(accuracy[accuracy["protocol"] == "own"]["method"]) == {"again", "theirs"}
    page = imported.results("report.html").read_text()
    assert "KL(the set&#39;s label || student)" in page


def test_a_changed_label_file_reruns_its_students_and_leaves_the_images(imported):
    labels = imported.folder.parent / "theirs" / "soft_labels.npz"
    kept, state = labels.read_bytes(), labels.stat()
    np.savez(labels, soft_labels=OWN[:, ::-1])
    jobs = imported.planned("all")
    labels.write_bytes(kept)
    os.utime(labels, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert {rule: jobs.get(rule) for rule in ("import_labels", "train_students")} == {
        **{"import_labels": 1, "train_students": 1},
    }
    assert not set(jobs) & {"import_set", "write_set", "relabel_set", "draw_contact_sheet"}
    assert imported.planned("all", "exports") == {}


def test_own_labels_of_a_set_that_brings_none_stop_the_run_before_anything_runs(imported, tmp_path):
    bare = tmp_path / "bare.npz"
    np.savez(bare, images=np.zeros((4, 3, 8, 8), np.uint8), labels=[0, 0, 1, 1])
    workspace = Workspace.fresh(tmp_path / "workspace", config(["bare"], bare={"images": str(bare)}))
    output = workspace.run("--dry-run", "--cores", "1", succeeds=False)
    assert f"methods.bare.images: {bare} has no soft labels; in its file they are called logits, soft_labels" in output
    assert "Traceback" not in output
    folder = shutil.copytree(imported.folder.parent / "theirs", tmp_path / "folder")
    (folder / "soft_labels.npz").unlink()
    workspace.configure(config(["bare"], bare={"images": str(folder)}))
    output = workspace.run("--dry-run", "--cores", "1", succeeds=False)
    assert f"methods.bare.images: {folder} has no soft labels" in output


def test_imported_sets_stand_in_tables_pictures_exports_and_report(imported):
    for table in ("accuracy.csv", "quality.csv", "scores.csv", "costs.csv"):
        compared = METHODS[1:] if table == "scores.csv" else METHODS  # scores compare with random images
        assert set(compared) <= set(pd.read_csv(imported.results(table))["method"]), table
    assert imported.results("figures", "mine", "sets", "theirs-ipc2.png").is_file()
    page = imported.results("report.html").read_text()
    assert "A set that was made elsewhere (from a paper of 2025)." in page
    assert imported.results("figures", "mine", "gallery.png").is_file()
    card = imported.results("mine", "exports", "theirs-ipc2", "README.md").read_text()
    assert "license: mit" in card
    assert "Set: from a paper of 2025, read from theirs, SHA-256" in card
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
    theirs.rename(tmp_path / "gone")  # with its labels
    assert imported.planned("all", "exports") == {}
    (tmp_path / "gone").rename(theirs)
    image = theirs / "1" / "00000.png"
    image.write_bytes(image.read_bytes() + b"more")
    jobs = imported.planned("all", "exports")
    follow = ("import_set", "write_set", "import_labels", "relabel_set", "train_students")
    assert {rule: jobs[rule] for rule in follow} == {
        **{"import_set": 1, "write_set": 1, "import_labels": 1, "relabel_set": 2, "train_students": 4},
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
