"""What the report's page is put together from: words, charts, marks, classes, pictures, papers, files."""

import base64
import gzip
import io
import re
import subprocess
import tomllib
from itertools import combinations, pairwise
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from scipy.stats import ttest_rel

from retort.base.files import write_json
from retort.base.version import VERSION, commit_of
from retort.base.words import counted, images_per_class
from retort.evaluation.optimisers import build_optimizer, lr_factor
from retort.plan.papers import known_papers, papers_behind
from retort.report.accuracy import accuracy_view
from retort.report.accuracy_table import accuracy_shown
from retort.report.charts import accuracy_over_cost, accuracy_over_ipc
from retort.report.classes import by_cell, class_tables, confusion_changes
from retort.report.files import LARGE, inside
from retort.report.marks import marks_of, symbol_of
from retort.report.numbers import read_numbers
from retort.report.palette import COLOURS
from retort.report.pictures import WIDEST, data_uri
from retort.report.words import RATES, UNSAID, duration, method_line, protocol_rows, size
from retort.stages.tables.tabulate_accuracy import tabulate_accuracy
from tests.helpers.workspace import REPOSITORY


def student(method: str, confusion: list[list[int]], seed: int = 0, ipc: str = "1") -> dict:
    per_class = [row[i] / sum(row) for i, row in enumerate(confusion)]
    where = {"method": method, "ipc": ipc, "protocol": "hard", "student": "net", "seed": seed}
    return where | {"last": {"per_class": per_class, "confusion": confusion}}


def test_confusion_changes_by_hand():
    random = [student("random", [[6, 4, 0], [0, 10, 0], [2, 0, 8]], seed) for seed in (0, 1)]
    mine = [student("mine", [[9, 1, 0], [0, 10, 0], [2, 3, 5]]), student("mine", [[8, 1, 1], [0, 10, 0], [2, 1, 7]], 1)]
    names = ["zero", "one", "two"]
    (table,) = confusion_changes(by_cell([*random, *mine, student("full", [[9]], ipc="all")]), ["random"], names)
    (row,) = table["rows"]
    assert row["method"] == "mine"
    assert row["less"] == [("zero", "one", 40.0, 10.0)]
    assert row["more"] == [("two", "one", 0.0, 20.0), ("zero", "two", 0.0, 5.0)]


def test_without_confusion_or_random_images_there_is_no_change():
    bare = [student(name, [[1, 1], [0, 2]]) for name in ("random", "mine")]
    for record in bare:
        record["last"]["confusion"] = None
    assert confusion_changes(by_cell(bare), ["random"], ["a", "b"]) == []
    assert confusion_changes(by_cell([student("mine", [[1, 1], [0, 2]])]), ["random"], ["a", "b"]) == []


def test_of_many_classes_those_are_shown_in_which_methods_differ_most():
    def bare(method: str, per_class: list[float]) -> dict:
        return student(method, [[1]]) | {"last": {"per_class": per_class}}

    one, other = [0.5] * 30, [0.5] * 30
    for c in range(5, 25):
        other[c] = 0.6
    names = [f"c{i}" for i in range(30)]
    (table,) = class_tables(by_cell([bare("a", one), bare("b", other)]), names)
    assert table["classes"] == names[5:25]
    assert table["of"] == 30
    assert dict(table["rows"])["b"] == pytest.approx([60.0] * 20)


def test_a_wide_picture_is_scaled_down_and_a_small_one_kept_as_it_is(tmp_path):
    random = np.random.default_rng(0)
    Image.fromarray(random.integers(0, 256, (300, 2 * WIDEST, 3), dtype=np.uint8)).save(tmp_path / "wide.png")
    Image.new("RGB", (30, 20), (9, 99, 199)).save(tmp_path / "small.png")
    sizes = []
    for name in ("wide", "small"):
        content = base64.b64decode(data_uri(tmp_path / f"{name}.png").split(",")[1])
        sizes.append(Image.open(io.BytesIO(content)).size)
    assert sizes == [(WIDEST, 150), (30, 20)]


def accuracy(ipcs: list[str], methods: list[str]) -> pd.DataFrame:
    rows = [{"method": m, "ipc": ipc, "top1_last_mean": 50.0 + i} for i, m in enumerate(methods) for ipc in ipcs]
    return pd.DataFrame(rows).assign(protocol="hard", student="net", top1_last_std=float("nan"), top1_last_seeds="")


