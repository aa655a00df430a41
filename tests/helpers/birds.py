"""A tiny made-up data set of three birds, distilled sets and a teacher of it, and students trained on them."""

import secrets
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from retort.artifacts.kept_students import KeptStudents
from retort.base.files import read_json, write_rows
from retort.base.tensors import write_tensors
from retort.data.manifest import ClassEntry, write_manifest
from retort.evaluation.labels import Top
from retort.evaluation.student import Recipe
from retort.evaluation.views import ViewSettings
from retort.models.teacher import save_teacher
from retort.models.teacher_training import trained_teacher
from retort.stages.evaluation.relabel_set import relabel_set
from retort.stages.evaluation.train_students import Labelling, train_students
from retort.stages.sets.write_set import write_set

SIDE, CLASSES = 8, ["wren", "robin", "finch"]
VAL_COUNTS = (4, 7, 10)  # unequal, so that a mean over classes is not the mean over images
STEPS = ViewSettings(batch=4, crop=(0.4, 1.0), flip=True, cutmix=1.0, steps=8)
EPOCHS = ViewSettings(batch=4, crop=(0.4, 1.0), flip=True, cutmix=1.0, epochs=3)
SGD = Recipe(kind="sgd", lr=0.02, momentum=0.9, weight_decay=5e-4, schedule="milestones", evaluations=4)
ADAMW = Recipe(kind="adamw", lr=2e-3, momentum=0.9, weight_decay=0.01, schedule="half-cosine", evaluations=4)
TEMPERATURE = 4.0


def birds(counts: tuple[int, ...], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Noise with a brighter colour channel per class, classes one after the other."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(counts)), counts)
    pixels = rng.integers(0, 120, (len(labels), SIDE, SIDE, 3), dtype=np.uint8)
    pixels[np.arange(len(labels)), ..., labels] += 60
    return pixels, labels


def make_home(folder: Path) -> Path:
    """train and val pixels, classes.csv, a teacher, and the sets "two" (also "other"), "three" and "full"."""
    train, labels = birds((6, 6, 6), seed=0)
    write_tensors(folder / "train.safetensors", {"pixels": train, "labels": labels})
    val, val_labels = birds(VAL_COUNTS, seed=1)
    write_tensors(folder / "val.safetensors", {"pixels": val, "labels": val_labels})
    write_pictures(folder, train, labels)
    for name, members in {"two": (0, 1), "other": (3, 4), "three": (0, 1, 2), "full": range(6)}.items():
        rows = [
            {"class_index": label, "index": i, "row": 6 * label + member, "image_id": f"{label}/{member}"}
            for label in range(3)
            for i, member in enumerate(members)
        ]
        write_rows(folder / f"{name}.csv", list(rows[0]), rows)
        save_set(folder, name, name, copy=name != "full")
    settings = {"steps": 15, "batch": 12, "lr": 0.01, "weight_decay": 0.01}
    still = {"rotate": 0.0, "scale": 0.0, "shift": 0.0, "flip": False}
    teacher = trained_teacher(train, labels, "resnet8", (0, "teacher"), **settings, **still)
    (folder / "teacher").mkdir()
    save_teacher(teacher, folder / "teacher", "resnet8", CLASSES, SIDE)
    for kind, views in (("region", STEPS), ("static", None)):
        label(folder, "two", kind, views, folder / f"{kind}.safetensors")
    return folder


def write_pictures(home: Path, pixels: np.ndarray, labels: np.ndarray) -> None:
    """The same images as files, manifest.parquet and classes.csv."""
    rows = []
    for i, label in enumerate(labels):
        path, class_id = home / f"{i}.png", CLASSES[label]
        Image.fromarray(pixels[i]).save(path)
        about = {"split": "train", "class_id": class_id, "class_name": class_id, "class_index": label}
        rows.append(about | {"image_id": path.name, "path": str(path), "width": SIDE, "height": SIDE})
    entries = [ClassEntry(i, c, c) for i, c in enumerate(CLASSES)]
    write_manifest(pd.DataFrame(rows), entries, home / "manifest.parquet", home / "classes.csv")


def save_set(home: Path, selection: str, name: str, copy: bool, store: str = "folder") -> None:
    inputs = (str(home / "classes.csv"), str(home / "manifest.parquet"), [str(home / f"{selection}.csv")], [], [], [])
    about = {"dataset": "birds", "method": name, "ipc": "2", "seed": 0, "side": SIDE, "settings": {"select": "random"}}
    about |= {"data": {"kind": "folder"}, "models": {}, "teachers": {}}
    write_set(*inputs, str(home / name), copy_images=copy, origin=about, side=SIDE, threads=1, store=store)


def label(
    home: Path,
    name: str,
    kind: str,
    views: ViewSettings | None,
    output: Path,
    top: Top | None = None,
    precision: str = "float32",
) -> Path:
    paths = [home / name, home / "train.safetensors", home / "classes.csv", home / "teacher", output]
    relabel_set(*map(str, paths), kind=kind, views=views, top=top, dataset="birds", seed=0, precision=precision)
    return output


def train(
    home: Path,
    kind: str,
    name: str = "two",
    views: ViewSettings = STEPS,
    seeds: int = 1,
    labels: Path | None = None,
    top: Top | None = None,
    teacher: Path | None = None,
    kept: KeptStudents | None = None,
    **changes,
) -> list[dict]:
    """What is recorded of the students of one set; without their seconds, which nothing fixes."""
    stored = str(labels or home / f"{kind}.safetensors") if kind in ("region", "static", "own") else None
    teacher = None if kind in ("hard", "own") else str(teacher or home / "teacher")
    settings = {
        "row": {"dataset": "birds", "method": name, "ipc": "2", "protocol": kind, "student": "resnet8"},
        "student": "resnet8",
        "views": views,
        "recipe": SGD if kind == "hard" else ADAMW,
        "labelling": Labelling(kind, TEMPERATURE, stored, teacher, top),
        "dataset": "birds",
        "seed": 0,
    }
    paths = [home / name, home / "train.safetensors", home / "val.safetensors", home / "classes.csv", home / "students"]
    kept = kept or KeptStudents(home / "kept", secrets.token_hex(8), 60)
    train_students(*map(str, paths), kept, seeds=range(seeds), **settings | changes)
    results = [read_json(home / "students" / f"{i}.json") for i in range(seeds)]
    assert all(result.pop("seconds") > 0 for result in results)
    return results


def members(archive: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(archive) as opened:
        return {name: opened.read(name) for name in opened.namelist()}
