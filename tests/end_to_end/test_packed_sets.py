"""Sets in archives through the rules: what is made of them, and what reruns when a config says another form."""

import json

import pytest

from retort.data.layouts.digits import write_images as write_digits
from tests.helpers.workspace import Workspace, smoke_config

SET = "results/mine/distilled/random/ipc2"
STUDENTS = [f"results/mine/students/random/ipc2/{protocol}/resnet8" for protocol in ("hard", "soft")]
MADE = [*STUDENTS, "results/mine/exports/random-ipc2/train.parquet", "results/figures/mine/sets/random-ipc2.png"]


@pytest.fixture(scope="module")
def packed(tmp_path_factory) -> Workspace:
    """Two digits as a folder of one's own, of which random images are a set in an archive."""
    home = tmp_path_factory.mktemp("packed")
    write_digits(home / "digits", ["0", "1"], 32)
    config = smoke_config()
    config["dataset"] = {"kind": "folder", "name": "mine", "path": str(home / "digits"), "resolution": 32}
    config["sets"] = {"store": "zip"}
    config["methods"] = {"random": config["methods"]["random"]}
    config["runs"] = [
        {"methods": ["random"], "ipc": [2], "protocols": ["hard", "soft"], "students": ["resnet8"], "seeds": 1}
    ]
    workspace = Workspace.fresh(home / "workspace", config)
    workspace.run("--cores", "2", "--", *MADE)
    return workspace


def records(workspace: Workspace) -> list[dict]:
    found = [json.loads((workspace.folder / folder / "0.json").read_text()) for folder in STUDENTS]
    return [{key: value for key, value in record.items() if key != "seconds"} for record in found]


def test_another_form_reruns_what_reads_the_sets_and_changes_no_result(packed, tmp_path):
    assert sorted(p.name for p in (packed.folder / SET).iterdir() if p.name != ".snakemake_timestamp") == [
        *("card.md", "class_map.txt", "classes.csv", "images.zip", "manifest.csv", "provenance.json")
    ]
    other = packed.twin(tmp_path / "workspace")
    other.configure(packed.config | {"sets": {"store": "folder"}})
    planned = other.planned(*MADE)
    assert planned == {
        "write_set": 1,
        "relabel_set": 1,
        "train_students": 2,
        "export_set": 1,
        "draw_contact_sheet": 1,
    }
    other.run("--cores", "2", "--", *MADE)
    assert len(list((other.folder / SET).glob("*/*.png"))) == 4
    assert not (other.folder / SET / "images.zip").exists()
    assert records(other) == records(packed)
    labels = "results/mine/labels/random/ipc2/soft.safetensors"
    for file in (labels, *MADE[-2:]):
        assert (other.folder / file).read_bytes() == (packed.folder / file).read_bytes(), file


def test_sets_can_be_stored_anew_without_rerunning_what_reads_them(packed, tmp_path):
    """As docs/data.md tells people to do it."""
    other = packed.twin(tmp_path / "workspace")
    other.configure(packed.config | {"sets": {"store": "folder"}})
    students = {path: path.read_bytes() for folder in STUDENTS for path in (other.folder / folder).glob("*.json")}
    other.run("--cores", "2", "--until", "write_set", "--", *MADE)
    assert len(list((other.folder / SET).glob("*/*.png"))) == 4
    assert other.planned(*MADE).items() >= {"train_students": 2, "relabel_set": 1}.items()
    other.run("--cores", "1", "--touch", "--", *MADE)
    assert other.planned(*MADE) == {}
    assert {path: path.read_bytes() for path in students} == students


def test_damage_of_an_archive_is_one_line_of_the_job_that_reads_it(packed, tmp_path):
    other = packed.twin(tmp_path / "workspace")
    archive = other.folder / SET / "images.zip"
    archive.write_bytes(archive.read_bytes()[:-100])
    output = other.run("--cores", "1", "--force", "--", STUDENTS[0], succeeds=False)
    told = [line for line in output.splitlines() if line.startswith("retort: ")]
    assert any(f"{SET} holds an archive that cannot be read" in line and "delete it and run" in line for line in told)
    assert "Traceback" not in output