@pytest.mark.parametrize("ipcs", [["1"], ["1", "10", "50"]])
def test_charts_draw_whatever_was_run(ipcs):
    table = accuracy(ipcs, ["random", *(f"m{i}" for i in range(20)), "full"])
    marks = marks_of(table["method"].unique(), ["random"], ["full"])
    seconds = dict.fromkeys(table["method"], 10.0)
    over_ipc, over_cost = (
        accuracy_over_ipc(table, ["full"], marks),
        accuracy_over_cost(table, ["full"], marks, seconds),
    )
    for chart in (over_ipc, over_cost):
        assert chart["methods"] == list(marks)
        assert chart["lines"] == ["full"]
        assert len(drawn_in(chart)) == 21
    assert accuracy_over_cost(table, [], marks, {}) is None


SVG_STYLE = re.compile(r"(fill|stroke): ([^;]+)")


def drawn_in(chart: dict) -> dict[str, set]:
    """Method -> its (colour, shape) pairs in a chart's drawings; a shape is its outline at the size of 1."""
    found: dict[str, set] = {}
    for panel in chart["panels"]:
        root = ElementTree.fromstring(panel)
        for group in root.iter("g"):
            name = re.fullmatch(r"(?:ipc|cost)-\d+-of-(.+?)(?:-\d+)?", group.get("id", ""))
            if not name:
                continue
            outlines = {path.get("id"): path for path in group.iter("path") if path.get("id")}
            for use in group.iter("use"):
                style = dict(SVG_STYLE.findall(use.get("style")))
                colour = style.get("fill") if style.get("fill", "none") != "none" else style["stroke"]
                points = np.array(re.findall(r"-?[\d.]+(?:e-?\d+)?", outlines[use.get("href")[1:]].get("d")), float)
                shape = tuple(np.round(points / np.abs(points).max(), 2) + 0.0)
                hollow = style.get("fill", "none") == "none"
                found.setdefault(name[1], set()).add((colour, shape, hollow))
    return found


def test_a_method_has_one_colour_and_one_mark_in_every_chart_and_no_other_has_both():
    methods = ["random", *(f"m{i}" for i in range(45))]
    table = accuracy(["1", "10"], methods)
    marks = marks_of(methods, ["random"], [])
    seconds = {method: 5.0 + i for i, method in enumerate(methods)}
    charts = [accuracy_over_ipc(table, [], marks), accuracy_over_cost(table[table["ipc"] == "1"], [], marks, seconds)]
    of_ipc, of_cost = map(drawn_in, charts)
    assert set(of_ipc) == set(of_cost) == set(methods)
    pairs = [pair for found in of_ipc.values() for pair in found]
    assert len(pairs) == len(set(pairs)) == len(methods)
    assert of_ipc == of_cost
    symbols = [tuple(symbol_of(style).values()) for style in marks.values()]
    assert len(set(symbols)) == len(methods)


def test_a_method_keeps_its_mark_whatever_else_a_table_lacks():
    methods = [f"m{i}" for i in range(5)]
    table = accuracy(["1"], [methods[3], methods[1]])
    chart = accuracy_over_ipc(table, [], marks_of(methods, [], []))
    whole = drawn_in(accuracy_over_ipc(accuracy(["1"], methods), [], marks_of(methods, [], [])))
    assert drawn_in(chart) == {name: whole[name] for name in ("m1", "m3")}
    assert chart["methods"] == ["m1", "m3"]


def test_the_pairs_of_the_first_sixty_six_methods_differ_and_neighbours_share_neither():
    marks = list(marks_of([f"m{i}" for i in range(66)], [], []).values())
    pairs = [(mark["color"], mark["marker"], mark["fillstyle"]) for mark in marks]
    assert len(set(pairs)) == 66
    for one, other in pairwise(pairs):
        assert one[0] != other[0]
        assert one[1:] != other[1:]


