"""The tables that users read, against numbers worked out by hand."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from retort.data.files import write_json
from retort.stages.tabulate import (
    accuracy_markdown,
    accuracy_table,
    tabulate_accuracy,
    tabulate_costs,
    tabulate_models,
)


def student(method: str, last: float, ipc: str = "1", protocol: str = "hard", arch: str = "resnet8", **changes) -> dict:
    """A student's record with top-1 `last`; best is 0.02 and top-5 0.1 higher."""
    return {
        "dataset": "toy",
        "method": method,
        "ipc": ipc,
        "protocol": protocol,
        "student": arch,
        "seed": 0,
        "last": {"top1": last, "top5": last + 0.1, "per_class": [last]},
        "best": {"top1": last + 0.02, "top5": last + 0.1, "step": 1},
    } | changes


STUDENTS = [
    *(student("d3hr", last) for last in (0.5, 0.6, 0.7)),
    *(student("random", last) for last in (0.4, 0.42)),
    student("d3hr", 0.8, ipc="5"),
    student("random", 0.75, ipc="5"),
    *(student("full", last, ipc="all") for last in (0.9, 0.94)),
    student("d3hr", 0.3, protocol="soft"),
]


def row_of(table: pd.DataFrame, method: str, ipc: str = "1", protocol: str = "hard") -> pd.Series:
    rows = table[(table["method"] == method) & (table["ipc"] == ipc) & (table["protocol"] == protocol)]
    assert len(rows) == 1
    return rows.iloc[0]


# ---------------------------------------------------------------- accuracy


def test_means_and_deviations_are_over_the_seeds_in_per_cent():
    row = row_of(accuracy_table(STUDENTS, ["random"], ["full"]), "d3hr")
    assert row["seeds"] == 3
    assert row["top1_last_mean"] == pytest.approx(60)
    assert row["top1_last_std"] == pytest.approx(10)  # unbiased: sqrt((10^2 + 0 + 10^2) / 2)
    assert (row["top1_best_mean"], row["top1_best_std"]) == (pytest.approx(62), pytest.approx(10))
    assert (row["top5_last_mean"], row["top5_last_std"]) == (pytest.approx(70), pytest.approx(10))
    pair = row_of(accuracy_table(STUDENTS, ["random"], ["full"]), "full", "all")
    assert (pair["seeds"], pair["top1_last_mean"]) == (2, pytest.approx(92))
    assert pair["top1_last_std"] == pytest.approx(4 / math.sqrt(2))


def test_gaps_are_to_random_of_the_same_cell_and_to_the_full_set():
    table = accuracy_table(STUDENTS, ["random"], ["full"])
    assert row_of(table, "d3hr")["gap_to_random"] == pytest.approx(60 - 41)
    assert row_of(table, "d3hr", "5")["gap_to_random"] == pytest.approx(80 - 75)
    assert row_of(table, "random")["gap_to_random"] == pytest.approx(0)
    assert row_of(table, "d3hr")["gap_to_full"] == pytest.approx(60 - 92)
    assert row_of(table, "d3hr", "5")["gap_to_full"] == pytest.approx(80 - 92)
    assert row_of(table, "full", "all")["gap_to_full"] == pytest.approx(0)


def test_a_gap_is_empty_where_its_line_was_not_run():
    table = accuracy_table(STUDENTS, ["random"], ["full"])
    soft = row_of(table, "d3hr", protocol="soft")  # neither random nor full was trained with soft labels
    assert math.isnan(soft["gap_to_random"])
    assert math.isnan(soft["gap_to_full"])
    assert math.isnan(row_of(table, "full", "all")["gap_to_random"])
    without = accuracy_table(STUDENTS, [], [])
    assert without[["gap_to_random", "gap_to_full"]].isna().all(axis=None)


def test_gaps_do_not_mix_data_sets_protocols_or_students():
    others = [
        student("random", 0.1, arch="convnet3"),
        student("random", 0.2, protocol="soft"),
        student("random", 0.3, dataset="other"),
        student("full", 0.2, "all", arch="convnet3"),
        student("full", 0.3, "all", protocol="soft"),
        student("full", 0.4, "all", dataset="other"),
    ]
    cell = [student("d3hr", 0.6), student("random", 0.5), student("full", 0.9, "all")]
    table = accuracy_table([*others, *cell], ["random"], ["full"])
    row = row_of(table[table["dataset"] == "toy"], "d3hr")
    assert (row["gap_to_random"], row["gap_to_full"]) == (pytest.approx(10), pytest.approx(-30))


def test_a_single_seed_has_no_deviation():
    row = row_of(accuracy_table(STUDENTS, ["random"], ["full"]), "d3hr", "5")
    assert row["seeds"] == 1
    assert all(math.isnan(row[f"{name}_std"]) for name in ("top1_last", "top1_best", "top5_last"))


def test_rows_come_in_the_order_of_the_students():
    table = accuracy_table(STUDENTS, ["random"], ["full"])
    expected = [("d3hr", "1"), ("random", "1"), ("d3hr", "5"), ("random", "5"), ("full", "all"), ("d3hr", "1")]
    assert list(zip(table["method"], table["ipc"], strict=True)) == expected


