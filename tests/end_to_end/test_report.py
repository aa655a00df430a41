"""The report's page: parsed, compared with the tables that it was made from, and looked at in a browser."""

import base64
import io
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from scipy.stats import ttest_rel

from retort.base.files import write_json
from retort.evaluation.optimisers import build_optimizer, lr_factor
from retort.report.accuracy import accuracy_view
from retort.report.accuracy_table import accuracy_shown
from retort.report.charts import accuracy_over_cost, accuracy_over_ipc
from retort.report.classes import by_cell, class_tables, confusion_changes
from retort.report.numbers import read_numbers, spread
from retort.report.pictures import WIDEST, data_uri
from retort.report.set_card import steps_in_words
from retort.report.words import LOSSES, RATES, UNSAID, duration, method_line, protocol_rows, size
from retort.stages.pictures.report_page import report_page
from retort.stages.tables.tabulate_accuracy import tabulate_accuracy

from .made_up_results import made_up_results
from .workspace import REPOSITORY, smoke_config

TEMPLATE = REPOSITORY / "workflow" / "report" / "page.html.j2"
VOID = {"meta", "img", "input", "br", "link", "hr"}
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
in_a_browser = pytest.mark.skipif(BROWSER is None, reason="no Chromium here: the page was parsed, but not looked at")


class Page(HTMLParser):
    """Elements as (tag, attributes), tables as rows of cell texts; unbalanced tags fail."""

    def __init__(self, text: str):
        super().__init__()
        self.elements, self.open, self.tables, self.cell = [], [], [], None
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append((dict(attrs).get("id"), []))
        elif tag == "tr":
            self.tables[-1][1].append([])
        elif tag in ("td", "th"):
            self.cell = []

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        if self.cell is not None:
            self.cell.append(data)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        if tag in ("td", "th"):
            self.tables[-1][1][-1].append(" ".join("".join(self.cell).split()))
            self.cell = None

    def values(self, attribute: str, tag: str | None = None) -> list[str]:
        return [attrs[attribute] for name, attrs in self.elements if attribute in attrs and tag in (None, name)]

    def table(self, name: str) -> list[list[str]]:
        (rows,) = (rows for own, rows in self.tables if own == name)
        return rows


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> dict:
    config = smoke_config()
    config["models"]["dit"] = {"kind": "dit", "encoder": "vae", "source": "some/hub"}
    return made_up_results(tmp_path_factory.mktemp("report"), config, ["0", "1"])


