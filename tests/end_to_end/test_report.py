"""The report's page: parsed, and compared with the tables that it was made from."""

import base64
import io
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from retort.base.version import VERSION, commit_of
from retort.report.numbers import spread
from retort.report.set_card import steps_in_words
from retort.report.words import LOSSES, duration, method_line
from retort.stages.pictures.report_page import report_page
from tests.helpers.made_up_results import made_up_results
from tests.helpers.report_page import TEMPLATE, Page
from tests.helpers.workspace import smoke_config


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
    by_cell = {(row["method"], row["images per class"], row["protocol"]): row for row in shown}
    for expected in table.to_dict("records"):
        row = by_cell.pop((expected["method"], expected["ipc"], f"{expected['protocol']}{expected['protocol_id']}"))
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
    assert all(source.startswith("data:image/") for source in page.values("src"))
    links = page.values("href")
    assert all(link.startswith(("data:text/csv;", "#", "https://")) for link in links)
    assert {attrs["href"] for tag, attrs in page.elements if tag != "a" and "href" in attrs} <= set(links)
    assert not any("://" in attrs["href"] for tag, attrs in page.elements if tag != "a" and "href" in attrs)
    assert not {"link", "iframe", "object", "embed"} & {tag for tag, _ in page.elements}
    followed = sum(link.startswith("https://") for link in links)
    assert len(re.findall(r"https?://", text)) == followed > 0  # none but links that a reader follows
    assert not re.search(r"@import|url\((?!#)|fetch\(|XMLHttpRequest", text)
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
    charts = re.findall(r'<svg [^>]*role="img".*?</svg>', text, re.DOTALL)
    assert len(charts) == 6  # three charts of two protocols
    for chart in charts:
        root = ElementTree.fromstring(chart)
        assert root.find("title").text.startswith("Test accuracy over")
        words = {element.text for element in root.iter("text")}
        assert {"hard, resnet8", "soft, resnet8"} & words
        assert "currentColor" in chart
        assert not re.search("<style|font-family|#000000|#010203|http", chart)


def test_every_method_of_a_chart_is_in_its_legend_with_its_mark(made, text):
    methods = list(made["used"]["methods"])
    for legend in re.findall(r'<ul class="legend">.*?</ul>', text, re.DOTALL):
        named = re.findall(r'href="#method-([^"]+)"', legend)
        assert named == [*[m for m in methods if m != "full"], "full"]
        assert re.findall(r'<use href="#mark-([^"]+)"', legend) == named[:-1]
    symbols = re.findall(r'<symbol id="mark-([^"]+)".*?</symbol>', text, re.DOTALL)
    assert symbols == [m for m in methods if m != "full"]
    drawn = re.findall(r'<symbol id="mark-[^"]+"[^>]*>(.*?)</symbol>', text, re.DOTALL)
    assert len(set(drawn)) == len(drawn)


PAPERS = {  # by hand: arXiv's numbers, or the end of the address
    "random": [],
    "full": [],
    "dit": ["2010.02502", "2212.09748"],
    "d3hr": ["2505.18399", "2010.02502", "2212.09748"],
    "cao2": ["2506.22637", "2212.09748"],
    "coda": ["2512.03844", "1802.03426", "978-3-642-37456-2_14", "2211.01095", "2212.09748"],
    "ddps": ["2412.09959", "2408.02752", "2312.03526"],
    "rded": ["2312.03526"],
}


def test_every_method_names_its_papers_and_links_to_them(made, text):
    checked = 0
    for method in made["used"]["methods"]:
        (article,) = re.findall(rf'<article id="method-{method}".*?</article>', text, re.DOTALL)
        links = re.findall(r'<a href="(https://[^"]+)">([^<]+)', article)
        papers = [link.rsplit("/", 1)[1] for link, words in links if words != "code"]
        assert {"Paper:" in article, "Papers:" in article} == {False, len(papers) > 0} or not papers
        if method in PAPERS:
            checked += 1
            assert [paper for paper in papers if paper not in ("2006.11239",)] == PAPERS[method]
    assert checked >= 6
    assert "https://github.com/hatchetProject/CaO2" in text


