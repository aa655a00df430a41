"""What stages read, made tiny: a DiT and a VAE with random weights, a teacher, pictures with their manifest."""

import secrets
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from diffusers import AutoencoderKL, DDIMScheduler
from diffusers.models.transformers.dit_transformer_2d import DiTTransformer2DModel
from PIL import Image

from retort.artifacts.kept_classes import KeptClasses
from retort.base.tensors import open_tensors, write_tensors
from retort.data.manifest import ClassEntry, write_manifest
from retort.models.classifiers import build_classifier
from retort.models.load import CodecFiles, ModelFiles
from retort.models.teacher import save_teacher
from retort.stages.sets.generate_images import generate_images
from tests.helpers.parts import DRAWN, NOISE
from tests.helpers.parts import sampling as sampling_by

SIDE, SHAPE, CLASSES = 16, (4, 8, 8), ["ant", "bee", "cat", "dog"]


def write_classes(path: Path, ids: list[str]) -> None:
    path.write_text("index,id,name\n" + "".join(f"{i},{c},{c}\n" for i, c in enumerate(ids)))


def save_models(folder: Path) -> None:
    """folder/dit, folder/learned (a DiT that learned its variance too), folder/vae and folder/classes.csv."""
    for seed, (name, channels) in enumerate((("dit", SHAPE[0]), ("learned", 2 * SHAPE[0]))):
        torch.manual_seed(seed)
        transformer = DiTTransformer2DModel(
            num_layers=2,
            num_attention_heads=2,
            attention_head_dim=8,
            patch_size=2,
            in_channels=SHAPE[0],
            out_channels=channels,
            sample_size=SHAPE[1],
            num_embeds_ada_norm=len(CLASSES),
        )
        for parameter in transformer.parameters():
            if parameter.dim() > 1:
                torch.nn.init.normal_(parameter, std=0.1)
        transformer.save_pretrained(folder / name / "transformer")
        DDIMScheduler().save_pretrained(folder / name / "scheduler")
    torch.manual_seed(2)
    AutoencoderKL(
        block_out_channels=(8, 8),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        norm_num_groups=4,
        latent_channels=SHAPE[0],
        mid_block_add_attention=False,
        sample_size=SIDE,
        scaling_factor=0.5,
    ).save_pretrained(folder / "vae")
    write_classes(folder / "classes.csv", CLASSES)


def files(home: Path, name: str = "dit") -> dict:
    codec = CodecFiles(str(home / "vae"), "float32", SIDE)
    return {"model": ModelFiles(str(home / name), "float32"), "codec": codec}


def kept(home: Path) -> KeptClasses:
    """Where a stage keeps the classes that it is done with, for this call alone."""
    return KeptClasses(home / "kept", secrets.token_hex(8))


def read(path: Path) -> dict[str, np.ndarray]:
    """A safetensors file as plain arrays."""
    return {name: np.array(array) for name, array in open_tensors(path).items()}


def generate(
    home: Path,
    output: Path,
    classes: list[int],
    batch: int,
    starts: Path | None = None,
    guide: tuple[Path, Path] | None = None,
    seeds: tuple[Path, Path] | None = None,
    real: Path | None = None,
    **changes,
) -> dict[str, np.ndarray]:
    """The content of one generated shard; guide: (representatives, latents), seeds: those that images start from,
    real: latents of the training images."""
    settings = {"sampling": sampling_by("ddim", 5, 4, 2.0), "number": 3, "side": SIDE, "dataset": "toy", "seed": 0}
    settings |= {"start": DRAWN if starts else NOISE}
    table, name = changes.pop("table", home / "classes.csv"), changes.pop("name", "dit")
    inputs = [
        str(path) if path else None
        for path in (table, starts, *(guide or (None, None)), *(seeds or (None, None)), real)
    ]
    generate_images(
        *inputs, str(output), kept(home), **files(home, name), class_indices=classes, batch=batch, **settings | changes
    )
    return read(output)


def save_untrained_teacher(folder: Path, classes: Sequence[str], side: int = SIDE, seed: int = 0) -> Path:
    """A resnet8 of random weights whose predictions are spread over the classes."""
    torch.manual_seed(seed)
    module = build_classifier("resnet8", len(classes), side)
    module.head.weight.data *= 20
    folder.mkdir(parents=True, exist_ok=True)
    save_teacher(module, folder, "resnet8", list(classes), side)
    return folder


class Pictures:
    """A folder of noise images of given sizes (width, height), its manifest and its class table.

    sizes: for each class its images, by name.
    """

    def __init__(self, folder: Path, sizes: dict[str, dict[str, tuple[int, int]]]):
        self.folder, self.classes = folder, list(sizes)
        rows = []
        for class_id, images in sizes.items():
            (folder / class_id).mkdir(parents=True)
            for name, (width, height) in images.items():
                image_id, rng = f"{class_id}/{name}.png", np.random.default_rng([*f"{class_id}{name}".encode()])
                coarse = rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)
                Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC).save(folder / image_id)
                rows.append(
                    {
                        "split": "train",
                        "path": str(folder / image_id),
                        "class_id": class_id,
                        "class_name": class_id,
                        "class_index": self.classes.index(class_id),
                        "image_id": image_id,
                        "width": width,
                        "height": height,
                    }
                )
        entries = [ClassEntry(i, c, c) for i, c in enumerate(self.classes)]
        # Images of other splits come in between; rows are counted within a split.
        others = [row | {"split": "val"} for row in rows[::2]]
        images = pd.DataFrame([*others, *rows])
        write_manifest(images, entries, folder / "manifest.parquet", folder / "classes.csv")
        self.manifest, self.table = str(folder / "manifest.parquet"), str(folder / "classes.csv")
        self.images = pd.read_parquet(self.manifest).query("split == 'train'").set_index("row", drop=False)

    def rows_of(self, class_id: str) -> list[int]:
        return self.images.loc[self.images["class_id"] == class_id, "row"].tolist()

    def pixels(self, row: int) -> np.ndarray:
        return np.asarray(Image.open(self.images.loc[row, "path"]))


def write_latents(path: Path, latents: dict[str, np.ndarray], rows: dict[str, Sequence[int]]) -> Path:
    """A shard as the encoder writes it."""
    tensors = {f"latents/{c}": np.asarray(a, dtype=np.float32) for c, a in latents.items()}
    write_tensors(path, tensors | {f"rows/{c}": np.array(r, dtype=np.int64) for c, r in rows.items()})
    return path


def write_random_latents(path: Path, counts: dict[str, int]) -> Path:
    """Such a shard with so many latents of each class."""
    rng = np.random.default_rng(0)
    latents = {c: rng.standard_normal((n, *SHAPE)) for c, n in counts.items()}
    return write_latents(path, latents, {c: np.arange(n) for c, n in counts.items()})
