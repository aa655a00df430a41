"""A tiny installed package that brings a part, as pip would lay it out."""

from pathlib import Path

SOURCE = '''"""A selection that takes the images nearest to the mean of their class."""

from pydantic import Field
from retort.parts.part import EncoderName
from retort.parts.selections import Chosen, Selection

from ._tools import distances


class Nearest(Selection):
    """The images whose latents are nearest to the mean of the class are kept."""

    encoder: EncoderName = Field(description="These are the latents of this encoder.")

    def choose(self, seen, count, seed):
        return Chosen(distances(seen.features).argsort(kind="stable")[:count].tolist())

    def in_words(self):
        return f"images nearest to the mean of the class in latents of {self.encoder}"
'''
TOOLS = '''"""What the part computes with."""

import numpy as np


def distances(rows):
    return np.square(rows - rows.mean(axis=0)).sum(axis=1)
'''


def install(site: Path, version: str = "1.2", entry: str = "nearest = nearby.nearest", source: str = SOURCE) -> Path:
    """Lay the distribution `nearby` out below a folder for sys.path, with this entry point."""
    package, about = site / "nearby", site / f"nearby-{version}.dist-info"
    for folder in (package, about):
        folder.mkdir(parents=True, exist_ok=True)
    (package / "__init__.py").write_text("")
    (package / "nearest.py").write_text(source)
    (package / "_tools.py").write_text(TOOLS)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: nearby\nVersion: {version}\n")
    (about / "entry_points.txt").write_text(f"[retort.parts]\n{entry}\n")
    return site
