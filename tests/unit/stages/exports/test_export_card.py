"""The card of an exported set: what it says, what it tells people to type, and under which licence the data are."""

import hashlib
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import datasets
import huggingface_hub
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
import yaml
from PIL import Image
from tests.helpers.exported_sets import (
    ABOUT,
    CLASSES,
    MADE,
    NAMES,
    OURS,
    expected_logits,
    exported,
    grey,
    numbered,
)
from tests.helpers.small_datasets import paint
from timm.data import create_dataset

from retort.base.files import read_json, write_json
from retort.data.hub import download, licence_of
from retort.evaluation.losses import soft_loss
from retort.report.accuracy_table import NOTE
from retort.stages.sets.write_cards import write_card, write_cards


def carded(home: Path, folder: Path, labels: list[str]) -> str:
    """The README of a folder that has the Parquet file too; the table has rows of other sets."""
    rows = [
        {"method": method, "ipc": ipc, "protocol": protocol, "top1_last_mean": mean}
        for method, ipc, protocol, mean in (
            *(("random", "2", "hard", 12.34), ("random", "2", "soft", 23.45)),
            *(("random", "1", "hard", 99.11), ("full", "all", "hard", 99.22), ("dit", "2", "hard", 99.33)),
        )
    ]
    same = {
        "dataset": "toy",
        "student": "resnet8",
        "seeds": 2,
        "missing_seeds": 1,
        "collapsed": 0,
        "top1_last_std": 0.5,
    }
    same |= {"top1_best_mean": 30.0, "top1_best_std": 0.1, "top5_last_mean": 100.0, "top5_last_std": 0.0}
    same |= {"gap_to_random": 0.0, "gap_to_unguided": None, "gap_to_full": None, "p_random": None}
    table = pd.DataFrame([row | same | {"protocol_id": f"{row['protocol']}-0123abcd"} for row in rows])
    folder.mkdir(exist_ok=True)
    table.to_csv(folder.parent / "accuracy.csv", index=False)
    Image.new("RGB", (4, 4), (1, 2, 3)).save(folder.parent / "sheet.png")
    inputs = (str(home / "set"), str(folder.parent / "accuracy.csv"), str(folder.parent / "sheet.png"))
    teacher = str(home / "teacher")
    about = ABOUT | {"view_labels": labels, "temperature": 4.0}
    outputs = [str(folder / name) for name in MADE]
    write_card(*inputs, teacher, *outputs, about=about)
    return (folder / "README.md").read_text()


def test_the_card_has_the_sets_own_accuracies_protocols_and_picture(home, tmp_path):
    card = carded(home, tmp_path / "export", ["soft", "views"])
    assert "| hard (hard-0123abcd) | resnet8   | 2 of 3  | 12.3 ± 0.5" in card
    assert "23.4 ± 0.5" in card or "23.5 ± 0.5" in card
    assert "99." not in card
    assert NOTE in card
    assert "random, 2 images per class, from toy" in card
    assert "Global seed: 0" in card
    assert "Students by soft and views learnt from the teacher's logits of augmented views" in card
    picture = re.search(r"!\[[^]]+\]\(([^)]+)\)", card)[1]
    assert np.asarray(Image.open(tmp_path / "export" / picture))[0, 0].tolist() == [1, 2, 3]
    assert "augmented views" not in carded(home, tmp_path / "export", [])


def test_cards_of_several_sets_are_each_of_their_own(home, tmp_path):
    carded(home, tmp_path / "one", [])  # for its table and picture
    folders = [tmp_path / "soft", tmp_path / "hard"]
    about = ABOUT | {"view_labels": [], "temperature": 4.0, "teacher_directory": str(home / "teacher")}
    none = {"logits_of": None, "teacher": None, "temperature": None, "teacher_directory": None}
    outputs = [[str(folder / name) for folder in folders] for name in MADE]
    inputs = ([str(home / "set")] * 2, str(tmp_path / "accuracy.csv"), [str(tmp_path / "sheet.png")] * 2)
    write_cards(*inputs, *outputs, origins=[about, about | none])
    soft, hard = ((folder / "README.md").read_text() for folder in folders)
    assert soft == carded(home, tmp_path / "one", [])
    assert "### Soft labels" in soft
    assert "logits" not in hard
    assert "temperature" not in hard
    assert {file.name for file in folders[1].iterdir()} == {"README.md", "contact_sheet.png", "provenance.json"}


