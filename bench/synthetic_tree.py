"""A folder of many classes of tiny JPEGs, and a config for it: the shape of ImageNet at a thousandth of the size.

    python -m bench.synthetic_tree FOLDER [--classes 1000] [--images 4] [--side 64]
    snakemake --cores 2 --configfile FOLDER/config.yaml --directory FOLDER

The numbers that come out mean nothing; that it comes through, in how many jobs and with what memory, does.
"""

import argparse
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

HELD_OUT = 1  # images of each class in val/


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--images", type=int, default=4, help="training images of each class")
    parser.add_argument("--side", type=int, default=64, help="pixels")
    options = parser.parse_args()
    write_tree(options.folder / "images", options.classes, options.images, options.side)
    config = config_for(options.folder / "images", options.side)
    (options.folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    print(
        f"{options.classes} classes of {options.images} images: {options.folder}/images, {options.folder}/config.yaml"
    )


def class_names(classes: int) -> list[str]:
    return [f"c{number:05d}" for number in range(classes)]


def write_tree(folder: Path, classes: int, images: int, side: int = 64) -> None:
    """folder/{train,val}/<class>/<image>.jpg: noise of a few colours, the same for the same numbers."""
    for number, name in enumerate(class_names(classes)):
        for split, count in (("train", images), ("val", HELD_OUT)):
            of_class = folder / split / name
            of_class.mkdir(parents=True, exist_ok=True)
            for image in range(count):
                rng = np.random.default_rng([number, image, split == "val"])
                coarse = Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8))
                coarse.resize((side, side + image), Image.Resampling.BILINEAR).save(of_class / f"{image}.jpg")


def config_for(images: Path, side: int, shard_classes: int = 50) -> dict:
    """D3HR and random images, with models that are hardly trained."""
    return {
        "seed": 0,
        "dataset": {
            "kind": "folder",
            "name": "synthetic",
            "path": str(images.resolve()),
            "resolution": side,
            "shard_classes": shard_classes,
        },
        "models": {
            "vae": {"kind": "vae", "train": {"channels": [8, 8, 8], "norm_groups": 4, "steps": 20, "batch": 16}},
            "dit": {
                "kind": "dit",
                "encoder": "vae",
                "train": {"layers": 2, "heads": 2, "head_dim": 16, "steps": 20, "batch": 16},
            },
        },
        "inversions": {"ddim": {"model": "dit", "steps": 10, "stop": 6, "guidance": 2.0}},
        "methods": {
            "random": {"select": "random"},
            "d3hr": {"generate": {"model": "dit", "start": {"inversion": "ddim", "groups": 100}, "guidance": 2.0}},
        },
        "protocols": {
            "hard": {
                "labels": "hard",
                "views": {"steps": 5, "batch": 16},
                "optimizer": {"kind": "sgd", "lr": 0.01, "schedule": "constant"},
                "evaluations": 1,
            }
        },
        "runs": [
            {"methods": ["random", "d3hr"], "ipc": [1], "protocols": ["hard"], "students": ["resnet8"], "seeds": 1}
        ],
    }


if __name__ == "__main__":
    main()