def test_the_tables_are_inside_as_the_files_that_they_were_made_from(made, page):
    inside = {attrs["download"]: attrs["href"] for _, attrs in page.elements if "download" in attrs}
    names = ["accuracy", "per_class", "scores", "costs", "jobs", "models", "quality"]
    assert list(inside) == [f"{name}.csv" for name in names]
    for name in names:
        kind, content = inside[f"{name}.csv"].split(",", 1)
        assert kind == "data:text/csv;base64"
        assert base64.b64decode(content) == Path(made[name]).read_bytes()


def test_the_page_says_which_retort_made_it(text):
    assert f"Retort {VERSION}" in text
    commit = commit_of()
    assert f"commit <code>{commit}</code>" in text if commit else "whose commit is not known" in text


def test_methods_stand_in_one_order_in_every_table_legend_and_list(tmp_path):
    """Runs that name them in different orders, and records, costs and measures in none."""
    config = smoke_config()
    names = [run["methods"] for run in config["runs"]]
    config["runs"] = [run | {"methods": run["methods"][::-1]} if i % 2 else run for i, run in enumerate(config["runs"])]
    assert any(run["methods"] != before for run, before in zip(config["runs"], names, strict=True))
    made = made_up_results(tmp_path, config, ["0", "1"])
    made["students"] = made["students"][::-1]
    for table in ("accuracy", "costs", "quality"):
        rows = Path(made[table]).read_text().splitlines()
        Path(made[table]).write_text("\n".join([rows[0], *rows[:0:-1]]) + "\n")
    report_page(str(TEMPLATE), str(tmp_path / "page.html"), **made)
    text = (tmp_path / "page.html").read_text()
    order = [*(method for method in made["used"]["methods"] if method != "full"), "full"]
    rows = re.findall(
        r'<tr data-ipc="(.+?)" data-protocol="(.+?)" data-student="(.+?)" data-method="(.+?)"',
        re.findall(r'<table id="accuracy-table".*?</table>', text, re.DOTALL)[0],
    )
    lists = [[row[3] for row in rows if row[:3] == cell] for cell in dict.fromkeys(row[:3] for row in rows)]
    tables = text.split('<section id="accuracy"')[1].split("<tbody>")[2:]  # above: the best of each cell
    lists += [re.findall(r'<th scope="row"><span class="name.*?>([\w-]+)</a>', table) for table in tables]
    lists += [re.findall(r'href="#method-([^"]+)"', found) for found in re.findall(r"<ul.*?</ul>", text, re.DOTALL)]
    lists += [re.findall(r'<article id="method-([^"]+)"', text)]
    assert sum(len(set(found)) > 2 for found in lists) > 8
    for found in lists:
        assert list(dict.fromkeys(found)) == [method for method in order if method in found]


SINGULAR = (
    r"\b1 (images|methods|sets|students|rows|steps|clusters|classes|samples|groups|seeds|random \w+s|\w+ images)\b"
)


def test_one_of_a_thing_is_said_in_the_singular(tmp_path):
    config = smoke_config()
    config["runs"] = [{"methods": ["random"], "ipc": [1], "protocols": ["hard"], "students": ["resnet8"], "seeds": 1}]
    config["dataset"]["max_per_class"] = 1
    made = made_up_results(tmp_path, config, ["0", "1"])
    report_page(str(TEMPLATE), str(tmp_path / "page.html"), **made)
    text = (tmp_path / "page.html").read_text()
    tiles = dict(re.findall(r"<div><dt>([^<]+)</dt><dd>([^<]+)</dd></div>", text))
    assert tiles["method"] == tiles["distilled set"] == tiles["student trained"] == "1"
    assert "at most 1 image of each class" in text
    words = re.sub(r"<[^>]*>", " ", re.sub(r"<(style|script).*?</\1>", "", text, flags=re.DOTALL))
    assert not re.search(SINGULAR, words)