def test_the_card_says_whose_soft_labels_the_file_has(home, tmp_path):
    said = "`logits` are those of the teacher resnet (resnet8) for each image as it is"
    assert said in (card := carded(home, tmp_path / "export", []))
    assert "licence unknown, check" in card.split(said)[1]
    write_json(home / "teacher" / "origin.json", {"source": "timm/resnet", "revision": "abc", "licence": "mit"})
    card = carded(home, tmp_path / "export", [])
    (home / "teacher" / "origin.json").unlink()
    assert "The teacher: from timm/resnet at revision abc; licence mit." in card


def test_hugging_face_loads_the_exported_folder_as_it_is(home, tmp_path):
    folder = tmp_path / "export"
    card = carded(home, folder, [])
    exported(home, folder / "train.parquet")
    found = datasets.load_dataset(str(folder), split="train")
    assert found["label"][:] == OURS
    assert found.features["label"].names == CLASSES
    assert [grey(row["image"]) for row in found] == list(range(6))
    assert "license" not in yaml.safe_load(card.split("---")[1])  # none is known of these photos


def standing_alone(home: Path, folder: Path) -> Path:
    """An export as the rules leave it, where nothing else of the run is."""
    carded(home, folder, ["soft"])
    exported(home, folder / "train.parquet")
    return folder


def test_an_export_names_no_file_but_its_own_and_no_place_on_this_machine(home, tmp_path):
    folder = standing_alone(home, tmp_path / "export")
    card = (folder / "README.md").read_text()
    prose = re.sub(r"```.*?```", "", card, flags=re.DOTALL)
    named = {name for name in re.findall(r"`([\w./-]+\.\w+)`|\]\(([^)]+)\)", prose) for name in name if name}
    assert named - {"train.py"} == {file.name for file in folder.iterdir()} - {"README.md"}
    read = set(re.findall(r'"([\w./-]+\.(?:parquet|csv|txt|json|zip|safetensors))"', card)) - {"map.txt"}
    assert read == {"train.parquet"}
    for file in folder.iterdir():
        assert str(home).encode() not in file.read_bytes(), file
    recorded = read_json(folder / "provenance.json")
    assert recorded == read_json(home / "set" / "provenance.json")
    assert not re.search(r'"(/|~)', (folder / "provenance.json").read_text())


def test_every_recipe_of_an_export_runs_in_its_folder(home, tmp_path, monkeypatch, capsys):
    folder = standing_alone(home, tmp_path / "export")
    real = tmp_path / "real"
    for i, class_id in enumerate(CLASSES):
        paint(real / class_id / "held out.png", i * 40)
    monkeypatch.chdir(folder)
    code = (folder / "README.md").read_text().replace('Path("validation")', f"Path({str(real)!r})")
    by_datasets, by_arrow, soft, by_timm, written_out = re.findall(r"```python\n(.*?)```", code, re.DOTALL)
    named = {}
    exec(by_datasets, named)
    assert numbered((row["image"], row["label"]) for row in named["dataset"]) == OURS
    assert named["names"] == CLASSES
    exec(soft, named)
    softened = np.exp(expected_logits(home).astype(float) / 4.0)
    softened /= softened.sum(1, keepdims=True)
    np.testing.assert_allclose(named["targets"].numpy(), softened, rtol=2e-3, atol=2e-3)
    guess = torch.zeros(6, 3)
    assert named["loss_of"](guess, named["targets"]) == pytest.approx(
        float(soft_loss(guess, named["logits"], 4.0)), rel=1e-5
    )
    exec(by_arrow, named)
    assert numbered(zip(named["images"], named["labels"], strict=True)) == OURS
    assert named["classes"] == CLASSES
    exec(by_timm, named)
    assert numbered(named["dataset"]) == OURS
    exec(written_out, named)
    words = capsys.readouterr().out.split()
    given = dict(zip(words[::2], words[1::2], strict=True))
    where = {"root": given["--data-dir"], "class_map": given["--class-map"]}
    assert Path(given["--class-map"]).is_absolute()
    (line,) = re.findall(r"```sh\n(.*?)```", code, re.DOTALL)
    parts = {part: re.search(rf"--{part}-split (\w+)", line)[1] for part in ("train", "val")}
    assert f"--num-classes {len(CLASSES)}" in line
    assert numbered(create_dataset("", split=parts["train"], **where)) == OURS
    assert numbered(create_dataset("", split=parts["val"], **where)) == [0, 1, 2]


