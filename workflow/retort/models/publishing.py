"""Trained models made ready to be given away: half precision, a card, the curve of the training, and checksums.

    python -m retort.models.publishing CONFIG FOLDER

writes FOLDER/<name>/ for each model and teacher that CONFIG trains and whose training is finished, with its quality
from results/models.csv. Other configs then take it as any published one, by `source: FOLDER/<name>`.
"""

import argparse
import re
import shutil
import sys
from importlib.metadata import version
from pathlib import Path

import yaml

from retort.base.errors import RetortError
from retort.base.files import read_json, read_rows, sha256_of, whole_directory, write_json, write_rows
from retort.base.version import VERSION, commit_of
from retort.config.load import load_config
from retort.data.licences import KNOWN
from retort.models.sources import FILES

CARD, CURVE = "README.md", "curve.csv"
OWN = (FILES, CARD)  # what no checksum is written down of
MOST_BYTES = 5_000_000  # of one file
LEFT_BEHIND = shutil.ignore_patterns("quality.json", "vae", ".*")  # a copy of its encoder, and marks of Snakemake's
LIBRARIES = ("torch", "diffusers", "numpy", "safetensors")
POINT = re.compile(r"\b(\d+)/\d+ \[[^\]]*loss=([\d.e+-]+|nan|inf)\]")

TEMPLATE = """\
---
license: apache-2.0
tags: [dataset-distillation]
---

# {name}

A model ({kind}) for {data}, trained by Retort to study the distillation of data sets. It is used by `source:` with the
path of this folder.

## Data

{terms}. Trained on the training split, measured on the other one.

## Training

```yaml
{training}
```

Seed {seed}; Retort {retort}, {versions}, Python {python}; {minutes} minutes since it was last resumed. The losses
that the log shows are in `{curve}`.

## Quality

| measure | value |
|---|---|
{quality}

Measured in single precision, before the weights were rounded to half precision.

## Files

| file | bytes | SHA-256 |
|---|---|---|
{files}
"""


def publish(config: Path, results: Path, target: Path) -> list[Path]:
    """The folders that were written. Raises RetortError for a model that is not trained yet, and for a large file."""
    raw = yaml.safe_load(config.read_text(encoding="utf-8"))
    settings = load_config(raw)
    home, models, teachers = results / settings.dataset.name, settings.models, settings.teachers
    wanted = [(name, "models", model.kind, f"train_{model.kind}") for name, model in models.items() if model.train]
    wanted += [(name, "teachers", t.arch, "train_teacher") for name, t in teachers.items() if t.train]
    if missing := [name for name, part, _, _ in wanted if not (home / part / name).is_dir()]:
        raise RetortError(f"{home} has no {', '.join(missing)}; run snakemake tabulate_models with {config} first")
    quality = read_rows(results / "models.csv")
    written = []
    for name, part, kind, stage in wanted:
        measured = [row for row in quality if row["model"] == name]
        if not measured:
            raise RetortError(f"{results / 'models.csv'} does not say how good {name} is; run tabulate_models again")
        with whole_directory(target / name) as scratch:
            shutil.copytree(home / part / name, scratch, dirs_exist_ok=True, ignore=LEFT_BEHIND)
            _narrow(scratch)
            write_rows(scratch / CURVE, ["step", "loss"], curve_of(home / "logs" / stage / f"{name}.log"))
            files = facts_of(scratch)
            if large := [file for file, found in files.items() if found["bytes"] > MOST_BYTES]:
                raise RetortError(f"{name}: {', '.join(large)} has more than {MOST_BYTES:,} bytes; train a smaller one")
            write_json(scratch / FILES, files)
            seconds = sum(float(row["s"]) for row in _table(home / "benchmarks" / stage / f"{name}.tsv"))
            text = card(name, kind, raw, raw[part][name]["train"], measured, seconds, files)
            (scratch / CARD).write_text(text, encoding="utf-8")
        written.append(target / name)
    return written


def facts_of(folder: Path) -> dict[str, dict]:
    """Path -> bytes and sha256 of every file, but for the list of them and the card that shows it."""
    files = sorted(file for file in folder.rglob("*") if file.is_file() and file.name not in OWN)
    return {f.relative_to(folder).as_posix(): {"bytes": f.stat().st_size, "sha256": sha256_of(f)} for f in files}


def faults_of(folder: Path) -> list[str]:
    """What differs between a published model's files and what is written down of them; none where it is whole."""
    listed, found = read_json(folder / FILES), facts_of(folder)
    text = (folder / CARD).read_text(encoding="utf-8")
    faults = [f"{name} is not listed" for name in found.keys() - listed.keys()]
    faults += [f"{name} is gone" for name in listed.keys() - found.keys()]
    faults += [f"{name} has changed" for name in found.keys() & listed.keys() if found[name] != listed[name]]
    faults += [f"the card lacks the checksum of {name}" for name in listed if listed[name]["sha256"] not in text]
    return sorted(faults)


def curve_of(log: Path) -> list[dict]:
    """step and loss, from the progress lines of a training's log, each step once and in order."""
    points = {int(m[1]): m[2] for m in POINT.finditer(log.read_text(encoding="utf-8", errors="replace"))}
    return [{"step": step, "loss": points[step]} for step in sorted(points)]


def card(
    name: str, kind: str, config: dict, training: dict, measured: list[dict], seconds: float, files: dict[str, dict]
) -> str:
    """A card as the hub shows them: what the model is, of which data, how it was made, how good it is, its files."""
    data, commit = config["dataset"], commit_of()
    return TEMPLATE.format(
        name=name,
        kind=kind,
        data=f"{data['kind']} at {data.get('resolution', 32)} px",
        terms=KNOWN[data["kind"]].words if data["kind"] in KNOWN else "See the data set's own terms",
        training=yaml.safe_dump(training, sort_keys=False, width=100).strip(),
        seed=config["seed"],
        retort=f"{VERSION} ({commit})" if commit else VERSION,
        versions=", ".join(f"{library} {version(library)}" for library in LIBRARIES),
        python=sys.version.split()[0],
        minutes=f"{seconds / 60:.0f}",
        curve=CURVE,
        quality="\n".join(f"| {row['measure']} | {float(row['value']):.4g} |" for row in measured),
        files="\n".join(f"| `{file}` | {f['bytes']:,} | `{f['sha256']}` |" for file, f in files.items()),
    )


def _narrow(folder: Path) -> None:
    import torch

    from retort.models.narrow import narrow_folder

    for place in sorted({file.parent for file in folder.rglob("*.safetensors")}):
        narrow_folder(place, torch.float16)


def _table(path: Path) -> list[dict]:
    head, *rows = (line.split("\t") for line in path.read_text().splitlines())
    return [dict(zip(head, row, strict=True)) for row in rows]


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Make trained models ready to be given away.")
    parser.add_argument("config", type=Path, help="the config that trained them")
    parser.add_argument("folder", type=Path, help="gets a folder for each model")
    parser.add_argument("--results", type=Path, default=Path("results"), help="where the config's results lie")
    options = parser.parse_args(words)
    try:
        written = publish(options.config, options.results, options.folder)
    except RetortError as error:
        print(error, file=sys.stderr)
        return 1
    for folder in written:
        print(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
