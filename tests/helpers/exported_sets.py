"""A small set with a teacher, and what is exported of it."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from retort.base.files import read_rows
from retort.base.tensors import write_tensors
from retort.config.load import load_config
from retort.models.classifiers import normalised
from retort.models.pixels import to_images
from retort.models.teacher import load_teacher
from retort.plan.plan import Plan
from retort.stages.sets.export_set import export_set
from retort.stages.sets.write_set import write_set
from tests.helpers.small_datasets import REST
from tests.helpers.tiny_models import save_untrained_teacher

SIDE = 8
CLASSES = ["n03", "n01", "n02"]  # the label order, which is not the alphabet's
NAMES = ["crane", "tench", "crane"]  # as in ImageNet, two classes have one name
OURS, ALPHABETICAL = [0, 0, 1, 1, 2, 2], [2, 2, 0, 0, 1, 1]  # labels of the images in our order
ABOUT = {"dataset": "toy", "method": "random", "ipc": "2", "logits_of": "resnet", "teacher": {"arch": "resnet8"}}


def make_home(home: Path) -> Path:
    """A set as the workflow writes it, two images a class; image i has grey i; and a teacher."""
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
