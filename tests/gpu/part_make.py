"""make: repositories as on the hub are written with random weights, fetched, recorded and checked."""

import shutil

import torch

from tests.gpu import models
from tests.gpu.harness import Bench, Checks


def run(bench: Bench, checks: Checks) -> None:
    shutil.rmtree(bench.folder / "models", ignore_errors=True)
    for repository in dict.fromkeys(repository for _, repository in models.FETCHED.values()):
        source = models.written(bench, repository)
        for name, (kind, holds) in models.FETCHED.items():
            if holds == repository:
                _one(bench, checks, name, kind, source)
        shutil.rmtree(source)
    rows = models.check_all(bench)
    checked = [row for row in rows if row["checked"].startswith("files whole")]
    checks.that("check_models passes all", len(checked) == len(models.FETCHED), f"{len(checked)} models")
    checks.figure("GB of all models", sum(row["bytes"] for row in rows) / 1e9)


def _one(bench: Bench, checks: Checks, name: str, kind: str, source) -> None:
    model = models.fetch(bench, name, source)
    faults = models.origin_faults(model, source)
    checks.that(f"{name}: fetched, origin.json complete", not faults, "; ".join(faults))
    inside = source / "vae" if kind == "vae" and (source / "vae").is_dir() else source
    for part in models.parts_of(model):
        before, after = (models.read_weights(place / part) for place in (inside, model))
        same = before.keys() == after.keys() and all(_equal(before[key], after[key]) for key in before)
        checks.that(f"{name}: {part or 'weights'} as written", same, f"{len(after)} tensors")


def _equal(before: torch.Tensor, after: torch.Tensor) -> bool:
    """Equal in the dtype that the fetched file has, which may be half as long."""
    return torch.equal(before.to(after.dtype), after)
