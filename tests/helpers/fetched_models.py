"""Models as they lie on a disk or a hub, and how `fetch_model` is asked for them."""

import hashlib
import shutil
from pathlib import Path

from retort.base.files import read_json, write_json
from retort.stages.models.fetch_model import fetch_model

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures" / "parity"
PIPELINE = FIXTURES / "d3hr_sample" / "pipeline"
SDXL = FIXTURES / "coda_guidance" / "pipeline"
PARTS = {
    "sd": {"unet", "scheduler", "text_encoder", "tokenizer"},
    "sdxl": {"unet", "scheduler", "text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2"},
    "sdxl-refiner": {"unet", "scheduler", "text_encoder_2", "tokenizer_2"},
}
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def fetch(source: Path | str, output: Path, kind: str, revision: str | None = None, **settings) -> Path:
    fetch_model(str(output), name="mine", kind=kind, source=str(source), revision=revision, **settings)
    return output


def change(file: Path, **changes) -> None:
    """Other values in a config file."""
    write_json(file, read_json(file) | changes)


def digest(file: Path) -> dict:
    content = file.read_bytes()
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def saved(kind: str, folder: Path) -> Path:
    """A pipeline of the kind: for one with fewer text encoders, a UNet that takes no more than these give."""
    folder = shutil.copytree(SDXL, folder)
    encoders = [part for part in PARTS[kind] if part.startswith("text_encoder")]
    width = sum(read_json(folder / part / "config.json")["hidden_size"] for part in encoders)
    change(folder / "unet" / "config.json", cross_attention_dim=width)
    return folder
