"""What is recorded of a set that was made elsewhere, its stamp, and what the plan has of it."""

import re

import numpy as np
import pytest
from tests.helpers.foreign_sets import (
    IDS,
    PIXELS,
    SIDE,
    folders,
    is_the_set,
    png,
    rows,
    take,
    tensors,
)
from tests.helpers.forms_of_sets import FORMS
from tests.helpers.small_datasets import REST

from retort.artifacts.imported import imported_images, origin_of
from retort.config.load import load_config
from retort.data.elsewhere.forms import set_stamp
from retort.plan.imports import stamp_of_import
from retort.plan.least import needs_of
from retort.plan.plan import Plan

# ---------------------------------------------------------------- records


def test_what_is_recorded_names_each_image_and_the_bytes_that_were_given(tmp_path):
    path = tensors(tmp_path / "x.npz", rows()[0])
    out = take(tmp_path, path, ipc=1)
    origin = origin_of(out)
    assert {key: origin[key] for key in ("source", "stamp", "form", "held", "taken", "resized")} == {
        **{"source": str(path), "stamp": "now", "form": "tensor file", "held": 9, "taken": 3, "resized": 0},
    }
    assert origin["classes"] == {"0": "n03", "1": "n01", "2": "n02"}
    before = origin["sha256"]
    assert re.fullmatch("[0-9a-f]{64}", before)
    where = [row["source"] for row, _ in imported_images(out)]
    assert where == [f"x.npz, image {np.flatnonzero(rows()[1] == label)[0]}" for label in range(3)]
    tensors(path, 255 - rows()[0])
    assert origin_of(take(tmp_path, path, ipc=1))["sha256"] != before


def test_checksum_of_folders_is_of_the_images_that_are_taken(tmp_path):
    root = folders(tmp_path / "x", IDS)
    before = origin_of(take(tmp_path, root, ipc=2))["sha256"]
    (root / "n01" / "2.png").write_bytes(png(PIXELS[0, 0]))
    assert origin_of(take(tmp_path, root, ipc=2))["sha256"] == before
    (root / "n01" / "1.png").write_bytes(png(PIXELS[0, 0]))
    assert origin_of(take(tmp_path, root, ipc=2))["sha256"] != before


STAMPED = {
    "folders by number with class_map.txt": ["2/1.png", "class_map.txt"],
    "a packed set of ours": ["images.zip", "classes.csv"],
    "our export": ["train.parquet"],
    "Parquet in shards": ["data/train-00001-of-00002.parquet"],
    "npz from 0 to 1": [""],
}


@pytest.mark.parametrize("form", STAMPED)
def test_the_stamp_changes_with_each_file_of_a_set_and_with_nothing_else(form, tmp_path):
    path = FORMS[form](tmp_path)
    (tmp_path / "unrelated.txt").write_text("x")
    before = set_stamp(str(path))
    assert before == set_stamp(str(path))
    for name in STAMPED[form]:
        file = path / name if name else path
        file.write_bytes(file.read_bytes() + b"\n")
        assert set_stamp(str(path)) != before, file
        before = set_stamp(str(path))
    assert set_stamp(str(tmp_path / "elsewhere")) is None


def test_a_folder_gains_a_class_and_the_stamp_changes(tmp_path):
    root = folders(tmp_path / "x", IDS)
    before = set_stamp(str(root))
    (root / "more").mkdir()
    assert set_stamp(str(root)) != before


def test_soft_labels_that_a_set_brings_are_said_to_be_there(tmp_path, capsys):
    images, labels = rows()
    np.savez(tmp_path / "x.npz", images=images, labels=labels, soft_labels=np.eye(3)[labels])
    out = take(tmp_path, tmp_path / "x.npz")
    is_the_set(out)
    assert "its own soft labels (soft_labels) are for protocols with labels: own" in capsys.readouterr().out
    assert origin_of(out)["soft_labels"] == ["soft_labels"]


def test_soft_labels_beside_a_folder_are_in_its_record_and_a_set_without_any_has_none(tmp_path):
    root = folders(tmp_path / "x", IDS)
    assert origin_of(take(tmp_path, root))["soft_labels"] == []
    np.savez(root / "soft_labels.npz", logits=np.zeros((9, 3)))
    assert origin_of(take(tmp_path, root))["soft_labels"] == ["soft_labels.npz"]


# ---------------------------------------------------------------- the plan


def planned(theirs: dict, *runs: dict) -> Plan:
    small = {"dataset": {"kind": "folder", "path": "photos", "name": "toy", "resolution": SIDE}, "teachers": {}}
    methods = REST["methods"] | {"theirs": theirs}
    return Plan(load_config(REST | small | {"methods": methods, "runs": [*REST["runs"], *runs]}), IDS)


def test_each_number_of_images_has_its_path_and_nothing_else_of_the_table_in_its_records():
    run = REST["runs"][0] | {"methods": ["theirs"], "ipc": [1, 10]}
    plan = planned({"images": {1: "one", 10: "ten"}, "licence": "mit"}, run)
    assert [plan.import_of("theirs", ipc)["path"] for ipc in ("1", "10")] == ["one", "ten"]
    assert plan.provenance_of("theirs", "10")["settings"] == {"images": "ten", "licence": "mit"}
    assert plan.makers_of("theirs") == ["import_set"]
    assert plan.jobs_of("import_set", "theirs", "10") == [{"method": "theirs", "ipc": "10"}]
    assert plan.jobs_of("import_set", "random", "10") == []


def test_a_table_without_runs_is_taken_for_the_numbers_that_it_has():
    assert planned({"images": {5: "five", 2: "two"}}).ipcs_of("theirs") == ["5", "2"]


def test_an_imported_set_needs_no_real_images():
    run = REST["runs"][0] | {"methods": ["theirs"], "ipc": [500]}
    assert [need.name for need in needs_of(planned({"images": "them"}, run))] == ["random"]


def test_other_methods_have_the_records_that_they_had_before_sets_could_be_imported():
    settings = planned({"images": "them"}).provenance_of("random", "1")["settings"]
    assert settings == {"select": "random"}


def test_a_set_that_is_gone_has_the_state_in_which_it_was_imported_from_the_same_path(tmp_path):
    path = folders(tmp_path / "x", IDS)
    out = take(tmp_path, path)
    assert stamp_of_import(str(path), out) == set_stamp(str(path))
    path.rename(tmp_path / "gone")
    assert stamp_of_import(str(path), out) == "now"
    assert stamp_of_import(str(tmp_path / "other"), out) is None
