"""Distilled sets in the hands of others: the libraries that people load images with, and the Parquet file."""

import csv
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
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
from tests.helpers.small_datasets import REST, paint
from tests.helpers.tiny_models import save_untrained_teacher
from timm.data import create_dataset
from torchvision.datasets import ImageFolder

from retort.base.errors import RetortError
from retort.base.files import read_json, read_rows, write_json
from retort.base.tensors import write_tensors
from retort.config.load import load_config
from retort.data.hub import download, licence_of
from retort.evaluation.losses import soft_loss
from retort.models.classifiers import normalised
from retort.models.pixels import to_images
from retort.models.teacher import load_teacher
from retort.plan.plan import Plan
from retort.report.accuracy_table import NOTE
from retort.stages.sets import export_set as export
from retort.stages.sets.export_set import export_set
from retort.stages.sets.write_cards import write_card, write_cards
from retort.stages.sets.write_set import write_set

SIDE = 8
CLASSES = ["n03", "n01", "n02"]  # the label order, which is not the alphabet's
NAMES = ["crane", "tench", "crane"]  # as in ImageNet, two classes have one name
OURS, ALPHABETICAL = [0, 0, 1, 1, 2, 2], [2, 2, 0, 0, 1, 1]  # labels of the images in our order
ABOUT = {"dataset": "toy", "method": "random", "ipc": "2", "logits_of": "resnet", "teacher": {"arch": "resnet8"}}


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """Nothing of a test is left in, or taken from, the cache of whoever runs it."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """A set as the workflow writes it, two images a class; image i has grey i; and a teacher."""
    home = tmp_path_factory.mktemp("home")
    rows = [f"{i},{c},{name}\n" for i, (c, name) in enumerate(zip(CLASSES, NAMES, strict=True))]
    (home / "classes.csv").write_text("index,id,name\n" + "".join(rows))
    pixels = np.arange(6, dtype=np.uint8)[:, None, None, None] * np.ones((1, SIDE, SIDE, 3), np.uint8) * 40
    facts = {"class_index": np.array(OURS), "index": np.array([0, 1] * 3)}
    write_tensors(home / "made.safetensors", {"pixels": pixels} | facts)
    provenance = plan().provenance_of("random") | {"ipc": "2"}
    inputs = (str(home / "classes.csv"), "", [], [str(home / "made.safetensors")], [], [])
    write_set(*inputs, str(home / "set"), copy_images=True, origin=provenance, side=SIDE, threads=1)
    save_untrained_teacher(home / "teacher", CLASSES, SIDE)
    return home


def plan(**changes) -> Plan:
    dataset = {"kind": "folder", "path": "photos", "name": "toy", "resolution": SIDE}
    return Plan(load_config(REST | {"dataset": dataset} | changes), CLASSES)


def grey(image: Image.Image) -> int:
    """Which image it is, by its grey."""
    return int(np.asarray(image)[0, 0, 0]) // 40


def numbered(pairs) -> list[int]:
    """Labels in our order of the images, from (image, label) in any order."""
    return [label for _, label in sorted((grey(image), label) for image, label in pairs)]


# ---------------------------------------------------------------- loaders of a folder


def test_torchvision_numbers_folders_by_the_alphabet_until_it_is_told(home):
    folder = ImageFolder(home / "set")
    assert numbered(folder) == ALPHABETICAL
    order = {row["id"]: int(row["index"]) for row in csv.DictReader((home / "set" / "classes.csv").open())}
    folder.target_transform = lambda target: order[folder.classes[target]]
    assert numbered(folder) == OURS


def test_timm_numbers_folders_by_the_alphabet_until_it_is_told(home):
    assert numbered(create_dataset("", root=str(home / "set"))) == ALPHABETICAL
    told = create_dataset("", root=str(home / "set"), class_map=str(home / "set" / "class_map.txt"))
    assert numbered(told) == OURS


def test_timms_train_py_given_as_the_card_says_learns_from_one_folder_and_tests_on_another(home, tmp_path, monkeypatch):
    monkeypatch.chdir(home / "set")
    real = tmp_path / "real images"
    for i, class_id in enumerate(CLASSES):
        (real / class_id).mkdir(parents=True)
        Image.new("RGB", (SIDE, SIDE), (i * 40,) * 3).save(real / class_id / "held out.png")
    alone = {split: create_dataset("", root=".", split=split, class_map="class_map.txt") for split in ("train", "val")}
    assert numbered(alone["train"]) == numbered(alone["val"])  # what the card warns of
    (shell,) = re.findall(r"```sh\n(.*?)```", Path("card.md").read_text(), re.DOTALL)
    shell = shell.replace("realpath validation", f"realpath {shlex.quote(str(real))}")
    shell = shell.replace("python train.py", "printf '%s\\n'")
    surroundings = {"TMPDIR": str(tmp_path), "PATH": os.environ["PATH"]}
    done = subprocess.run(["bash", "-euc", shell], capture_output=True, text=True, check=True, env=surroundings)
    words = done.stdout.splitlines()
    given = dict(zip(words[::2], words[1::2], strict=True))
    assert Path(given["--class-map"]).is_absolute()
    assert given["--num-classes"] == str(len(CLASSES))
    where = {"root": given["--data-dir"], "class_map": given["--class-map"]}
    found = {part: create_dataset("", split=given[f"--{part}-split"], **where) for part in ("train", "val")}
    assert numbered(found["train"]) == OURS
    assert numbered(found["val"]) == [0, 1, 2]


def test_hugging_faces_image_folder_has_our_labels_and_the_names_of_classes(home, tmp_path):
    found = datasets.load_dataset("imagefolder", data_dir=str(home / "set"), split="train")
    assert numbered((row["image"], row["label"]) for row in found) == OURS
    assert {(row["label"], row["class_id"], row["class_name"]) for row in found} == {
        (i, c, name) for i, (c, name) in enumerate(zip(CLASSES, NAMES, strict=True))
    }
    bare = shutil.copytree(home / "set", tmp_path / "bare", ignore=shutil.ignore_patterns("metadata.csv"))
    by_folders = datasets.load_dataset("imagefolder", data_dir=str(bare), split="train")
    assert numbered((row["image"], row["label"]) for row in by_folders) == ALPHABETICAL


def test_what_the_card_tells_people_to_type_gives_our_labels(home, monkeypatch):
    monkeypatch.chdir(home / "set")
    code = re.search(r"```python\n(.*?)```", Path("card.md").read_text(), re.DOTALL)[1]
    named = {}
    first, timms, last = re.split(r"(?=\nfrom timm)|(?=\nfrom datasets)", code)
    exec(first, named)
    assert numbered(named["folder"]) == OURS
    exec(timms, named)
    assert numbered(named["dataset"]) == OURS
    exec(last, named)
    assert numbered((row["image"], row["label"]) for row in named["dataset"]) == OURS


def test_the_order_of_classes_stands_in_the_set(home):
    assert (home / "set" / "classes.csv").read_text() == (home / "classes.csv").read_text()
    assert (home / "set" / "class_map.txt").read_text() == "n03\nn01\nn02\n"
    rows = {row["file"]: row["class_index"] for row in read_rows(home / "set" / "manifest.csv")}
    assert {row["file_name"]: row["label"] for row in read_rows(home / "set" / "metadata.csv")} == rows


# ---------------------------------------------------------------- Parquet

MADE = ("README.md", "contact_sheet.png", "provenance.json")  # of a card


def exported(home: Path, output: Path, teacher: bool = True) -> Path:
    judge = str(home / "teacher") if teacher else None
    croissant = output.with_name("croissant.json")
    export_set(str(home / "set"), str(home / "classes.csv"), judge, str(output), str(croissant), origin=ABOUT)
    return output


def expected_logits(home: Path) -> np.ndarray:
    """(6, 3) float16, one image at a time."""
    judge, files = load_teacher(home / "teacher", CLASSES), [r["file"] for r in read_rows(home / "set/manifest.csv")]
    with torch.no_grad():
        rows = [judge(normalised(to_images(np.asarray(Image.open(home / "set" / file))[None]))) for file in files]
    return torch.cat(rows).numpy().astype(np.float16)


def test_the_parquet_file_reads_back_as_images_labels_and_logits(home, tmp_path):
    path = exported(home, tmp_path / "train.parquet")
    found = datasets.load_dataset("parquet", data_files=str(path), split="train")
    assert isinstance(found.features["image"], datasets.Image)
    assert found.features["label"] == datasets.ClassLabel(names=CLASSES)
    assert [grey(row["image"]) for row in found] == list(range(6))
    assert found["label"][:] == OURS
    assert [found.features["label"].int2str(label) for label in OURS] == found["class_id"][:]
    assert found["class_name"][:] == [NAMES[label] for label in OURS]
    assert set(found["source"]) == {"generated"}
    logits = np.array(found.with_format("numpy")["logits"][:])
    np.testing.assert_allclose(logits, expected_logits(home), rtol=2e-3, atol=2e-3)
    assert found.features["logits"].length == len(CLASSES)
    assert len(set(logits.argmax(1))) > 1  # or an order of classes could not be told from another


def test_the_file_holds_the_bytes_of_the_pngs_and_says_what_it_is(home, tmp_path):
    table = pq.read_table(exported(home, tmp_path / "train.parquet"))
    for row in table["image"].to_pylist():
        assert row["bytes"] == (home / "set" / row["path"]).read_bytes()
    assert str(table.schema.field("logits").type) == "fixed_size_list<element: halffloat>[3]"
    assert json.loads(table.schema.metadata[b"retort"]) == ABOUT


def test_a_file_written_in_batches_is_the_same_file(home, tmp_path, monkeypatch):
    whole = pq.read_table(exported(home, tmp_path / "whole.parquet"))
    monkeypatch.setattr(export, "TOGETHER", 4)
    path = exported(home, tmp_path / "batches.parquet")
    assert pq.ParquetFile(path).num_row_groups == 2
    table = pq.read_table(path)
    assert table.drop_columns("logits").equals(whole.drop_columns("logits"))
    assert table.schema.equals(whole.schema, check_metadata=True)
    logits = [np.array(t["logits"].to_pylist(), np.float32) for t in (table, whole)]
    np.testing.assert_allclose(*logits, rtol=2e-3, atol=2e-3)


def test_without_a_teacher_there_are_no_soft_labels(home, tmp_path):
    path = exported(home, tmp_path / "train.parquet", teacher=False)
    found = datasets.load_dataset("parquet", data_files=str(path), split="train")
    assert "logits" not in found.features
    assert found["label"][:] == OURS


def test_a_missing_image_is_reported_and_leaves_no_file(home, tmp_path):
    hidden = (home / "set" / "n02" / "00001.png").rename(tmp_path / "hidden.png")
    try:
        with pytest.raises(RetortError, match=r"lacks n02/00001\.png \(1 missing\); delete it and run again"):
            exported(home, tmp_path / "out" / "train.parquet")
    finally:
        hidden.rename(home / "set" / "n02" / "00001.png")
    assert not (tmp_path / "out").exists()


# ---------------------------------------------------------------- the card of an export


def carded(home: Path, folder: Path, labels: list[str]) -> str:
    """The README of a folder that has the Parquet file too; the table has rows of other sets."""
    rows = [
        {"method": method, "ipc": ipc, "protocol": protocol, "top1_last_mean": mean}
        for method, ipc, protocol, mean in (
            *(("random", "2", "hard", 12.34), ("random", "2", "soft", 23.45)),
            *(("random", "1", "hard", 99.11), ("full", "all", "hard", 99.22), ("dit", "2", "hard", 99.33)),
        )
    ]
    same = {"dataset": "toy", "student": "resnet8", "seeds": 2, "missing_seeds": 1, "top1_last_std": 0.5}
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


# ---------------------------------------------------------------- what is exported


SOFT = {"views": {"steps": 1}, "optimizer": {"kind": "sgd", "lr": 1, "schedule": "constant"}}


def test_a_set_is_exported_with_the_teacher_of_its_first_soft_protocol():
    protocols = REST["protocols"] | {
        "plain": SOFT | {"labels": {"teacher": "small", "kind": "static"}},
        "views": SOFT | {"labels": {"teacher": "large", "kind": "region"}},
        "again": SOFT | {"labels": {"teacher": "large", "kind": "region"}, "temperature": 4.0},
        "online": SOFT | {"labels": {"teacher": "large", "kind": "online"}},
    }
    one = {"methods": ["random"], "students": ["resnet8"], "seeds": 1}
    asked = {1: ["hard", "plain", "views"], 2: ["again", "online", "plain"], 3: ["hard"], 4: ["online"]}
    found = plan(
        teachers={name: {"arch": "resnet8", "train": {"steps": 1}} for name in ("small", "large")},
        protocols=protocols,
        methods=REST["methods"] | {"full": {"select": "all"}},
        runs=[
            *({**one, "ipc": [n], "protocols": names} for n, names in asked.items()),
            one | {"methods": ["full"], "ipc": [1], "protocols": ["hard"]},
        ],
    )
    assert [found.labelling_teacher("random", str(n)) for n in asked] == ["small", "large", None, "large"]
    assert [found.view_label_owners("random", str(n)) for n in asked] == [["views"], ["views"], [], []]
    assert found.distilled_sets() == [{"method": "random", "ipc": str(n)} for n in asked]


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