def test_a_method_that_the_config_does_not_know_stands_in_the_page_all_the_same(made, tmp_path):
    table = pd.read_csv(made["accuracy"], dtype=str, keep_default_na=False)
    row = table[table["method"] == "dit"].head(1).assign(method="stranger", top1_last_mean="61.28")
    table = pd.concat([table, row])
    table.to_csv(tmp_path / "accuracy.csv", index=False)
    report_page(str(TEMPLATE), str(tmp_path / "page.html"), **made | {"accuracy": str(tmp_path / "accuracy.csv")})
    page = Page((tmp_path / "page.html").read_text())
    assert [row[2].split()[0] for row in page.table("accuracy-table") if row[0] == "stranger"] == ["61.3"]
    assert "#method-stranger" not in page.values("href")
    assert "#mark-stranger" in page.values("href")
    assert set(page.values("id")) >= {href[1:] for href in page.values("href") if href.startswith("#")}


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
    assert constants["id"] == [made["used"]["protocols"][name]["id"] for name in ("hard", "soft")]
    for method in made["used"]["methods"]:
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
    about = made["used"] | {"dataset": made["used"]["dataset"] | {"path": str(tmp_path / "photos")}}
    about["models"] = {"vae": {"kind": "vae", "source": "/home/somebody/weights/vae"}}
    report_page(str(TEMPLATE), str(tmp_path / "page.html"), **made | {"used": about})
    text = (tmp_path / "page.html").read_text()
    inside = [base64.b64decode(link.split(",")[1]).decode() for link in Page(text).values("href") if "csv;" in link]
    for said in (text, *inside):
        assert "/home/somebody" not in said
        assert str(tmp_path) not in said
        assert str(Path(made["accuracy"]).parent) not in said
    assert "source: vae" in text


def test_names_are_escaped(made, tmp_path):
    harm = "<script>alert(1)</script>"
    classes = tmp_path / "classes.csv"
    classes.write_text(f"index,id,name\n0,0,{harm}\n1,1,b&w\n")
    report_page(str(TEMPLATE), str(tmp_path / "page.html"), **made | {"class_table": str(classes)})
    text = (tmp_path / "page.html").read_text()
    assert harm not in text
    assert "b&amp;w" in text


def test_methods_are_told_in_one_sentence(made):
    lines = {name: method_line(m["settings"], m["steps"]) for name, m in made["used"]["methods"].items()}
    assert lines["random"] == "Random real images (baseline)."
    assert lines["dit"] == "Samples from dit (DDIM, 10 steps, CFG 2), starting from noise."
    assert lines["coda"].startswith(
        "Samples from dit (DPM-Solver++, 6 steps, CFG 2), starting from noise, drawn towards"
    )
    assert "of 2 samples for each image keeps those that resnet recognises, the confident ones first" in lines["cao2"]
    assert "the best of 100 random groups" in lines["d3hr"]
    assert "2 x 2 to an image" in lines["ddps"]
    assert all(line.endswith(".") and ". " not in line for line in lines.values())


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
    about = made["used"]
    methods = about["methods"] | {"random": about["methods"]["random"] | {"settings": settings}}
    odd = {"id": "odd", "labels": "flow", "views": {}, "evaluations": 1, "optimizer": {"kind": "flow", "lr": 1.0}}
    about = about | {"methods": methods, "protocols": about["protocols"] | {"odd": odd}}
    report_page(str(TEMPLATE), str(tmp_path / "page.html"), **made | {"used": about})
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


def test_each_sweep_is_drawn_over_its_key(tmp_path):
    config = smoke_config()
    config["sweeps"] = {"dit-cfg": {"method": "dit", "key": "generate.guidance", "values": [1, 4]}}
    config["runs"][0]["methods"].append("dit-cfg")
    report_page(str(TEMPLATE), str(tmp_path / "report.html"), **made_up_results(tmp_path, config, ["0", "1"]))
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    figure = re.search(r'<figure class="chart" id="sweep-dit-cfg">.*?</figure>', text, re.DOTALL)[0]
    charts = re.findall(r'<svg [^>]*role="img".*?</svg>', figure, re.DOTALL)
    titles = [ElementTree.fromstring(chart).find("title").text for chart in charts]
    assert titles == [f"Test accuracy over generate.guidance of dit: {kind}, resnet8" for kind in ("hard", "soft")]
    words = {element.text for element in ElementTree.fromstring(charts[0]).iter("text")}
    assert {"1", "4", "2 images per class", "generate.guidance of dit"} <= words
    assert "The sweep dit-cfg: mean test top-1 over generate.guidance of dit" in figure
