"""The tables that users read, against numbers worked out by hand."""

import math
from pathlib import Path

import pandas as pd
import pytest

from retort.artifacts.students import CELL
from retort.base.files import write_json
from retort.evaluation.spread import paired_test
from retort.report.accuracy_table import BYTES, accuracy_latex, accuracy_shown, accuracy_table, gap_to_unguided, note_of
from retort.report.joined_sets import joined
from retort.report.numbers import read_numbers
from retort.stages.tables.tabulate_accuracy import tabulate_accuracy
from retort.stages.tables.tabulate_models import tabulate_models


def student(method: str, last: float, ipc: str = "1", protocol: str = "hard", arch: str = "resnet8", **changes) -> dict:
    """A student's record with top-1 `last`; best is 0.02 and top-5 0.1 higher."""
    return {
        "dataset": "toy",
        "method": method,
        "ipc": ipc,
        "protocol": protocol,
        "student": arch,
        "seed": 0,
        "teacher_arch": "resnet18" if protocol == "soft" else None,
        "last": {"top1": last, "top5": last + 0.1, "per_class": [last]},
        "best": {"top1": last + 0.02, "top5": last + 0.1, "step": 1},
        "steps": 1000,
        "views": 64000,
        "image_bytes": None if ipc == "all" else 3000 * int(ipc),
        "label_bytes": 500 if protocol == "soft" else 0,
    } | changes


def seeds(method: str, lasts: tuple[float, ...], **more) -> list[dict]:
    return [student(method, last, **more, seed=seed) for seed, last in enumerate(lasts)]