def written(folder: Path) -> tuple[pd.DataFrame, str]:
    paths = []
    for i, record in enumerate(STUDENTS):
        paths.append(str(folder / f"{i}.json"))
        write_json(paths[-1], record)
    tabulate_accuracy(paths, str(folder / "table.csv"), str(folder / "table.md"), random=["random"], full=["full"])
    return pd.read_csv(folder / "table.csv", dtype={"ipc": str}), (folder / "table.md").read_text()


def test_the_table_reads_back_as_it_was_computed(tmp_path):
    table, _ = written(tmp_path)
    computed = accuracy_table(STUDENTS, ["random"], ["full"])
    pd.testing.assert_frame_equal(table, computed, atol=0.005, rtol=0, check_dtype=False)
    text = (tmp_path / "table.csv").read_text()
    assert "nan" not in text
    assert "toy,d3hr,5,hard,resnet8,1,80.00,,82.00,,90.00,,5.00,-12.00" in text.splitlines()


def test_the_markdown_twin_has_the_same_rows_and_says_what_best_is(tmp_path):
    table, markdown = written(tmp_path)
    lines = [line for line in markdown.splitlines() if line.startswith("|")]
    assert len(lines) == len(table) + 2  # header and rule
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    assert [row[:5] for row in cells[2:]] == table.iloc[:, :5].to_numpy().tolist()
    assert cells[2][5:] == ["3", "60.0 ± 10.0", "62.0 ± 10.0", "70.0 ± 10.0", "+19.0", "-32.0"]
    assert cells[-1][5:] == ["1", "30.0", "32.0", "40.0", "", ""]
    assert "nan" not in markdown
    assert "best is chosen on the test set" in markdown


def test_markdown_keeps_numbers_as_they_are_written():
    row = accuracy_markdown(accuracy_table([student("010", 0.5, ipc="10")], [], [])).splitlines()[2]
    assert [cell.strip() for cell in row.split("|")[2:4]] == ["010", "10"]


# ---------------------------------------------------------------- costs

HEADER = ["s", "h:m:s", "max_rss", "max_vms", "max_uss", "max_pss", "io_in", "io_out", "mean_load", "cpu_time"]


def write_benchmark(path: Path, *rows: list) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ["\t".join(HEADER), *("\t".join(map(str, row)) for row in rows)]
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def test_costs_are_what_snakemake_measured_by_stage_and_item(tmp_path):
    one = [12.5, "0:00:12", 345.25, 9, 9, 9, 9, 9, 160.0, 20.125]
    short = [0.0625, "0:00:00", "-", "-", "-", "-", "-", "-", "-", "-"]  # too short to be measured
    folder = tmp_path / "results" / "toy" / "benchmarks"
    benchmarks = {
        "train_vae": [write_benchmark(folder / "train_vae" / "vae.tsv", one)],
        "generate_images": [
            write_benchmark(folder / "generate_images" / "d3hr" / "ipc5" / "0000.tsv", one),
            write_benchmark(folder / "generate_images" / "d3hr" / "ipc5" / "0001.tsv", short),
        ],
    }
    tabulate_costs(benchmarks, str(tmp_path / "costs.csv"))
    table = pd.read_csv(tmp_path / "costs.csv")
    assert table.columns.tolist() == ["stage", "item", "seconds", "cpu_seconds", "peak_memory_mb"]
    assert table["stage"].tolist() == ["train_vae", "generate_images", "generate_images"]
    assert table["item"].tolist() == ["vae", "d3hr/ipc5/0000", "d3hr/ipc5/0001"]
    numbers = table[["seconds", "cpu_seconds", "peak_memory_mb"]].to_numpy()
    expected = [[12.5, 20.12, 345.25], [12.5, 20.12, 345.25], [0.06, np.nan, np.nan]]
    np.testing.assert_allclose(numbers, expected, atol=0.01)


def test_the_last_row_of_a_benchmark_counts(tmp_path):
    """Snakemake writes one row per repeat."""
    rows = [[s, "0:00:00", 100, 9, 9, 9, 9, 9, 9, s] for s in (1.5, 2.5)]
    path = write_benchmark(tmp_path / "write_set" / "random" / "ipc1.tsv", *rows)
    tabulate_costs({"write_set": [path]}, str(tmp_path / "costs.csv"))
    assert (tmp_path / "costs.csv").read_text().splitlines()[1:] == ["write_set,random/ipc1,2.50,2.50,100"]


# ---------------------------------------------------------------- models


def test_models_are_listed_with_each_of_their_measures(tmp_path):
    vae = {"model": "vae", "kind": "vae", "measure": "PSNR in dB, validation", "value": 24.123456}
    judged = [{"model": "dit", "kind": "dit", "measure": f"recognised at {g}", "value": g / 10} for g in (1, 2)]
    for name, content in (("vae", vae), ("dit", judged)):
        write_json(tmp_path / f"{name}.json", content)
    tabulate_models([str(tmp_path / "vae.json"), str(tmp_path / "dit.json")], str(tmp_path / "models.csv"))
    assert (tmp_path / "models.csv").read_text() == (
        "model,kind,measure,value\n"
        'vae,vae,"PSNR in dB, validation",24.1235\n'
        "dit,dit,recognised at 1,0.1000\n"
        "dit,dit,recognised at 2,0.2000\n"
    )


def test_no_models_make_an_empty_table(tmp_path):
    tabulate_models([], str(tmp_path / "models.csv"))
    assert (tmp_path / "models.csv").read_text() == "model,kind,measure,value\n"
