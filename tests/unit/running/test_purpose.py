"""What a checkpoint is for: the same after a crash, another after anything that could change the result."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from snakemake.iocontainers import InputFiles, Params

from retort.base.files import whole_directory, write_json
from retort.running.job import purpose

PARAMS = {
    "code": "0123456789ab",
    "settings": {"steps": 5, "crop": (0.4, 1.0), "lr": 0.1, "top": None},
    "seeds": 3,
    "checkpoint": "results/smoke/checkpoints/dit.safetensors",
}
BEFORE = 10**9 * 1_700_000_000  # nanoseconds: when inputs were made


def set_of(path: Path, *names: str) -> None:
    with whole_directory(path) as scratch:
        for name in names:
            (scratch / name).write_text(name)


@pytest.fixture
def inputs(tmp_path) -> dict[str, Path]:
    """Two files and a directory, made a while ago."""
    made = {name: tmp_path / name for name in ("val.json", "classes.json", "distilled")}
    for name in ("val.json", "classes.json"):
        write_json(made[name], [1, 2, 3])
    set_of(made["distilled"], "a", "b")
    for path in made.values():
        os.utime(path, ns=(BEFORE, BEFORE))
    return made


def job(inputs: dict[str, Path], params: dict = PARAMS, **rest) -> SimpleNamespace:
    """What Snakemake gives a script; `rest` differs from attempt to attempt."""
    named = {name.partition(".")[0]: str(path) for name, path in inputs.items()}
    return SimpleNamespace(input=InputFiles(fromdict=named), params=Params(fromdict=params), **rest)


def test_it_is_the_same_after_a_crash(inputs):
    first = purpose(job(inputs, attempt=1, threads=1, resources={"mem_mb": 8000}))
    for path in inputs.values():  # reading changes nothing
        [file.read_bytes() for file in [path, *path.rglob("*")] if file.is_file()]
    reordered = dict(reversed(PARAMS.items())) | {"settings": dict(reversed(PARAMS["settings"].items()))}
    assert purpose(job(inputs, reordered, attempt=2, threads=8, resources={"mem_mb": 16000})) == first
    assert purpose(job(inputs)) == first


def rebuilt(name: str):
    """The same content once more."""

    def change(inputs: dict[str, Path]) -> None:
        if inputs[name].is_dir():
            set_of(inputs[name], "a", "b")
        else:
            write_json(inputs[name], [1, 2, 3])

    return change


def grown(inputs: dict[str, Path]) -> None:
    write_json(inputs["val.json"], [1, 2, 3, 4])
    os.utime(inputs["val.json"], ns=(BEFORE, BEFORE))


def moved(inputs: dict[str, Path]) -> None:
    inputs["val.json"] = inputs["val.json"].rename(inputs["val.json"].with_name("other.json"))


CHANGES = {
    "a file rebuilt": rebuilt("val.json"),
    "a directory rebuilt": rebuilt("distilled"),
    "a file of another size": grown,
    "a file elsewhere": moved,
    "an input less": lambda inputs: inputs.pop("distilled"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_it_changes_with_the_inputs(inputs, change):
    before = purpose(job(inputs))
    change(inputs)
    assert purpose(job(inputs)) != before


@pytest.mark.parametrize(
    "change",
    [{"code": "ba9876543210"}, {"settings": PARAMS["settings"] | {"lr": 0.2}}, {"seeds": 5}, {"more": None}],
    ids=["code", "a setting", "seeds", "a parameter more"],
)
def test_it_changes_with_the_parameters(inputs, change):
    assert purpose(job(inputs, PARAMS | change)) != purpose(job(inputs))