STUDENTS = [
    *seeds("d3hr", (0.5, 0.6, 0.7)),
    *seeds("random", (0.4, 0.42)),
    student("d3hr", 0.8, ipc="5"),
    student("random", 0.75, ipc="5"),
    *seeds("full", (0.9, 0.94), ipc="all"),
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


def test_bytes_are_those_of_images_and_labels_and_the_full_set_has_none():
    table = accuracy_table(STUDENTS, ["random"], ["full"])
    columns = [*BYTES, "bytes"]
    assert row_of(table, "d3hr")[columns].tolist() == [3000, 0, 3000]
    assert row_of(table, "d3hr", protocol="soft")[columns].tolist() == [3000, 500, 3500]
    full = row_of(table, "full", "all")
    assert full["label_bytes"] == 0
    assert pd.isna(full["image_bytes"])
    assert pd.isna(full["bytes"])  # what is not known is not counted as nothing


def test_a_single_seed_has_no_deviation():
    row = row_of(accuracy_table(STUDENTS, ["random"], ["full"]), "d3hr", "5")
    assert row["seeds"] == 1
    assert all(math.isnan(row[f"{name}_std"]) for name in ("top1_last", "top1_best", "top5_last"))


def test_rows_come_in_the_order_of_the_students():
    table = accuracy_table(STUDENTS, ["random"], ["full"])
    expected = [("d3hr", "1"), ("random", "1"), ("d3hr", "5"), ("random", "5"), ("full", "all"), ("d3hr", "1")]
    assert list(zip(table["method"], table["ipc"], strict=True)) == expected


LINES = {"random": ["random"], "full": ["full"]}
UNGUIDED = {"d3hr": "random"}  # as if random were the model's own samples
PROTOCOLS = {"hard": "hard-10", "soft": "soft"}
REPORTED = [
    {"method": "d3hr", "ipc": "5", "protocol": "hard", "student": "resnet8", "top1": 77.7, "std": 0.4, "epoch": "best"}
    | {"test_images": None, "status": "author's table", "source": "D3HR", "differs": ""}
]
WANTED = [{"method": "d3hr", "ipc": "5", "protocol": "hard", "student": "resnet8", "seeds": 3}]


def written(folder: Path) -> tuple[pd.DataFrame, str]:
    paths = []
    for i, record in enumerate(STUDENTS):
        paths.append(str(folder / f"{i}.json"))
        write_json(paths[-1], record)
    outputs = [str(folder / f"table.{ending}") for ending in ("csv", "md", "tex")]
    tabulate_accuracy(
        paths, *outputs, **LINES, unguided=UNGUIDED, wanted=WANTED, protocols=PROTOCOLS, reported=REPORTED
    )
    return read_numbers(folder / "table.csv"), (folder / "table.md").read_text()


def test_the_table_reads_back_as_it_was_computed(tmp_path):
    table, _ = written(tmp_path)
    computed = accuracy_table(STUDENTS, ["random"], ["full"], WANTED)
    computed = computed.astype(dict.fromkeys([*BYTES, "bytes"], float))  # a file has no whole numbers that are missing
    pd.testing.assert_frame_equal(table[computed.columns], computed, atol=0.005, rtol=0, check_dtype=False)
    assert list(table.columns.difference(computed.columns)) == [
        *("gap_to_reported", "gap_to_unguided", "gap_to_unguided_high", "gap_to_unguided_low", "labelled_by"),
        *("p_unguided", "p_unguided_holm", "protocol_id", "reported", "reported_by"),
        *("reported_epoch", "reported_other", "reported_other_by", "reported_other_status", "reported_other_std"),
        *("reported_status", "reported_std", "sets_vary"),
    ]
    assert table.loc[table["protocol"] == "soft", "labelled_by"].tolist() == ["resnet18"]
    text = (tmp_path / "table.csv").read_text()
    assert "nan" not in text
    measured = "toy,d3hr,5,hard,hard-10,,resnet8,1,1,True,2,1000,64000,15000,0,15000,80.00,,80.00,,,80.00,0,"
    measured += "82.00,,90.00,,5.00,,,,,5.00,,,,,-12.00"
    assert f"{measured},77.70,0.40,best,author's table,D3HR,4.30,,,," in text.splitlines()


def test_the_markdown_twin_has_the_same_rows_and_says_what_best_is(tmp_path):
    table, markdown = written(tmp_path)
    lines = [line for line in markdown.splitlines() if line.startswith("|")]
    assert len(lines) == len(table) + 2  # header and rule
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    protocols = table["protocol"].map({"hard": "hard (hard-10)", "soft": "soft"})  # an id that only repeats the name
    assert [row[:5] for row in cells[2:]] == table.assign(protocol=protocols)[CELL].to_numpy().tolist()
    shown = ["3", "60.0 ± 10.0", "62.0 ± 10.0", "70.0 ± 10.0", "+19.0", "0.177", "+19.0", "-32.0"]
    assert cells[2][5:] == [*shown, "", ""]
    assert (cells[4][5], cells[4][-2:]) == ("1 of 3", ["77.7 ± 0.4", "+4.3"])
    assert cells[-1][5:] == ["1", "30.0", "32.0", "40.0", *[""] * 6]
    assert "nan" not in markdown
    assert "best is chosen on the test set" in markdown


def test_markdown_keeps_numbers_as_they_are_written():
    (row,) = accuracy_shown(accuracy_table([student("010", 0.5, ipc="10")], [], [])).to_dict("records")
    assert (row["method"], row["ipc"]) == ("010", "10")


def test_p_is_of_a_t_test_paired_by_seed_whatever_the_order():
    # Differences of 10 and 18 points: t = 14 / (sqrt(32) / sqrt(2)) = 3.5, with one degree of freedom.
    table = accuracy_table(STUDENTS[::-1], ["random"], ["full"])
    assert row_of(table, "d3hr")["p_random"] == pytest.approx(2 / math.pi * math.atan(1 / 3.5))
    assert math.isnan(row_of(table, "random")["p_random"])
    assert math.isnan(row_of(table, "d3hr", "5")["p_random"])  # one pair
    assert math.isnan(row_of(table, "full", "all")["p_random"])  # random images of another count are no line
    same = [*seeds("d3hr", (0.5, 0.6)), *seeds("random", (0.4, 0.5))]
    assert accuracy_table(same, ["random"], [])["p_random"].isna().all()  # no spread, so no test


def test_the_interval_of_a_gap_is_that_of_its_pairs():
    # The differences are 10 and 18 points: 14 -+ 12.706 x 4, Student's t of one degree of freedom.
    row = row_of(accuracy_table(STUDENTS, ["random"], ["full"]), "d3hr")
    assert row["gap_to_random_low"] == pytest.approx(14 - 12.7062047 * 4)
    assert row["gap_to_random_high"] == pytest.approx(14 + 12.7062047 * 4)
    alone = row_of(accuracy_table(STUDENTS, ["random"], ["full"]), "d3hr", "5")  # one pair
    assert alone[["gap_to_random_low", "gap_to_random_high", "p_random_holm"]].isna().all()


def test_p_is_corrected_for_the_rows_that_have_one(tmp_path):
    lasts = {"one": (0.6, 0.7, 0.65), "two": (0.5, 0.61, 0.52), "three": (0.42, 0.55, 0.43)}
    records = [r for method, tops in lasts.items() for r in seeds(method, tops)] + seeds("random", (0.4, 0.5, 0.42))
    table = accuracy_table(records, ["random"], []).set_index("method")
    p, corrected = table["p_random"], table["p_random_holm"]
    order = p.drop("random").sort_values()
    expected, highest = {}, 0.0
    for place, (method, value) in enumerate(order.items()):
        highest = max(highest, (3 - place) * value)
        expected[method] = min(1.0, highest)
    assert corrected.drop("random").to_dict() == pytest.approx(expected)
    assert math.isnan(corrected["random"])
    assert (corrected.drop("random") > p.drop("random")).any()


def test_each_seed_stands_in_its_order_with_the_median_and_a_student_that_collapsed_is_marked():
    tops = (0.826, 0.83, 0.613, 0.84, 0.82)  # of which 0.613 is below 0.75 x 0.826 = 0.6195
    records = [*seeds("soft", tops)[::-1], *seeds("near", (0.826, 0.83, 0.62, 0.84, 0.82))]
    table = accuracy_table(records, [], [])
    row, near = row_of(table, "soft"), row_of(table, "near")
    assert row["top1_last_seeds"] == "82.60 83.00 61.30 84.00 82.00"
    assert row["top1_last_median"] == pytest.approx(82.6)
    assert (row["collapsed"], near["collapsed"]) == (1, 0)
    shown = accuracy_shown(table).set_index("method")["top-1 last"]
    assert shown["soft"] == "78.6 ± 9.7 †"
    assert "†" not in shown["near"]
    assert "75% of the median" in note_of(table)
    assert "†" not in note_of(table[table["method"] == "near"])
    latex = accuracy_latex(accuracy_shown(table), note_of(table))
    assert r"78.6 $\pm$ 9.7 $\dagger$" in latex
    assert r"75\% of" in latex
    many = accuracy_table(seeds("ten", tuple(i / 100 for i in range(50, 62))), [], [])
    assert row_of(many, "ten")["top1_last_seeds"].split()[-2:] == ["60.00", "61.00"]


def test_the_difference_to_unguided_has_an_interval_and_a_corrected_p(tmp_path):
    table, _ = written(tmp_path)
    row = row_of(table, "d3hr")
    assert row["gap_to_unguided_low"] == pytest.approx(row["gap_to_random_low"])  # random stands for both here
    assert (row["p_unguided"], row["p_unguided_holm"]) == (row["p_random"], row["p_random_holm"])
    others = table.drop(index=row.name)
    assert others[["gap_to_unguided_low", "gap_to_unguided_high", "p_unguided"]].isna().all(axis=None)


SETS = {"d3hr-set1": {"method": "d3hr", "set_seed": 1}, "random-set1": {"method": "random", "set_seed": 1}}
SETS |= {"d3hr-set2": {"method": "d3hr", "set_seed": 2}, "random-set2": {"method": "random", "set_seed": 2}}
OF_SETS = [
    *(*seeds("d3hr", (0.50, 0.52)), *seeds("d3hr-set1", (0.60, 0.64)), *seeds("d3hr-set2", (0.55, 0.59))),
    *(*seeds("random", (0.40, 0.42)), *seeds("random-set1", (0.42, 0.46)), *seeds("random-set2", (0.41, 0.43))),
    *seeds("herding", (0.48, 0.50)),
]


def of_sets() -> pd.DataFrame:
    return accuracy_table(joined(OF_SETS, SETS), ["random", "random-set1", "random-set2"], [])


def test_students_of_several_sets_stand_in_one_row_with_both_parts_of_their_spread():
    table = of_sets()
    assert table["method"].tolist() == ["d3hr", "random", "herding"]
    row = row_of(table, "d3hr")
    assert (row["sets"], row["seeds"]) == (3, 6)
    assert row["top1_last_mean"] == pytest.approx(340 / 6)
    assert row["top1_last_seeds"] == "50.00 52.00 | 60.00 64.00 | 55.00 59.00"
    # Means 51, 62, 57; within (2 + 8 + 8) / 3 = 6; among 2 x (5.667^2 + 5.333^2 + 0.333^2) / 2 = 60.667.
    assert row["top1_last_std_within"] == pytest.approx(math.sqrt(6))
    assert row["top1_last_std_between"] == pytest.approx(math.sqrt((60.6666667 - 6) / 2))
    herding = row_of(table, "herding")
    assert herding["sets"] == 1
    assert math.isnan(herding["top1_last_std_between"])
    assert herding["top1_last_std_within"] == pytest.approx(math.sqrt(2))


def test_of_several_sets_the_sets_are_paired_and_not_their_students():
    table = of_sets()
    low, high, p = paired_test([10, 18, 15])  # mean differences of sets 0, 1 and 2
    row = row_of(table, "d3hr")
    assert row[["gap_to_random_low", "gap_to_random_high", "p_random"]].tolist() == pytest.approx([low, high, p])
    one = paired_test([8, 5, 7])  # the one set of herding with each set of random images
    assert row_of(table, "herding")["p_random"] == pytest.approx(one[2])
    assert row["p_random_holm"] == pytest.approx(max(2 * min(p, one[2]), p))


def test_the_seeds_that_are_missing_are_those_of_all_sets(tmp_path):
    paths = [str(tmp_path / f"{i}.json") for i in range(len(OF_SETS))]
    for path, record in zip(paths, OF_SETS, strict=True):
        write_json(path, record)
    outputs = [str(tmp_path / f"table.{ending}") for ending in ("csv", "md", "tex")]
    cell = {"ipc": "1", "protocol": "hard", "student": "resnet8"}
    wanted = [cell | {"method": name, "seeds": 3} for name in ("d3hr", "d3hr-set1", "d3hr-set2", "herding")]
    more = {"unguided": {"d3hr": "random", "d3hr-set1": "random-set1"}, "protocols": PROTOCOLS, "reported": []}
    lines = {"random": ["random", "random-set1"], "full": []}
    tabulate_accuracy(paths, *outputs, **lines, **more, wanted=wanted, sets=SETS, one_set=["herding"])
    table = read_numbers(tmp_path / "table.csv").set_index("method")
    assert table.loc["d3hr", ["seeds", "sets", "missing_seeds"]].tolist() == [6, 3, 3]
    assert table["sets_vary"].to_dict() == {"d3hr": True, "random": True, "herding": False}
    assert table.loc["d3hr", "p_unguided"] == pytest.approx(table.loc["d3hr", "p_random"])


def test_the_gap_to_unguided_is_to_the_samples_of_the_same_model():
    table = accuracy_table(
        [student("d3hr", 0.6), student("dit", 0.5), student("coda", 0.7), student("random", 0.1)], [], []
    )
    gaps = dict(
        zip(table["method"], gap_to_unguided(table, {"d3hr": "dit", "dit": "dit", "coda": "sdxl"}), strict=True)
    )
    assert gaps["d3hr"] == pytest.approx(10)
    assert gaps["dit"] == 0
    assert math.isnan(gaps["coda"])  # sdxl was not run
    assert math.isnan(gaps["random"])  # samples nothing


def test_missing_seeds_are_counted_and_shown():
    wanted = [
        {"method": "d3hr", "ipc": ipc, "protocol": "hard", "student": "resnet8", "seeds": 3} for ipc in ("1", "5")
    ]
    table = accuracy_table(STUDENTS, ["random"], ["full"], wanted)
    assert (row_of(table, "d3hr")["missing_seeds"], row_of(table, "d3hr", "5")["missing_seeds"]) == (0, 2)
    assert accuracy_shown(table)["seeds"].tolist()[:4] == ["3", "2", "1 of 3", "1"]


def test_the_latex_twin_has_the_same_rows_with_names_escaped():
    table = accuracy_table([student("a_b", 0.5), student("a_b", 0.7, seed=1)], [], [])
    row = next(line for line in accuracy_latex(accuracy_shown(table)).splitlines() if line.startswith("toy"))
    cells = [cell.strip() for cell in row.removesuffix(r"\\").split("&")]
    assert cells[1] == r"a\_b"
    assert cells[6] == r"60.0 $\pm$ 14.1"
    assert len(cells) == len(accuracy_shown(table).columns)


# ---------------------------------------------------------------- models


def test_models_are_listed_with_each_of_their_measures(tmp_path):
    vae = {"model": "vae", "kind": "vae", "measure": "PSNR in dB, validation", "value": 24.123456}
    judged = [{"model": "dit", "kind": "dit", "measure": f"recognised at {g}", "value": g / 10} for g in (1, 2)]
    for name, content in (("vae/quality.json", vae), ("dit.json", judged)):
        write_json(tmp_path / name, content)
    tabulate_models([str(tmp_path / "vae")], [str(tmp_path / "dit.json")], str(tmp_path / "models.csv"))
    assert (tmp_path / "models.csv").read_text() == (
        "model,kind,measure,value\n"
        'vae,vae,"PSNR in dB, validation",24.1235\n'
        "dit,dit,recognised at 1,0.1000\n"
        "dit,dit,recognised at 2,0.2000\n"
    )


def test_no_models_make_an_empty_table(tmp_path):
    tabulate_models([], [], str(tmp_path / "models.csv"))
    assert (tmp_path / "models.csv").read_text() == "model,kind,measure,value\n"