def test_the_hubs_client_reads_the_head_of_the_card(home, tmp_path, caplog):
    folder = standing_alone(home, tmp_path / "export")
    card = huggingface_hub.DatasetCard.load(folder / "README.md")
    assert isinstance(card.data, huggingface_hub.DatasetCardData)
    found = card.data.to_dict()
    assert huggingface_hub.DatasetCardData(**found).to_dict() == found
    assert found["task_categories"] == ["image-classification"]
    assert found["size_categories"] == ["n<1K"]
    assert {"dataset-distillation", "soft-labels"} <= set(found["tags"])
    said = datasets.Features._from_yaml_list(found["dataset_info"]["features"])
    loaded = datasets.load_dataset(str(folder), split="train")
    assert said == loaded.features
    assert "Ignoring" not in caplog.text


@pytest.mark.parametrize(
    ("kind", "licence", "front"),
    [
        ("digits", "cc-by-4.0", {"license": "cc-by-4.0"}),
        ("fashion-mnist", "mit", {"license": "mit"}),
        ("imagenet", "imagenet-terms-of-access", {"license": "other", "license_name": "imagenet-terms-of-access"}),
    ],
)
def test_the_head_and_croissant_name_the_licence_of_the_data(home, tmp_path, kind, licence, front):
    other = shutil.copytree(home / "set", tmp_path / "other" / "set")
    for name in ("teacher", "classes.csv"):
        (tmp_path / "other" / name).symlink_to(home / name)
    record = read_json(other / "provenance.json")
    write_json(other / "provenance.json", record | {"data": {"kind": kind}, "data_licence": licence})
    folder = standing_alone(tmp_path / "other", tmp_path / "export")
    head = huggingface_hub.DatasetCard.load(folder / "README.md").data.to_dict()
    assert head.items() >= front.items()
    assert read_json(folder / "croissant.json")["license"] == head.get("license_link", licence)


def test_croissant_describes_every_column_of_the_file_and_its_bytes(home, tmp_path):
    folder = standing_alone(home, tmp_path / "export")
    about = read_json(folder / "croissant.json")
    assert (about["@type"], about["conformsTo"]) == ("sc:Dataset", "http://mlcommons.org/croissant/1.0")
    (file,) = about["distribution"]
    assert file["sha256"] == hashlib.sha256((folder / file["contentUrl"]).read_bytes()).hexdigest()
    sets = {record["@id"]: record for record in about["recordSet"]}
    assert [tuple(row.values()) for row in sets["classes"]["data"]] == [
        (i, c, name) for i, (c, name) in enumerate(zip(CLASSES, NAMES, strict=True))
    ]
    columns = [field["source"]["extract"]["column"] for field in sets["images"]["field"]]
    assert columns == pq.read_schema(folder / "train.parquet").names
    ids = [node["@id"] for record in about["recordSet"] for node in (record, *record["field"])]
    assert len(set(ids)) == len(ids)
    referred = [field["references"]["field"]["@id"] for field in sets["images"]["field"] if "references" in field]
    assert referred == ["classes/label"]
    assert {field["source"]["fileObject"]["@id"] for field in sets["images"]["field"]} == {file["@id"]}
    exported(home, tmp_path / "hard" / "train.parquet", teacher=False)
    hard = read_json(tmp_path / "hard" / "croissant.json")["recordSet"][1]["field"]
    assert [field["name"] for field in hard] == [name for name in columns if name != "logits"]


# ---------------------------------------------------------------- licences


@pytest.mark.parametrize(
    ("readme", "licence"),
    [
        ("---\nlanguage: en\nlicense: cc-by-nc-4.0\ntags: [x]\n---\n# DiT\n", "cc-by-nc-4.0"),
        ("---\nlicense: 'mit'\n---\n", "mit"),
        ("---\nlicense: openrail++\n---\n", "openrail++"),
        ("---\ntags: [x]\n---\nlicense: mit\n", None),
        ("# A model\n\nlicense: mit\n", None),
        ("---\nlicense: [mit\n---\n", None),
        ("---\njust words\n---\n", None),
        (None, None),
    ],
)
def test_a_licence_is_what_the_head_of_a_repositorys_card_says(tmp_path, readme, licence):
    if readme is not None:
        (tmp_path / "README.md").write_text(readme)
    assert licence_of(tmp_path) == licence


@pytest.mark.parametrize("card", [SimpleNamespace(license="mit"), None])
def test_the_hub_is_asked_for_the_licence(tmp_path, monkeypatch, card):
    about = SimpleNamespace(sha="0" * 40, siblings=[], card_data=card)
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: SimpleNamespace(model_info=lambda *_, **__: about))
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_, **__: str(tmp_path))
    assert download("some/model", None, ["*"], []).licence == (card and "mit")
