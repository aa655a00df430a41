"""The report's page, from tables, students' records and pictures."""

import time
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from retort.artifacts.costs import ALL
from retort.artifacts.students import student_files
from retort.base.files import read_json, whole_file
from retort.base.version import VERSION, commit_of
from retort.base.words import counted
from retort.data.manifest import read_classes, read_split
from retort.report.accuracy import CELL, COMPUTE_AND_BYTES, SPREAD, accuracy_view, headlines, of_method
from retort.report.accuracy_table import note_of
from retort.report.charts import (
    accuracy_over_bytes,
    accuracy_over_cost,
    accuracy_over_ipc,
    accuracy_over_key,
    accuracy_over_labels,
)
from retort.report.classes import by_cell, class_tables, confusion_changes
from retort.report.costs import making_seconds, method_costs, projection_target, read_costs, stage_costs
from retort.report.files import inside
from retort.report.joined_sets import joined
from retort.report.marks import marks_of, symbol_of
from retort.report.numbers import read_numbers
from retort.report.order import by_method, rows_by_method
from retort.report.pictures import class_pictures, method_pictures, picture_of
from retort.report.public import public
from retort.report.regimes import equal_protocols, regimes
from retort.report.words import indented, method_line, protocol_rows

TEMPLATE = "page.html.j2"


def report_page(
    template: str,
    page: str,
    *,
    accuracy: str,
    scores: str,
    models: str,
    costs: str,
    per_class: str,
    jobs: str,
    quality: str | None,
    manifest: str,
    class_table: str,
    students: Sequence[str],
    sets: Sequence[str],
    origins: Sequence[str],
    gallery: str,
    class_sheets: str,
    pictures: Sequence[str],
    used: dict,
) -> None:
    """One HTML page that needs no other file and no network.

    Tables by path (`quality`: of sets beside real images, where that was asked for), which the page also has as files;
    `students`, `sets` and `origins` are the folders of students' records, of distilled sets, and of models and
    teachers; of the pictures `gallery` is one, `class_sheets` a folder with one of each class, `pictures` those of sets
    and of how methods work. `used` comes from plan/used_parts.py. The style and the script stand beside the template.
    """
    used = public(used)
    names = [c.name for c in read_classes(class_table)]
    baselines, upper_bounds = used["baselines"], used["upper_bounds"]
    methods = sorted(
        used["methods"], key=upper_bounds.__contains__
    )  # the upper_bounds bound stands last, everything else as it was
    table = rows_by_method(read_numbers(accuracy), methods, CELL)
    cost = rows_by_method(read_costs(costs), methods)
    view = accuracy_view(table, upper_bounds)
    files = student_files(students)
    read = joined(map(read_json, files), used["other_sets"])
    records = by_method(read, methods, lambda record: record["method"])
    marks = marks_of(dict.fromkeys([*methods, *table["method"]]), baselines, upper_bounds)
    cells = by_cell(records)
    seconds = making_seconds(cost)
    content = {
        "used": used,
        "data": _data(used["dataset"], manifest, names),
        "models": _models(used, origins, pd.read_csv(models)),
        "protocols": {
            "names": list(used["protocols"]),
            "rows": protocol_rows(used["protocols"], used["dataset"]),
        },
        "versions": _versions(sets),
        "date": time.strftime("%d %B %Y", time.localtime(max(Path(path).stat().st_mtime for path in files))),
        "counts": {"methods": table["method"].nunique(), "sets": len(sets), "students": len(records)},
        "made_by": {"version": VERSION, "commit": commit_of()},
        "files": inside([path for path in (accuracy, per_class, scores, costs, jobs, models, quality) if path]),
        "marks": {method: symbol_of(style) for method, style in marks.items()},
        "headlines": headlines(table, baselines, upper_bounds),
        "accuracy": view,
        "spread": accuracy_view(table, upper_bounds, SPREAD),
        "compute": accuracy_view(table, upper_bounds, COMPUTE_AND_BYTES),
        "note": note_of(table),
        "charts": {
            "ipc": accuracy_over_ipc(table, upper_bounds, marks),
            "bytes": accuracy_over_bytes(table, upper_bounds, marks),
            "cost": accuracy_over_cost(table, upper_bounds, marks, seconds),
            "labels": [
                accuracy_over_labels(table, equal, upper_bounds, marks) for equal in equal_protocols(used["protocols"])
            ],
            "sweeps": [
                accuracy_over_key(table, name, of, baselines, upper_bounds) for name, of in used["sweeps"].items()
            ],
        },
        "costs": {"methods": method_costs(cost), "stages": stage_costs(cost, ALL), "target": projection_target(cost)},
        "regimes": regimes(table, read_numbers(scores), used["protocols"]),
        "class_tables": class_tables(cells, names),
        "quality": _quality(quality, methods) if quality else None,
        "confusions": confusion_changes(cells, baselines, names),
        "gallery": picture_of(gallery, "First image of every class, one row for each method, real images above"),
        "class_pictures": class_pictures(class_sheets, dict(enumerate(names))),
        "methods": [_method(name, used, cost, view, pictures) for name in methods],
    }
    with whole_file(page) as scratch:
        scratch.write_text(rendered(template, content), encoding="utf-8")


