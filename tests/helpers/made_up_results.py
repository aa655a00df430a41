"""A results folder as a run of a config leaves it, with made-up numbers and pictures: what the report reads."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from retort.base.files import write_json
from retort.config.load import load_config
from retort.data.manifest import ClassEntry, write_manifest
from retort.plan.compositions import Compositions
from retort.plan.jobs import full_size, shared_jobs
from retort.plan.plan import Plan
from retort.plan.used_parts import used_parts
from retort.report.sheet import TILE, draw_sheet
from retort.stages.tables.tabulate_accuracy import tabulate_accuracy
from retort.stages.tables.tabulate_classes import tabulate_classes
from retort.stages.tables.tabulate_costs import tabulate_costs
from retort.stages.tables.tabulate_scores import tabulate_scores

TESTED = 40  # images of each class
PACKAGES = {"torch": "2.0", "numpy": "2.0"}


def made_up_results(folder: Path, raw: dict, classes: list[str]) -> dict:
    """The arguments of `report_page`, but for template and output, for a config of these classes."""
    plan = Plan(load_config(raw), classes)
    names = [f"class {name}" for name in classes]
    students = _students(folder, plan, len(classes))
    paths = {
        name: str(folder / f"{name}.csv") for name in ("accuracy", "scores", "models", "costs", "per_class", "jobs")
    }
    lines = {"random": plan.wanted_that_select("random"), "full": plan.wanted_that_select("all")}
    extra = {"unguided": plan.unguided_twins(), "wanted": plan.wanted_seeds(), "protocols": plan.protocol_ids()}
    more = [str(folder / f"accuracy.{ending}") for ending in ("md", "tex")]
    sets = {"sets": plan.other_sets}
    extra |= sets | {"one_set": plan.of_one_set()}
    tabulate_accuracy(students, paths["accuracy"], *more, **lines, **extra, reported=[])
    tabulate_scores(students, paths["scores"], **lines, hard=plan.hard_protocols(), plain=plan.plain_twins(), **sets)
    (folder / "models.csv").write_text('model,kind,measure,value\nvae,vae,"PSNR in dB, validation",24.1\n')
    manifest, table = _manifest(folder, classes, names)
    tabulate_classes(students, table, paths["per_class"], **sets)
    tabulate_costs(
        _jobs(folder, plan),
        manifest,
        table,
        paths["costs"],
        paths["jobs"],
        shards=list(plan.shards),
        full=full_size(plan),
    )
    return {
        **paths,
        "quality": _quality(folder, plan),
        "manifest": manifest,
        "class_table": table,
        "students": students,
        "sets": [_set(folder, plan, **row) for row in plan.wanted("method", "ipc")],
        "origins": [_origin(folder, name) for name in ("vae", "dit")],
        **_pictures(folder, plan, names),
        "used": used_parts(plan),
    }


def _students(folder: Path, plan: Plan, classes: int) -> list[str]:
    """Records whose accuracies follow from their confusion, better for later methods and larger sets."""
    random, paths = np.random.default_rng(0), []
    for row in plan.runs.to_dict("records"):
        size = 60 if row["ipc"] == "all" else int(row["ipc"])
        right = min(0.97, 0.4 + 0.08 * size + 0.02 * plan.wanted_methods.index(row["method"]))
        chances = np.full((classes, classes), (1 - right) / (classes - 1))
        np.fill_diagonal(chances, right)
        confusion = np.stack([random.multinomial(TESTED, line / line.sum()) for line in chances])
        per_class = np.diag(confusion) / TESTED
        top1 = per_class.mean()
        measured = {
            "teacher_arch": None,
            "last": {"top1": top1, "top5": min(1, top1 + 0.1), "per_class": per_class.tolist()}
            | {"confusion": confusion.tolist()},
            "best": {"top1": min(1, top1 + 0.01), "top5": min(1, top1 + 0.1), "step": 10},
            "curve": [],
            "image_bytes": None if row["ipc"] == "all" else 1500 * size,
            "label_bytes": 0 if plan.protocol(row["protocol"]).labels == "hard" else 40_000,
            "steps": 100,
            "views": 100 * 8,
        }
        path = folder / "students" / "-".join(map(str, row.values()))
        write_json(f"{path}.json", {"dataset": plan.dataset.name} | row | measured)
        paths.append(f"{path}.json")
    return paths


def _manifest(folder: Path, classes: list[str], names: list[str]) -> tuple[str, str]:
    entries = [ClassEntry(i, c, name) for i, (c, name) in enumerate(zip(classes, names, strict=True))]
    images = pd.DataFrame(
        {
            "split": s,
            "class_id": c,
            "class_index": i,
            "class_name": names[i],
            "image_id": f"{c}/{n}",
            "path": f"{n}.png",
        }
        for s, count in (("train", 9), ("val", 3))
        for i, c in enumerate(classes)
        for n in range(count)
    ).assign(width=8, height=8)
    write_manifest(images, entries, folder / "manifest.parquet", folder / "classes.csv")
    return str(folder / "manifest.parquet"), str(folder / "classes.csv")


def _jobs(folder: Path, plan: Plan) -> list[dict]:
    """Every job behind the tables, as long as its place in the list; images generated on a GPU."""
    jobs = []
    for seconds, job in enumerate(shared_jobs(plan), 1):
        item = Path(job.stage, *job.wildcards.values(), "{shard}" if job.stage in Compositions.METHOD_STAGES else "all")
        paths = {what: folder / what / item for what in ("benchmark", "log", "outputs")}
        for shard in plan.shards:
            files = {what: Path(str(path).format(shard=shard)) for what, path in paths.items()}
            for file in files.values():
                file.parent.mkdir(parents=True, exist_ok=True)
            files["benchmark"].write_text(f"s\tmax_rss\tcpu_time\n{seconds}\t{100 + seconds}\t{2 * seconds}\n")
            gpu = job.stage == "generate_images"
            files["log"].write_text("retort: computed on Device 9, peak memory 77.0 MB\n" if gpu else "done\n")
            files["outputs"].write_bytes(bytes(1000))
        shared = {"stage": job.stage, "methods": job.methods, "grows_with": job.grows_with}
        written = {"benchmark": str(paths["benchmark"]), "log": str(paths["log"]), "outputs": [str(paths["outputs"])]}
        jobs.append(shared | written)
    return jobs


def _quality(folder: Path, plan: Plan) -> str:
    sets = [row for row in plan.wanted("method", "ipc") if row["ipc"] != "all"]
    rows = [row | {"measure": m, "value": i + 0.5} for i, row in enumerate(sets) for m in ("density", "coverage")]
    pd.DataFrame(rows).to_csv(folder / "quality.csv", index=False)
    return str(folder / "quality.csv")


def _set(folder: Path, plan: Plan, method: str, ipc: str) -> str:
    path = folder / "distilled" / method / f"ipc{ipc}"
    record = {"python": "3.11.7", "machine": "x86_64", "versions": PACKAGES, "images": 1}
    write_json(path / "provenance.json", plan.provenance_of(method) | {"ipc": ipc} | record)
    return str(path)


def _origin(folder: Path, name: str) -> str:
    path = folder / "models" / name
    if name == "dit":
        write_json(path / "origin.json", {"name": name, "source": "some/hub", "revision": "c0ffee", "licence": "mit"})
    return str(path)


def _pictures(folder: Path, plan: Plan, names: list[str]) -> dict:
    """Pictures of noise by the names that figures.smk gives them, of the size of real ones."""
    random, figures, sets = np.random.default_rng(1), folder / "figures", plan.wanted("method", "ipc")

    def sheet(name: str, rows: Sequence[str], heads: Sequence[str], tiles: Sequence[int], tile: int = TILE) -> str:
        groups = [[list(random.integers(0, 256, (n, 8, 8, 3), dtype=np.uint8)) for n in tiles] for _ in rows]
        draw_sheet(list(zip(rows, groups, strict=True)), heads, str(figures / f"{name}.png"), tile)
        return str(figures / f"{name}.png")

    def drawn(ipc: str) -> int:
        return 10 if ipc == "all" else min(10, int(ipc))

    pictures = [
        sheet(f"sets/{m}-ipc{ipc}", names, ("real", f"{m}, {ipc} per class"), (5, drawn(ipc)))
        for m, ipc in (row.values() for row in sets)
    ]
    for m, ipc in (row.values() for row in sets if row["method"] in plan.methods_that("refine_latents")):
        heads = ("before", "after", "difference x 8")
        pictures.append(sheet(f"refinement/{m}-ipc{ipc}", names, heads, [min(5, drawn(ipc))] * 3))
    for name in plan.used_discoveries():
        panels = random.integers(0, 256, (351 * math.ceil(len(names) / 5), 338 * min(5, len(names)), 3), dtype=np.uint8)
        file = figures / "discovery" / f"{name}-n2.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(panels).save(file)
        pictures.append(str(file))
    inversions = {start.inversion: None for m in plan.wanted_methods if (start := plan.start_of(m))}
    for name in inversions:
        file = figures / "inversion" / f"{name}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        height = round(130 * (1.6 + 0.32 * len(names)))
        Image.fromarray(random.integers(0, 256, (height, 1300, 3), dtype=np.uint8)).save(file)
        pictures.append(str(file))
    heads = ("images of the first patches", "typicality and windows")
    windowed = [m for m in plan.methods_that("score_windows") if m in plan.wanted_methods]
    pictures += [sheet(f"typicality/{m}", names, heads, (4, 4), 96) for m in windowed]
    methods = ["real", *(m for m in plan.wanted_methods if m not in plan.wanted_that_select("all"))]
    most = max(drawn(row["ipc"]) for row in sets if row["ipc"] != "all")
    for i, name in enumerate(names):
        sheet(f"classes/class-{i:04d}", methods, (f"class {name}",), (most,))
    gallery = sheet("gallery", methods, ("",), (len(names),))
    return {"gallery": gallery, "class_sheets": str(figures / "classes"), "pictures": pictures}