# Linear RGB as people see it who lack one kind of cone: Machado et al. 2009, severity 1.
BLIND = {
    "with all cones": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def lab(colour: str, seen: np.ndarray) -> np.ndarray:
    """CIELAB of a colour under D65, seen through one of BLIND."""
    rgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    xyz = TO_XYZ @ np.clip(seen @ linear, 0, 1) / (TO_XYZ @ np.ones(3))
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("kind", BLIND)
def test_colours_stay_apart_with_any_colour_vision(kind):
    seen = [lab(colour, np.array(BLIND[kind])) for colour in COLOURS]
    distances = [np.linalg.norm(a - b) for a, b in combinations(seen, 2)]
    assert min(distances) > 11  # ten times what is just seen


def test_large_tables_are_compressed_and_small_ones_are_not(tmp_path):
    (tmp_path / "small.csv").write_text("a,b\n1,2\n")
    (tmp_path / "large.csv").write_text("a,b\n" + "1,2\n" * LARGE)
    small, large = inside([str(tmp_path / "small.csv"), str(tmp_path / "large.csv")])
    assert (small["name"], large["name"]) == ("small.csv", "large.csv.gz")
    content = base64.b64decode(large["src"].removeprefix("data:application/gzip;base64,"))
    assert gzip.decompress(content) == (tmp_path / "large.csv").read_bytes()
    assert small["size"] == "8 B"
    assert inside([str(tmp_path / "large.csv")])[0]["src"] == large["src"]


def test_papers_are_those_of_the_parts_and_what_is_not_known_has_none():
    generate = {"model": "dit", "sampler": "ddpm", "start": "noise", "pool": 4}
    made = {"generate": generate, "select": {"teacher": "resnet", "keep": "confident"}, "refine": {"iterations": 1}}
    papers = papers_behind(made, {"kind": "dit"})
    assert [paper["link"].rsplit("/", 1)[1] for paper in papers] == ["2506.22637", "2006.11239", "2212.09748"]
    assert papers[0]["what"] == "its choice from a pool and its refinement"
    assert papers_behind({"generate": generate}, None)[0]["link"].endswith("2006.11239")  # no choice without a teacher
    assert papers_behind({"select": {"flow": 1}}, None) == papers_behind({"flow": []}, None) == []
    parts = known_papers()["parts"]
    assert {part["paper"] for part in parts} == set(known_papers()["papers"])


def test_one_of_a_thing_is_counted_in_the_singular():
    said = [counted(n, "class", "classes") for n in (0, 1, 1000)]
    assert said == ["0 classes", "1 class", "1,000 classes"]
    assert [images_per_class(ipc) for ipc in ("1", "10", "all")] == [
        "1 image per class",
        "10 images per class",
        "all images",
    ]
    generate = {
        "model": "dit",
        "sampler": "ddim",
        "guidance": 2.0,
        "pool": 1,
        "start": {"inversion": "ddim", "search": "groups", "groups": 1},
    }
    refine = {"condition": "class", "iterations": 1}
    line = method_line({"generate": generate, "select": {"teacher": "t", "keep": "confident"}, "refine": refine}, 1)
    for said in ("1 step,", "of 1 random group by", "of 1 sample for", "in 1 step,"):
        assert said in line
    compose = {"score": {"teacher": "t"}, "rank": {"clusters": 1, "encoder": "vae"}, "grid": 2}
    assert "of 1 cluster in turn" in method_line({"compose": compose}, None)


def test_a_commit_is_said_only_of_a_clone_of_its_own(tmp_path):
    git = ["git", "-C", str(tmp_path), "-c", "user.name=x", "-c", "user.email=x@example.org"]
    assert commit_of(tmp_path) == ""
    (tmp_path / "inner" / "workflow").mkdir(parents=True)
    (tmp_path / "workflow").mkdir()
    for folder in (tmp_path, tmp_path / "inner"):
        (folder / "workflow" / "code.py").write_text("1\n")
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"]):
        subprocess.run([*git, *command], check=True)
    commit = commit_of(tmp_path)
    assert re.fullmatch(r"[0-9a-f]{40}", commit)
    assert commit_of(tmp_path / "inner") == ""  # a copy inside another project's clone
    (tmp_path / "notes.txt").write_text("not code\n")
    assert commit_of(tmp_path) == commit
    (tmp_path / "workflow" / "code.py").write_text("2\n")
    assert commit_of(tmp_path) == f"{commit} with changes that are not committed"
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert project["version"] == VERSION


def test_numbers_read_as_people_say_them():
    assert [duration(s) for s in (0, 4.24, 59, 60, 3599, 5400, float("nan"))] == [
        *("0", "4.2 s", "59.0 s", "1.0 min", "60.0 min", "1.5 h", ""),
    ]
    assert [size(n) for n in (0, 999, 1500, 2.34e9, float("nan"))] == ["0 B", "999 B", "1.5 kB", "2.34 GB", ""]


def test_a_constant_by_image_count_is_spelt_out():
    protocol = {"id": "x", "labels": "hard", "views": {"batch": {10: 50, 50: 100}}, "optimizer": {"kind": "sgd"}}
    rows = dict(protocol_rows({"p": protocol | {"temperature": 20.0, "evaluations": 3}}))
    assert rows["batch"] == ["up to 10 per class: 50, up to 50 per class: 100"]
    assert "temperature" not in rows  # of soft labels only


def optimiser(kind: str, schedule: str) -> dict:
    return {"kind": kind, "lr": 0.1, "momentum": 0.9, "weight_decay": 0.01, "schedule": schedule}


@pytest.mark.parametrize("kind", ["sgd", "adamw"])
def test_the_constants_of_an_optimiser_are_those_that_it_computes_with(kind):
    built = build_optimizer(torch.nn.Linear(2, 2), kind, 0.1, 0.9, 0.01).defaults
    protocol = {"id": "x", "labels": "hard", "views": {}, "optimizer": optimiser(kind, "constant"), "evaluations": 3}
    rows = {name: cells[0] for name, cells in protocol_rows({"p": protocol})}
    assert rows.get("momentum") == (str(built["momentum"]) if "momentum" in built else None)
    assert rows.get("betas") == (", ".join(map(str, built["betas"])) if "betas" in built else None)
    assert rows.get("epsilon") == (str(built["eps"]) if "eps" in built else None)
    assert set(UNSAID[kind]) <= set(rows)


def test_the_words_for_learning_rates_say_what_they_do():
    assert set(RATES) == {"half-cosine", "cosine", "milestones", "constant"}
    factors = {name: [lr_factor(name, now, 600) for now in (0, 399, 400, 499, 500, 600)] for name in RATES}
    assert factors["milestones"] == pytest.approx([1, 1, 0.2, 0.2, 0.04, 0.04])  # x 0.2 at 2/3 and again at 5/6
    assert factors["constant"] == [1] * 6
    assert (factors["half-cosine"][0], factors["half-cosine"][-1]) == (1, pytest.approx(0.5))
    assert (factors["cosine"][0], factors["cosine"][-1]) == (1, pytest.approx(0))
    protocol = {"id": "x", "labels": "hard", "views": {}, "evaluations": 3}
    protocols = {name: protocol | {"optimizer": optimiser("sgd", name)} for name in RATES}
    assert dict(protocol_rows(protocols))["learning rate over the training"] == list(RATES.values())


def test_every_number_is_rounded_once_from_the_students(tmp_path):
    """A deviation of 5.147 is 5.1 and not, by way of 5.15, 5.2; and p likewise."""
    lasts = {"random": (0.2, 0.3, 0.4), "mine": (0.15023, 0.2017, 0.25317)}
    same = {"dataset": "toy", "ipc": "1", "protocol": "hard", "student": "net", "teacher_arch": None}
    same |= {"steps": 10, "views": 80, "image_bytes": 9, "label_bytes": 0}
    files = []
    for method, tops in lasts.items():
        for seed, top in enumerate(tops):
            measured = {"top1": top, "top5": 1.0, "per_class": [top]}
            record = same | {"method": method, "seed": seed, "last": measured, "best": measured | {"step": 1}}
            files.append(str(tmp_path / f"{method}-{seed}.json"))
            write_json(files[-1], record)
    outputs = [str(tmp_path / f"accuracy.{ending}") for ending in ("csv", "md", "tex")]
    lines = {"random": ["random"], "full": [], "unguided": {}, "wanted": [], "protocols": {"hard": "hard"}}
    tabulate_accuracy(files, *outputs, **lines, reported=[])
    deviation = np.std(100 * np.array(lasts["mine"]), ddof=1)
    p = ttest_rel(lasts["mine"], lasts["random"]).pvalue
    twice = f"{round(deviation, 2):.1f}", f"{round(p, 4):.3f}"
    assert (f"{deviation:.1f}" == twice[0], f"{p:.3f}" == twice[1]) == (False, False)  # or this test could not fail
    row = accuracy_view(read_numbers(outputs[0]), [])["rows"][-1]["cells"]
    assert row["top1_last"]["text"].endswith(f"± {deviation:.1f} †")  # its first student is far below the others
    assert row["p_random"]["text"] == f"{p:.3f}"
    texts = accuracy_shown(read_numbers(outputs[0])).iloc[-1]
    markdown = [cell.strip() for cell in Path(outputs[1]).read_text().splitlines()[3].split("|")]
    assert (texts["top-1 last"], texts["p"]) == (row["top1_last"]["text"], row["p_random"]["text"])
    assert {texts["top-1 last"], texts["p"]} <= set(markdown)
