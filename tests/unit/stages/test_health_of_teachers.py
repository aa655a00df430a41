"""What a teacher sees, or says, that is not finite: each stage that asks one says in which image of which class."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.helpers import birds
from tests.helpers.stopping import stops
from tests.helpers.tiny_models import CLASSES, SIDE, Pictures, save_untrained_teacher
from torch import Tensor

from retort.artifacts.sets import COLUMNS
from retort.artifacts.teacher_quality import measured
from retort.base.files import write_rows
from retort.base.tensors import write_tensors
from retort.models.teacher import Teacher, load_teacher
from retort.parts.resolve import part_of
from retort.stages.evaluation import measure_quality as quality_stage
from retort.stages.evaluation.measure_quality import measure_quality
from retort.stages.evaluation.relabel_set import relabel_set
from retort.stages.sets.choose_from_pool import choose_from_pool
from retort.stages.sets.export_set import export_set
from retort.stages.sets.select_by_features import select_by_features
from retort.stages.shared.describe_images import describe_images
from retort.stages.shared.score_crops import score_crops

WHITE = "dog"  # the class of the white images, in which a blinded teacher sees NaN
COMMON = {"dataset": "toy", "seed": 0}


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """Pictures, a decoded split and a pool of them, a set of one of each class, and a teacher."""
    folder = tmp_path_factory.mktemp("teachers")
    pictures = Pictures(folder / "images", {c: {str(i): (SIDE, SIDE) for i in range(3)} for c in CLASSES})
    for file in (folder / "images" / WHITE).iterdir():
        Image.new("RGB", (SIDE, SIDE), "white").save(file)
    save_untrained_teacher(folder / "teacher", CLASSES)
    pixels = np.stack([pictures.pixels(row) for c in CLASSES for row in pictures.rows_of(c)])
    labels, index = np.repeat(np.arange(len(CLASSES)), 3), np.tile(np.arange(3), len(CLASSES))
    write_tensors(folder / "val.safetensors", {"pixels": pixels, "labels": labels})
    pool = {"latents": np.zeros((len(pixels), 4), np.float32), "pixels": pixels, "class_index": labels, "index": index}
    write_tensors(folder / "pool.safetensors", pool)
    rows = []
    for label, class_id in enumerate(CLASSES):
        file = folder / "set" / class_id / "00000.png"
        file.parent.mkdir(parents=True)
        Image.fromarray(pixels[3 * label]).save(file)
        about = {"file": f"{class_id}/{file.name}", "class_id": class_id, "class_index": label, "index": 0}
        rows.append(dict.fromkeys(COLUMNS, "") | about)
    write_rows(folder / "set" / "manifest.csv", COLUMNS, rows)
    return folder


@pytest.fixture
def blinded(monkeypatch) -> None:
    sized = Teacher._sized

    def blind(self, images: Tensor) -> Tensor:
        seen = sized(self, images)
        return torch.where(seen.flatten(1).amin(1).view(-1, 1, 1, 1) > 0.9, torch.nan, seen)

    monkeypatch.setattr(Teacher, "_sized", blind)


def paths(home: Path, *names: str) -> list[str]:
    return [str(home / name) for name in names]


def describe(home: Path) -> None:
    given = paths(home, "images/manifest.parquet", "images/classes.csv", "teacher", "described.safetensors")
    describe_images(*given, class_indices=[0, 1, 2, 3], side=SIDE, threads=1)


def choose(home: Path, **select: str) -> None:
    given = paths(home, "pool.safetensors", "teacher", "images/classes.csv", "chosen.csv")
    choose_from_pool(*given, select=part_of("selections", {"teacher": "resnet"} | select), ipc=1, **COMMON)


def choose_recognised(home: Path) -> None:
    choose(home, keep="confident", teacher_input="normalised")


def choose_covering(home: Path) -> None:
    choose(home, coverage="herding")


def crop(home: Path) -> None:
    given = paths(home, "images/manifest.parquet", "images/classes.csv", "teacher", "crops.csv")
    score = part_of("scores", {"teacher": "resnet", "images": 2, "crops": 3, "area": (0.3, 0.8)})
    score_crops(*given, class_ids=CLASSES, score=score, grid=1, side=SIDE, threads=1, **COMMON)


def export(home: Path) -> None:
    export_set(*paths(home, "set", "images/classes.csv", "teacher", "set.parquet", "croissant.json"), origin={})


def label(home: Path, kind: str) -> None:
    distilled, *given = paths(home, "set", "images/classes.csv", "teacher", "labels.safetensors")
    relabel_set(distilled, None, *given, kind=kind, views=birds.STEPS if kind == "region" else None, top=None, **COMMON)


def label_images(home: Path) -> None:
    label(home, "static")


def measure(home: Path) -> None:
    rng = np.random.default_rng(0)
    features = {f"features/{c}": rng.standard_normal((3, 64)).astype(np.float32) for c in CLASSES}
    write_tensors(home / "features.safetensors", features | {f"rows/{c}": np.arange(3) for c in CLASSES})
    distilled, shard, *given = paths(home, "set", "features.safetensors", "images/classes.csv", "teacher", "found.json")
    settings = {"row": {}, "measures": ["density-coverage"], "neighbors": 2, "side": SIDE, "threads": 1}
    measure_quality(distilled, [shard], *given, **settings, **COMMON)


def measure_teacher(home: Path) -> None:
    judge = load_teacher(home / "teacher", CLASSES)
    measured(judge, str(home / "val.safetensors"), CLASSES, None, "resnet", "unknown causes")


SEEN, KEPT = "what the teacher sees in the image is not finite", "the teacher's logits are not finite"


@pytest.mark.usefixtures("blinded")
@pytest.mark.parametrize(
    ("run", "said"),
    [
        (describe, rf"class dog, .*/dog/0\.png: {SEEN}"),
        (choose_recognised, f"class dog, image 0 of the pool: {SEEN}"),
        (choose_covering, f"class dog, image 0 of the pool: {SEEN}"),
        (crop, rf"class dog, a crop of dog/\d\.png: {SEEN}"),
        (export, rf"class dog, dog/00000\.png: {KEPT}"),
        (label_images, f"class dog, image 3 of .*/set: {KEPT}"),
        (measure, rf"class dog, .*/set/dog/00000\.png: {SEEN}"),
        (measure_teacher, f"teacher resnet, class number 3, validation image 9: {SEEN}"),
    ],
)
def test_what_a_teacher_loses_names_class_and_image(home, run, said):
    stops((said, r"delete its folder, and lower train\.lr|train the teacher again at a lower train\.lr"), run, home)


def test_labels_of_views_that_are_lost_name_class_image_and_step(home, monkeypatch):
    forward, steps = Teacher.forward, []

    def lossy(self, images: Tensor) -> Tensor:
        steps.append(len(images))
        logits = forward(self, images)
        logits[1] *= 1e9 if len(steps) == 3 else 1  # finite, but not in float16
        return logits

    monkeypatch.setattr(Teacher, "forward", lossy)
    words = (rf"class \w+, image \d of .*/set, step 2: {KEPT}", "float16 holds numbers up to 65,504")
    stops(words, label, home, "region")


def test_a_choice_by_logits_names_the_class_of_damaged_ones(home):
    tensors = {f"features/{c}": np.zeros((3, 2), np.float32) for c in CLASSES}
    tensors |= {f"logits/{c}": np.zeros((3, 4), np.float32) for c in CLASSES}
    tensors |= {f"rows/{c}": np.arange(3) + 3 * k for k, c in enumerate(CLASSES)}
    tensors["logits/bee"][2, 3] = np.nan
    write_tensors(home / "described.safetensors", tensors)
    given = paths(home, "images/manifest.parquet", "images/classes.csv", "described.safetensors", "selection.csv")
    select = part_of("selections", {"teacher": "resnet", "keep": "confident"})
    settings = {"class_indices": [0, 1], "select": select, "ipc": 1}
    words = (r"class bee: what .*described\.safetensors says of an image is not finite", "delete the file")
    stops(words, select_by_features, *given, **settings, **COMMON)


def test_a_measure_that_is_lost_names_the_set(home, monkeypatch):
    monkeypatch.setitem(quality_stage.MEASURES, "density-coverage", lambda compared: [("density", float("nan"), 3)])
    stops(("/set: density is not finite", "measure larger sets, or leave it out"), measure, home)