@pytest.fixture(scope="module")
def file(made, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    report_page(str(TEMPLATE), str(path), **made)
    return path


@pytest.fixture(scope="module")
def text(file) -> str:
    return file.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(text) -> Page:
    return Page(text)


# ---------------------------------------------------------------- the page


def test_every_row_of_the_accuracy_table_is_there_with_its_numbers(made, page):
    table = pd.read_csv(made["accuracy"], dtype={"ipc": str})
    heads, *rows = page.table("accuracy-table")
    shown = [dict(zip(heads, row, strict=True)) for row in rows]
    assert len(shown) == len(table) > 15
    for row, expected in zip(shown, table.to_dict("records"), strict=True):
        assert (row["method"], row["images per class"]) == (expected["method"], expected["ipc"])
        assert row["protocol"] == f"{expected['protocol']}{expected['protocol_id']}"
        mean = spread(expected["top1_last_mean"], expected["top1_last_std"])
        assert row["top-1, last"].removesuffix(" (best of its cell)") == mean
        gap = expected["gap_to_random"]
        assert row["to random"] == ("" if np.isnan(gap) else f"{gap:+.1f}")
    small = table[table["method"] != "full"]
    best = small.loc[small.groupby(["protocol", "student", "ipc"])["top1_last_mean"].idxmax()]
    marked = {(r["method"], r["images per class"]) for r in shown if r["top-1, last"].endswith("(best of its cell)")}
    assert marked >= set(zip(best["method"], best["ipc"], strict=True))
    assert "full" not in {method for method, _ in marked}


def test_every_table_is_complete_and_every_link_leads_somewhere(page):
    assert len(page.tables) > 30
    for name, rows in page.tables:
        assert len({len(row) for row in rows}) == 1, (name, rows[:2])
        assert len(rows) > 1
    ids = page.values("id")
    assert len(set(ids)) == len(ids)
    targets = {href[1:] for href in page.values("href") if href.startswith("#")}
    targets |= {name for names in page.values("aria-labelledby") for name in names.split()}
    assert targets <= set(ids)


def test_the_page_loads_nothing_and_is_small(text, page):
    sources = page.values("src") + page.values("href") + page.values("xlink:href")
    assert all(source.startswith(("data:image/", "#")) for source in sources)
    assert not {"link", "iframe", "object", "embed"} & {tag for tag, _ in page.elements}
    assert not re.search(r"@import|url\((?!#)|fetch\(|XMLHttpRequest|https?://", text)
    assert len(text) < 5e6


def test_every_picture_decodes_and_is_described(made, page):
    pictures = [attrs for tag, attrs in page.elements if tag == "img"]
    assert len(pictures) >= len(made["pictures"]) + 3  # the gallery and two classes
    for picture in pictures:
        kind, content = re.fullmatch(r"data:image/(png|webp);base64,(.+)", picture["src"]).groups()
        decoded = Image.open(io.BytesIO(base64.b64decode(content)))
        assert decoded.format.lower() == kind
        assert np.asarray(decoded.convert("L")).std() > 10
        assert len(picture["alt"]) > 20


def test_charts_are_valid_svg_in_the_pages_own_ink(text):
    charts = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    assert len(charts) == 2
    for chart in charts:
        root = ElementTree.fromstring(chart)
        assert root.attrib["role"] == "img"
        assert root.find("title").text.startswith("Test accuracy over")
        words = {element.text for element in root.iter("text")}
        assert {"random", "d3hr-coda", "full", "hard, resnet8"} <= words
        assert "currentColor" in chart
        assert not re.search("<style|font-family|#000000|#010203|http", chart)


def test_what_was_run_is_said(made, text, page):
    for words in ("some/hub, revision c0ffee, licence mit", "trained here", "torch 2.0", "Global seed 0", "soft-"):
        assert words in text
    protocols = next(rows for _, rows in page.tables if rows[0] == ["constant", "hard", "soft"])
    constants = {row[0]: row[1:] for row in protocols[1:]}
    assert constants["optimiser"] == ["sgd", "adamw"]
    assert constants["temperature"] == ["–", "20"]
    assert constants["steps"] == ["5", "–"]
    assert constants["crop"] == ["0.5 to 1", "0.5 to 1"]
    assert constants["loss"] == [LOSSES["hard"], LOSSES["soft"]]
    assert constants["momentum"] == ["0.9", "–"]
    assert constants["betas"] == ["–", "0.9, 0.999"]
    assert constants["test images: share of the side kept"] == ["1", "1"]
    assert constants["test images: resized by"] == ["bilinear", "bilinear"]
    assert constants["id"] == [made["about"]["protocols"][name]["id"] for name in ("hard", "soft")]
    for method in made["about"]["methods"]:
        assert f'<article id="method-{method}"' in text


def test_label_regimes_stand_side_by_side(made, page):
    table = pd.read_csv(made["accuracy"], dtype={"ipc": str}).set_index(["method", "ipc", "protocol"])["top1_last_mean"]
    rows = next(
        rows for _, rows in page.tables if rows[0][:5] == ["method", "images per class", "student", "hard", "soft"]
    )
    assert [row[0] for row in rows[1:]] == ["random", "dit", "d3hr", "full"]
    for method, ipc, _, hard, soft, *_ in rows[1:]:
        assert float(hard.split()[0]) == pytest.approx(table[method, ipc, "hard"], abs=0.051)
        assert float(soft.split()[0]) == pytest.approx(table[method, ipc, "soft"], abs=0.051)


def test_costs_by_method_are_those_of_the_table(made, page):
    costs = pd.read_csv(made["costs"])
    rows = next(rows for _, rows in page.tables if rows[0][:2] == ["method", "its share"])
    shares = costs[costs["method"] != "all"].groupby("method")["apportioned_seconds"].sum()
    assert {row[0]: row[1] for row in rows[1:-1]} == {name: duration(seconds) for name, seconds in shares.items()}
    assert rows[-1][:2] == ["all together", duration(shares.sum())]


def test_measures_of_sets_are_there_where_they_were_asked_for(made, page, tmp_path):
    table = pd.read_csv(made["quality"], dtype={"ipc": str}).set_index(["method", "ipc", "measure"])["value"]
    heads, *rows = next(rows for _, rows in page.tables if rows[0][2:] == ["density", "coverage"])
    assert len(rows) == len(table) / 2
    for method, ipc, *values in rows:
        assert [float(v) for v in values] == [table[method, ipc, measure] for measure in heads[2:]]
    report_page(str(TEMPLATE), str(tmp_path / "page.html"), **made | {"quality": None})
    assert "beside-real" not in (tmp_path / "page.html").read_text()


def test_the_page_does_not_say_where_things_lie_on_this_machine(made, tmp_path):
    about = made["about"] | {"dataset": made["about"]["dataset"] | {"path": str(tmp_path / "photos")}}
    about["models"] = {"vae": {"kind": "vae", "source": "/home/somebody/weights/vae"}}
    report_page(str(TEMPLATE), str(tmp_path / "page.html"), **made | {"about": about})
    text = (tmp_path / "page.html").read_text()
    assert "/home/somebody" not in text
    assert str(tmp_path) not in text
    assert "source: vae" in text


def test_names_are_escaped(made, tmp_path):
    harm = "<script>alert(1)</script>"
    classes = tmp_path / "classes.csv"
    classes.write_text(f"index,id,name\n0,0,{harm}\n1,1,b&w\n")
    report_page(str(TEMPLATE), str(tmp_path / "page.html"), **made | {"class_table": str(classes)})
    text = (tmp_path / "page.html").read_text()
    assert harm not in text
    assert "b&amp;w" in text


# ---------------------------------------------------------------- in a browser


def browse(*arguments: str) -> str:
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--virtual-time-budget=3000"]
    done = subprocess.run([BROWSER, *flags, *arguments], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def after(script: str, text: str, tmp_path: Path, width: int = 1360) -> str:
    """The page as it is in a browser, once `script` has run on it."""
    path = tmp_path / "acted.html"
    path.write_text(text.replace("</body>", f"<script>{script}</script></body>"), encoding="utf-8")
    return browse(f"--window-size={width},900", "--dump-dom", path.as_uri())


@in_a_browser
def test_columns_sort_by_click_and_rows_filter(made, text, tmp_path):
    table = pd.read_csv(made["accuracy"])
    heads = "Array.from(document.querySelectorAll('#accuracy-table thead button'))"
    click = f"{heads}.find((head) => head.textContent.includes('top-1, last')).click();"
    for clicks, descending in ((1, True), (2, False)):
        dom = Page(after(click * clicks, text, tmp_path))
        means = [float(row[5].split()[0]) for row in dom.table("accuracy-table")[1:]]
        assert means == sorted(means, reverse=descending)
        assert sorted(means) == pytest.approx(sorted(table["top1_last_mean"]), abs=0.051)
        (state,) = dom.values("aria-sort")
        assert state == ("descending" if descending else "ascending")
    choose = "form.elements.protocol.value = 'soft'; form.dispatchEvent(new Event('input'));"
    dom = after(choose, text, tmp_path)
    assert f"{(table['protocol'] == 'soft').sum()} of {len(table)} rows" in dom
    hidden = [attrs["data-protocol"] for tag, attrs in Page(dom).elements if tag == "tr" and "hidden" in attrs]
    assert hidden == ["hard"] * (table["protocol"] == "hard").sum()


@in_a_browser
@pytest.mark.parametrize("width", [1360, 520])
def test_nothing_is_wider_than_the_window(text, tmp_path, width):
    measure = "document.title = `${document.documentElement.scrollWidth} in ${window.innerWidth}`"
    dom = after(measure, text, tmp_path, width)
    found, window = map(int, re.search(r"<title>(\d+) in (\d+)</title>", dom).groups())
    assert found <= window


@in_a_browser
@pytest.mark.parametrize("dark", [False, True])
def test_a_screenshot_shows_ink_on_paper(file, tmp_path, dark):
    shot = tmp_path / "shot.png"
    blink = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
    browse("--window-size=1360,1800", blink, f"--screenshot={shot}", file.as_uri())
    grey = np.asarray(Image.open(shot).convert("L")).astype(int)
    assert grey.shape == (1800, 1360)
    assert (np.median(grey) < 60) == dark
    assert 0.01 < (np.abs(grey - np.median(grey)) > 80).mean() < 0.3


@in_a_browser
def test_it_prints_to_pages(file, tmp_path):
    browse("--no-pdf-header-footer", f"--print-to-pdf={tmp_path / 'report.pdf'}", file.as_uri())
    content = (tmp_path / "report.pdf").read_bytes()
    assert content.startswith(b"%PDF")
    assert len(re.findall(rb"/Type\s*/Page\b", content)) > 3


# ---------------------------------------------------------------- its parts


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
    return pd.DataFrame(rows).assign(protocol="hard", student="net", top1_last_std=float("nan"))


@pytest.mark.parametrize("ipcs", [["1"], ["1", "10", "50"]])
def test_charts_draw_whatever_was_run(ipcs):
    table = accuracy(ipcs, ["random", *(f"m{i}" for i in range(20))])
    seconds = dict.fromkeys(table["method"], 10.0)
    for chart in (accuracy_over_ipc(table, ["random"], []), accuracy_over_cost(table, ["random"], [], seconds)):
        words = [element.text for element in ElementTree.fromstring(chart).iter("text")]
        assert {f"m{i}" for i in range(20)} <= set(words)
    assert accuracy_over_cost(table, [], [], {}) == ""


def test_numbers_read_as_people_say_them():
    assert [duration(s) for s in (0, 4.24, 59, 60, 3599, 5400, float("nan"))] == [
        *("0", "4.2 s", "59.0 s", "1.0 min", "60.0 min", "1.5 h", ""),
    ]
    assert [size(n) for n in (0, 999, 1500, 2.34e9, float("nan"))] == ["0 B", "999 B", "1.5 kB", "2.34 GB", ""]


def test_methods_are_told_in_one_sentence(made):
    lines = {name: method_line(m["settings"], m["steps"]) for name, m in made["about"]["methods"].items()}
    assert lines["random"] == "Random real images (baseline)."
    assert lines["dit"] == "Samples from dit (DDIM, 10 steps, CFG 2), starting from noise."
    assert lines["coda"].startswith(
        "Samples from dit (DPM-Solver++, 6 steps, CFG 2), starting from noise, drawn towards"
    )
    assert "of 2 samples for each image keeps those that resnet recognises, the confident ones first" in lines["cao2"]
    assert "the best of 100 random groups" in lines["d3hr"]
    assert "2 x 2 to an image" in lines["ddps"]
    assert all(line.endswith(".") and ". " not in line for line in lines.values())


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
    assert set(RATES) == {"half-cosine", "milestones", "constant"}
    factors = {name: [lr_factor(name, now, 600) for now in (0, 399, 400, 499, 500, 600)] for name in RATES}
    assert factors["milestones"] == pytest.approx([1, 1, 0.2, 0.2, 0.04, 0.04])  # x 0.2 at 2/3 and again at 5/6
    assert factors["constant"] == [1] * 6
    assert (factors["half-cosine"][0], factors["half-cosine"][-1]) == (1, pytest.approx(0.5))
    protocol = {"id": "x", "labels": "hard", "views": {}, "evaluations": 3}
    protocols = {name: protocol | {"optimizer": optimiser("sgd", name)} for name in RATES}
    assert dict(protocol_rows(protocols))["learning rate over the training"] == list(RATES.values())


def test_every_number_is_rounded_once_from_the_students(tmp_path):
    """A deviation of 5.147 is 5.1 and not, by way of 5.15, 5.2; and p likewise."""
    lasts = {"random": (0.2, 0.3, 0.4), "mine": (0.15023, 0.2017, 0.25317)}
    same = {"dataset": "toy", "ipc": "1", "protocol": "hard", "student": "net", "teacher_arch": None}
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
    assert row["top1_last"]["text"].endswith(f"± {deviation:.1f}")
    assert row["p_random"]["text"] == f"{p:.3f}"
    texts = accuracy_shown(read_numbers(outputs[0])).iloc[-1]
    markdown = [cell.strip() for cell in Path(outputs[1]).read_text().splitlines()[3].split("|")]
    assert (texts["top-1 last"], texts["p"]) == (row["top1_last"]["text"], row["p_random"]["text"])
    assert {texts["top-1 last"], texts["p"]} <= set(markdown)


# ---------------------------------------------------------------- parts that the words do not know


UNKNOWN = {
    "a sampler": {"generate": {"model": "dit", "sampler": "flow", "guidance": 2.0, "start": "noise", "steps": 4}},
    "a start": {"generate": {"model": "dit", "sampler": "ddim", "guidance": 2.0, "start": {"flow": "x"}, "steps": 4}},
    "a guide": {
        "generate": {"model": "dit", "sampler": "ddim", "guidance": 2.0, "start": "noise", "guide": {"flow": "x"}}
    },
    "a selection": {"select": {"flow": "x", "size": 3}},
    "a word": {"select": "flow"},
    "a coverage": {"select": {"coverage": "flow", "encoder": "vae"}},
    "a refinement": {
        "generate": {"model": "dit", "sampler": "ddim", "guidance": 2.0, "start": "noise"},
        "refine": {"flow": 7},
    },
    "a composition": {"compose": {"flow": {"deep": [1, 2]}, "grid": 2}},
    "a method": {"flow": {"deep": 1}},
}


@pytest.mark.parametrize("settings", UNKNOWN.values(), ids=UNKNOWN)
def test_a_part_without_words_is_said_by_its_settings(made, settings, tmp_path):
    assert "flow" in method_line(settings, None)
    record = {"inversions": {}, "settings": settings}
    assert any("flow" in sentence for sentence in steps_in_words(record))
    about = made["about"]
    methods = about["methods"] | {"random": about["methods"]["random"] | {"settings": settings}}
    odd = {"id": "odd", "labels": "flow", "views": {}, "evaluations": 1, "optimizer": {"kind": "flow", "lr": 1.0}}
    about = about | {"methods": methods, "protocols": about["protocols"] | {"odd": odd}}
    report_page(str(TEMPLATE), str(tmp_path / "page.html"), **made | {"about": about})
    (article,) = re.findall(
        r'<article id="method-random".*?</article>', (tmp_path / "page.html").read_text(), re.DOTALL
    )
    assert "flow" in article.split("<table")[0]


# ---------------------------------------------------------------- of a run


def test_a_run_makes_its_page_and_its_jobs_are_all_counted(twin):
    twin.run("--cores", "2", "report_page")
    page = Page(twin.results("report.html").read_text(encoding="utf-8"))
    table = pd.read_csv(twin.results("accuracy.csv"))
    assert len(page.table("accuracy-table")) == len(table) + 1
    jobs, folder = pd.read_csv(twin.results("jobs.csv")), twin.results("smoke", "benchmarks")
    measured = {str(path.relative_to(folder).with_suffix("")) for path in folder.rglob("*.tsv")}
    beside = {name for name in measured if re.match("(draw|tabulate|judge|report)_", name)}
    assert set(jobs["stage"] + "/" + jobs["item"]) == measured - beside
    costs = pd.read_csv(twin.results("costs.csv"))
    apportioned = costs[costs["method"] != "all"]["apportioned_seconds"].sum()
    assert apportioned == pytest.approx(jobs["seconds"].sum(), rel=1e-3)
    assert (jobs["bytes"] > 0).all()