def rendered(template: str, content: dict) -> str:
    """The template with its content, escaped for HTML; a name that it lacks is an error."""
    folder = Path(template).parent
    options = {"undefined": StrictUndefined, "trim_blocks": True, "lstrip_blocks": True}
    environment = Environment(loader=FileSystemLoader(folder), autoescape=True, **options)
    environment.globals["counted"] = counted
    parts = {part: (folder / f"page.{part}").read_text(encoding="utf-8") for part in ("css", "js")}
    return environment.get_template(Path(template).name).render(content | parts)


def _data(dataset: dict, manifest: str, names: list[str]) -> dict:
    """Numbers of images, class names, and what of the data set was left out."""
    counts = {split: len(read_split(manifest, split, columns=["row"])) for split in ("train", "val")}
    listed = ", ".join(names[:30]) + (f" and {len(names) - 30} more" if len(names) > 30 else "")
    part = f"at most {counted(most, 'image')} of each class" if (most := dataset.get("max_per_class")) else ""
    return counts | {"names": listed, "count": len(names), "part": part}


def _models(used: dict, origins: Sequence[str], quality: pd.DataFrame) -> list[dict]:
    """Models and teachers: kind, where they come from, how good they were found to be."""
    records = {}
    for folder in map(Path, origins):
        if (folder / "origin.json").exists():
            records[folder.name] = public(read_json(folder / "origin.json"))
    rows = []
    for role, table in (("model", used["models"]), ("teacher", used["teachers"])):
        for name, settings in table.items():
            measured = quality[quality["model"] == name]
            rows.append(
                {"name": name, "role": role, "kind": settings.get("arch", settings.get("kind"))}
                | {"origin": _origin(settings, records.get(name, {})), "settings": indented(settings)}
                | {"quality": [(row.measure, f"{row.value:.4g}") for row in measured.itertuples()]}
            )
    return rows


def _origin(settings: dict, record: dict) -> str:
    if settings.get("train"):
        start = settings["train"].get("from")
        return "trained here" + (f", from the weights of {start}" if start else "")
    if settings.get("kind") == "optimal":
        return "made here of the training latents"
    source = record.get("source") or settings.get("source", "")
    stated = {key: record.get(key) or settings.get(key) for key in ("revision", "licence")}
    return ", ".join([str(source), *(f"{key} {value}" for key, value in stated.items() if value)])


def _versions(sets: Sequence[str]) -> list[tuple[str, str]]:
    """Package -> version, as the sets' own records say; several where sets were made with different ones."""
    found: dict[str, set] = {}
    for folder in sets:
        record = read_json(Path(folder, "provenance.json"))
        here = {"python": record["python"], "machine": record["machine"], **record["versions"]}
        for name, version in here.items():
            found.setdefault(name, set()).add(version)
    return [(name, " and ".join(sorted(versions))) for name, versions in found.items()]


def _quality(path: str, methods: Sequence[str]) -> dict:
    """Measures as columns, a row for each set."""
    table = rows_by_method(pd.read_csv(path, dtype={"ipc": str}), methods)
    measures = list(table["measure"].drop_duplicates())
    rows = []
    for (method, ipc), group in table.groupby(["method", "ipc"], sort=False):
        values = group.set_index("measure")["value"]
        cells = [f"{values[measure]:.4g}" if measure in values else "" for measure in measures]
        rows.append({"method": method, "ipc": ipc, "cells": cells})
    return {"measures": measures, "rows": rows}


def _method(name: str, used: dict, costs: pd.DataFrame, view: dict, pictures: Sequence[str]) -> dict:
    method = used["methods"][name]
    inversion = next(iter(method["shared"].get("inversions", {})), None)
    return {
        "name": name,
        "line": method_line(method["settings"], method["steps"]),
        "stages": method["stages"],
        "papers": method["papers"],
        "settings": indented(method["settings"] | method["shared"]),
        "accuracy": of_method(view, name),
        "costs": stage_costs(costs, name),
        "pictures": method_pictures(list(pictures), name, method["discoveries"], inversion),
    }
