"""Every stage function that computes on a GPU, ready to be run once on made-up data of true shape."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from retort.artifacts.kept_classes import KeptClasses
from retort.base.tensors import write_tensors
from retort.data.imagenet import subset_classes
from retort.data.manifest import ClassEntry, write_manifest
from retort.evaluation.losses import soft_loss
from retort.evaluation.student import ImageSet, Recipe, train_student
from retort.evaluation.views import ViewSettings, plan_views
from retort.models.load import CodecFiles
from retort.parts.resolve import part_of
from retort.stages.sets.generate_images import generate_images
from retort.stages.sets.refine_latents import refine_latents
from retort.stages.shared.encode_latents import encode_latents
from retort.stages.shared.invert_latents import invert_latents
from retort.stages.shared.score_typicality import score_typicality
from tests.gpu import models
from tests.gpu.arithmetic import Work
from tests.gpu.harness import Bench
from tests.gpu.published import latent_sides
from tests.helpers.parts import NOISE
from tests.helpers.parts import sampling as sampling_by

ENCODED = {"256": "dit", "512": "sd", "1024": "sdxl"}  # an encoder's side -> the kind that works on its latents
NAMES = {"n01440764": "tench, Tinca tinca", "n01443537": "goldfish, Carassius auratus"}
SEEDED = {"dataset": "imagenet1k", "seed": 0}


@dataclass(frozen=True)
class Stages:
    """Files that the stages of one bench read and write."""

    bench: Bench

    @property
    def home(self) -> Path:
        return self.bench.folder / "stages"

    @property
    def side(self) -> int:
        """Of the images of sets."""
        return 224 if self.bench.full else 32

    @property
    def classes(self) -> int:
        return 1000 if self.bench.full else 10

    def prepare(self) -> None:
        self.home.mkdir(exist_ok=True)
        ids = subset_classes("imagenet1k")
        rows = (f"{label},{class_id},{NAMES.get(class_id, f'thing {label}')!r}\n" for label, class_id in enumerate(ids))
        (self.home / "classes.csv").write_text("index,id,name\n" + "".join(rows).replace("'", '"'))

    def of(self, work: Work, **changes) -> Callable[[], None]:
        """The stage of a work on its batch, as few steps as show its memory."""
        run = {
            "generate_images": self.generate,
            "invert_latents": self.invert,
            "score_typicality": self.score,
            "refine_latents": self.refine,
            "encode_latents": self.encode,
            "train_students": self.train,
        }[work.rule]
        return lambda: run(work.model, work.batch, **changes)

    def generate(self, kind: str, batch: int, steps: int = 50, first: int | None = 1, count: int | None = None) -> Path:
        output = self.home / "generated.safetensors"
        generate_images(
            str(self.home / "classes.csv"),
            *[None] * 6,
            str(output),
            self._kept(),
            **self._model(kind),
            start=NOISE,
            sampling=sampling_by("ddim", steps, first, 4.0),
            class_indices=[0],
            number=count or batch,
            side=self.side,
            batch=batch,
            **SEEDED,
        )
        return output

    def invert(self, kind: str, batch: int) -> None:
        paths = self._latents(kind, batch), self.home / "classes.csv", self.home / "inverted.safetensors"
        course = {"steps": 50, "stop": 2, "guidance": 4.0, "batch": batch}
        invert_latents(*map(str, paths), self._kept(), **self._model(kind), class_ids=[next(iter(NAMES))], **course)

    def score(self, kind: str, batch: int) -> None:
        paths = self._latents(kind, batch), self.home / "classes.csv", self.home / "maps.safetensors"
        drawn = {"draws": 1, "low": 0.1, "high": 0.7, "batch": batch} | SEEDED
        score_typicality(*map(str, paths), self._kept(), **self._model(kind), class_ids=[next(iter(NAMES))], **drawn)

    def refine(self, kind: str, batch: int) -> None:
        pool = {"latents": self._numbers(kind, batch), "class_index": np.zeros(batch, np.int64)}
        write_tensors(self.home / "pool.safetensors", pool | {"index": np.arange(batch)})
        files = self.home / "classes.csv", self.home / "pool.safetensors"
        refine_latents(
            *map(str, files),
            [],
            str(self.home / "refined.safetensors"),
            **self._model(kind),
            refinement=part_of("refinements", {"iterations": 2, "peak_weight": 0.1, "timestep": "mapped"}),
            class_indices=[0],
            ipc=batch,
            side=self.side,
            batch=batch,
            **SEEDED,
        )

    def encode(self, side: str, batch: int, images: int | None = None, threads: int = 1) -> None:
        tree = self.tree(images or batch)
        codec = models.codec_files(self.bench, ENCODED[side])
        settings = {"class_ids": [next(iter(NAMES))], "posterior": "mean", "batch": batch, "threads": threads}
        output = str(self.home / "encoded.safetensors")
        encode_latents(str(tree / "manifest.parquet"), output, codec=codec, **settings, dataset="imagenet1k", seed=None)

    def train(self, arch: str, batch: int, steps: int = 2, precision: str = "float32", **more) -> dict:
        """A student by labels of a teacher that says the same of every image."""
        rng, count = np.random.default_rng(0), max(batch, 2)
        pixels = rng.integers(0, 256, (count, self.side, self.side, 3), dtype=np.uint8)
        labels = np.arange(count) % self.classes
        test = ImageSet(pixels[:2], np.array([0, self.classes - 1]))
        views = ViewSettings(batch=batch, crop=(0.5, 1.0), flip=True, cutmix=1.0, steps=steps)
        recipe = Recipe("adamw", 1e-3, None, 0.01, "half-cosine", more.pop("evaluations", 1), precision)
        said = torch.linspace(-1, 1, self.classes, device=self.bench.device)
        return train_student(
            ImageSet(pixels, labels),
            test,
            arch,
            views,
            recipe,
            lambda step: plan_views(views, count, self.side, step, (0, "views")),
            lambda step, planned, mixed: lambda logits, part: soft_loss(logits, said.expand_as(logits), 20.0),
            (0, "student"),
            **more,
        )

    # ------------------------------------------------------------ what they read

    def tree(self, images: int) -> Path:
        """A folder of JPEGs of ImageNet's usual size and its manifest: a few images under many names."""
        import pandas as pd

        folder = self.home / f"tree-{images}"
        if folder.exists():
            return folder
        folder.mkdir()
        size, rng = (500, 375) if self.bench.full else (40, 30), np.random.default_rng(0)
        for number in range(min(images, 64)):
            coarse = rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)
            fine = Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)
            noisy = np.asarray(fine).astype(int) + rng.integers(-20, 21, (size[1], size[0], 3))
            Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(folder / f"{number}.jpg", quality=90)
        for number in range(64, images):
            (folder / f"{number}.jpg").hardlink_to(folder / f"{number % 64}.jpg")
        names = [f"{number}.jpg" for number in range(images)]
        class_id = next(iter(NAMES))
        table = pd.DataFrame({"image_id": names, "path": [str(folder / name) for name in names]}).assign(
            split="train", class_id=class_id, class_name=class_id, class_index=0, width=size[0], height=size[1]
        )
        entries = [ClassEntry(0, class_id, class_id)]
        write_manifest(table, entries, folder / "manifest.parquet", folder / "classes.csv")
        return folder

    def _model(self, kind: str) -> dict:
        codec: CodecFiles = models.codec_files(self.bench, kind)
        return {"model": models.model_files(self.bench, kind), "codec": codec}

    def _numbers(self, kind: str, count: int) -> np.ndarray:
        side = latent_sides(self.bench.size)[kind]
        return np.random.default_rng(0).standard_normal((count, 4, side, side), dtype=np.float32)

    def _latents(self, kind: str, count: int) -> Path:
        path, class_id = self.home / f"latents-{kind}-{count}.safetensors", next(iter(NAMES))
        if not path.exists():
            rows = np.arange(count)
            write_tensors(path, {f"latents/{class_id}": self._numbers(kind, count), f"rows/{class_id}": rows})
        return path

    def _kept(self) -> KeptClasses:
        return KeptClasses(self.home / "kept", "acceptance")
