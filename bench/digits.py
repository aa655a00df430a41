"""For the benchmarks of students: the digits, random images of them as a distilled set, and a teacher."""

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from retort.artifacts.pixels import open_split
from retort.base.seeds import numpy_rng
from retort.data.manifest import ClassEntry, write_manifest
from retort.data.sources import write_digits
from retort.models.teacher import save_teacher
from retort.models.teacher_training import trained_teacher
from retort.stages.data.decode_split import decode_split

CLASSES, SIDE = [str(digit) for digit in range(10)], 32
TEACHER = {"batch": 64, "lr": 0.003, "weight_decay": 0.01, "rotate": 10.0, "scale": 0.1, "shift": 0.1, "flip": False}


def prepare(home: Path, ipc: int, arch: str, steps: int) -> None:
    """classes.csv, {train,val}.safetensors, set/ with random images of each class, and teacher/ in `home`."""
    write_digits(home / "digits", CLASSES, SIDE)
    rows = [
        {"split": file.parts[-3], "class_id": file.parts[-2], "class_name": file.parts[-2], "path": str(file)}
        | {"class_index": int(file.parts[-2]), "image_id": file.stem, "width": SIDE, "height": SIDE}
        for file in sorted((home / "digits").glob("*/*/*.png"))
    ]
    manifest, table = home / "manifest.parquet", home / "classes.csv"
    write_manifest(pd.DataFrame(rows), [ClassEntry(i, c, c) for i, c in enumerate(CLASSES)], manifest, table)
    for split in ("train", "val"):
        decode_split(str(manifest), str(home / f"{split}.safetensors"), split=split, side=SIDE, threads=2)
    pixels, labels = open_split(str(home / "train.safetensors"))
    chosen = [
        {"file": f"{digit}-{i}.png", "class_index": digit, "index": i, "row": row}
        for digit in range(10)
        for i, row in enumerate(numpy_rng(0, "bench", digit).permutation(np.flatnonzero(labels == digit))[:ipc])
    ]
    (home / "set").mkdir()
    for image in chosen:
        Image.fromarray(np.array(pixels[image["row"]])).save(home / "set" / image["file"])
    pd.DataFrame(chosen).to_csv(home / "set" / "manifest.csv", index=False)
    (home / "teacher").mkdir()
    teacher = trained_teacher(np.array(pixels), labels, arch, (0, "teacher"), steps=steps, **TEACHER)
    save_teacher(teacher, home / "teacher", arch, CLASSES, SIDE)
