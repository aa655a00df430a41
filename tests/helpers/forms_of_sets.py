"""A set in every form in which people publish theirs."""

import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from retort.data.elsewhere.ranges import IMAGENET
from tests.helpers.foreign_sets import (
    IDS,
    NAMES,
    SIDE,
    archive,
    class_table,
    folders,
    parquet,
    png,
    rows,
    take,
    tensors,
)

MEAN, STD = (np.array(IMAGENET[key]) for key in ("mean", "std"))
CIFAR = {"mean": [0.4914, 0.4822, 0.4465], "std": [0.2470, 0.2435, 0.2616]}
THEIRS = ["x1", "x2", "x3"]


def unit(images: np.ndarray) -> np.ndarray:
    return images.astype(np.float32) / 255


def first(images: np.ndarray) -> np.ndarray:
    """Channels first."""
    return images.transpose(0, 3, 1, 2)


def listed(folder, name: str, text: str):
    (folder / name).write_text(text)
    return folder


def ours(home):
    """A set that this workflow wrote, as a folder or packed."""
    from retort.stages.sets.write_set import write_set
    from tests.helpers.exported_sets import plan

    out, table = take(home, folders(home / "first", IDS)), class_table(home)
    about = plan().provenance_of("random") | {"ipc": "3"}
    arguments = (str(table), "", [], [], [], [])
    for store in ("folder", "zip"):
        settings = {"copy_images": True, "origin": about, "side": SIDE, "threads": 1, "store": store}
        write_set(*arguments, str(home / store), imported=str(out), **settings)
    shutil.rmtree(out)
    return home


def exported(home):
    from retort.stages.sets.export_set import export_set

    set_, table = ours(home) / "folder", class_table(home)
    (home / "export").mkdir()
    export_set(str(set_), str(table), None, str(home / "export/train.parquet"), str(home / "export/c.json"), origin={})
    return home / "export"


def shards(home):
    """Two, of which each has the labels of its rows; another split lies beside them."""
    images, labels = rows()
    for i, part in enumerate(np.array_split(np.arange(len(labels)), 2)):
        table = pa.table({"image": [png(images[row]) for row in part], "label": labels[part]})
        (home / "data").mkdir(exist_ok=True)
        pq.write_table(table, home / f"data/train-{i:05d}-of-00002.parquet")
    pq.write_table(table.slice(0, 1), home / "data/test-00000-of-00001.parquet")
    return home


NUMBERS = ["1", "2", "0"]  # of our classes, as a list of theirs counts them


FORMS = {
    "folders by id": lambda home: folders(home / "x", IDS),
    "folders by readable name": lambda home: folders(
        home / "x", ["cassette_player", "Tinca tinca", "english springer"]
    ),
    "folders by number": lambda home: folders(home / "x", ["0", "1", "2"]),
    "folders by padded number": lambda home: folders(home / "x", ["000", "001", "002"]),
    "folders by number with class_map.txt": lambda home: listed(
        folders(home / "x", NUMBERS), "class_map.txt", "n02\nn03\nn01\n"
    ),
    "folders by number with class_to_idx.json": lambda home: listed(
        folders(home / "x", NUMBERS), "class_to_idx.json", json.dumps({"n03": 1, "n02": 0, "n01": 2})
    ),
    "folders by number with classes.csv": lambda home: listed(
        folders(home / "x", NUMBERS), "classes.csv", "index,id,name\n2,n01,c\n0,n02,a\n1,n03,b\n"
    ),
    "a zip archive": lambda home: archive(home / "x.zip"),
    "a zip archive with a folder around it": lambda home: archive(home / "x.zip", "some/set/"),
    "a folder of ours": lambda home: ours(home) / "folder",
    "a packed set of ours": lambda home: ours(home) / "zip",
    "our export": exported,
    "Parquet with numbers": lambda home: parquet(home / "x.parquet", rows()[1].tolist(), plain=True),
    "Parquet with names of classes in another order": lambda home: parquet(
        home / "x/train.parquet", [sorted(IDS).index(IDS[label]) for label in rows()[1]], sorted(IDS)
    ),
    "Parquet with text": lambda home: parquet(home / "x.parquet", [NAMES[label] for label in rows()[1]]),
    "Parquet in shards": shards,
    "safetensors of bytes": lambda home: tensors(home / "x.safetensors", rows()[0]),
    "safetensors of bytes, channels first": lambda home: tensors(home / "x.safetensors", first(rows()[0])),
    "safetensors of half precision": lambda home: tensors(home / "x.safetensors", unit(rows()[0]).astype(np.float16)),
    "npz from 0 to 1": lambda home: tensors(home / "x.npz", first(unit(rows()[0]))),
    "npz from -1 to 1": lambda home: tensors(home / "x.npz", unit(rows()[0]) * 2 - 1),
    "npz of bytes as whole numbers": lambda home: tensors(home / "x.npz", rows()[0].astype(np.int64)),
    "pt normalised as ImageNet": lambda home: tensors(home / "x.pt", first((unit(rows()[0]) - MEAN) / STD)),
    "numbers that a list beside the file names": lambda home: (
        listed(
            tensors(home / "x/x.npz", rows()[0], np.array([1, 2, 0])[rows()[1]]).parent,
            "class_map.txt",
            "n02\nn03\nn01\n",
        )
        / "x.npz"
    ),
}
