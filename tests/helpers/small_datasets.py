"""Small data sets on disk, and the manifest that the rules would make of them."""

import random
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from retort.base.files import read_rows
from retort.config.load import load_config
from retort.data.classes import class_list
from retort.plan.least import word_of_needs
from retort.plan.plan import Plan
from retort.stages.data.build_manifest import build_manifest

REST = {
    "methods": {"random": {"select": "random"}},
    "protocols": {
        "hard": {
            "labels": "hard",
            "views": {"steps": 1},
            "optimizer": {"kind": "sgd", "lr": 1, "schedule": "constant"},
        }
    },
    "runs": [{"methods": ["random"], "ipc": [1], "protocols": ["hard"], "students": ["resnet8"]}],
}


def planned(kind: str, path: Path, **keys) -> Plan:
    """The plan for a data set, as the rules have it."""
    return plan_of(REST | {"dataset": {"kind": kind, "path": str(path), "name": "mine", "resolution": 8} | keys})


def plan_of(config: dict) -> Plan:
    checked = load_config(config)
    return Plan(checked, class_list(checked.dataset))


def built(plan: Plan, out: Path, written: Path | None = None) -> pd.DataFrame:
    """The manifest, made with the parameters that the rule gives; class table and bad images lie beside it."""
    out.mkdir(exist_ok=True)
    build_manifest(
        written and str(written),
        *(str(out / name) for name in ("manifest.parquet", "classes.csv", "bad.csv")),
        **plan.manifest_settings(),
        class_ids=plan.classes,
        made_of={"data": plan.contents_stamp()},
        needed=word_of_needs(plan),
        threads=2,
    )
    return pd.read_parquet(out / "manifest.parquet")


def paint(path: Path, shade: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), (shade,) * 3).save(path, format="JPEG" if path.suffix.lower() != ".png" else "PNG")


def painted(root: Path, names: list[str], shuffle: int | None = None) -> Path:
    """Images at these places under `root`, the one at place i of shade i; optionally made in a shuffled order."""
    shades = list(enumerate(names))
    if shuffle is not None:
        random.Random(shuffle).shuffle(shades)
    for shade, name in shades:
        paint(root / name, shade)
    return root


def seen(images: pd.DataFrame) -> list[tuple[str, str, int, int]]:
    """(split, image id, label, shade) of each row: the shade says which image the path really leads to."""
    return [
        (row.split, row.image_id, row.class_index, round(np.asarray(Image.open(row.path)).mean()))
        for row in images.itertuples()
    ]


def classes_of(out: Path) -> list[tuple[str, str, str]]:
    return [(row["index"], row["id"], row["name"]) for row in read_rows(out / "classes.csv")]


def spoil(path: str, content: str | None = None):
    def change(root: Path) -> None:
        if content is None:
            (root / path).unlink()
        else:
            (root / path).write_text(content)

    return change
