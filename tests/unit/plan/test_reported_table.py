"""reported.csv: well-formed, sorted, with a source for every number, and with the paper's protocol."""

import csv
import io
from pathlib import Path

import pytest

import retort.plan.reported
from retort.config.architectures import ARCHITECTURES
from retort.config.presets import papers
from retort.config.schema.evaluation import Protocol
from retort.data.imagenet import subset_names
from retort.plan.reported import STATUSES, reported_rows

ROWS = reported_rows()
TEXT = Path(retort.plan.reported.__file__).with_name("reported.csv").read_text()
TIMM = {"resnet18", "resnet101"}


def size(ipc: str) -> int:
    return 10**9 if ipc == "all" else int(ipc)


def test_the_file_is_a_csv_that_reads_back_as_it_is_written():
    written = io.StringIO()
    table = csv.DictWriter(written, list(ROWS[0]), lineterminator="\n")
    table.writeheader()
    table.writerows(ROWS)
    assert written.getvalue() == TEXT
    assert all(cell == cell.strip() for row in ROWS for cell in row.values())


def test_rows_are_sorted_and_no_two_are_of_the_same_cell():
    order = [(row["data"], row["method"], row["student"], size(row["ipc"]), row["protocol"]) for row in ROWS]
    assert order == sorted(order)
    keys = ("data", "resolution", "test_crop", "method", "side", "ipc", "protocol", "student")
    cells = [tuple(row[key] for key in keys) for row in ROWS if row["protocol"]]
    assert len(set(cells)) == len(cells)


def test_every_row_has_a_source_a_table_and_a_status():
    for row in ROWS:
        assert all((row["source"], row["table"])), row
        assert row["status"] in STATUSES, row
        assert (row["status"] == "inferred") <= bool(row["note"]), row  # what is inferred is said


def test_numbers_are_numbers():
    for row in ROWS:
        assert 0 < float(row["top1"]) < 100, row
        assert not row["std"] or 0 <= float(row["std"]) < 10, row
        assert not row["runs"] or int(row["runs"]) > 0, row
        assert row["epoch"] in ("best", "last", ""), row
        assert int(row["side"]) >= int(row["resolution"]), row


def test_data_sets_students_and_teachers_are_known_ones():
    assert {row["data"] for row in ROWS} <= {*subset_names(), "cifar10", "cifar100", "tiny-imagenet"}
    assert {row["student"] for row in ROWS} <= {*ARCHITECTURES, *TIMM}
    for row in ROWS:
        assert (row["teacher"] == "resnet18.tv_in1k") == (row["teacher_top1"] == "69.76"), row


def test_sizes_belong_to_the_data_set():
    sizes = {(row["data"], row["train_images"], row["test_images"]) for row in ROWS}
    assert sizes == {
        ("imagenet1k", "1281167", "50000"),
        ("imagenet-100", "", "5000"),
        ("imagenette", "12894", "500"),
        ("imagewoof", "12454", "500"),
        ("idc-10", "", "500"),
        ("cifar10", "50000", "10000"),
        ("cifar100", "50000", "10000"),
        ("tiny-imagenet", "100000", "10000"),
    }


@pytest.mark.parametrize("row", [row for row in ROWS if row["protocol"]], ids=lambda row: " ".join(row.values())[:60])
def test_the_preset_has_the_papers_length_and_kind_of_labels(row):
    preset = papers()[row["protocol"]]
    hard = preset["labels"] == "hard"
    assert hard == (row["teacher"] == "")
    protocol = Protocol.model_validate({"preset": row["protocol"]} | ({} if hard else {"labels": {"teacher": "any"}}))
    assert row["epochs"] in (str(protocol.views.at(row["ipc"], 1)["epochs"]), "")


def test_only_what_is_inferred_leaves_its_length_open():
    assert {row["status"] for row in ROWS if row["protocol"] and not row["epochs"]} == {"inferred"}


def test_rows_that_no_preset_fits_say_so():
    rows = [row for row in ROWS if not row["protocol"]]
    assert {(row["method"], row["ipc"]) for row in rows} == {("full", "all"), ("mgd3", "70"), ("mgd3", "100")}
    assert all("no preset" in row["note"] for row in rows)


# By data set, method and student: images per class and top-1, as the papers have them.
SOFT = """
imagenet1k rded resnet18: 1 6.6±0.2, 10 42.0±0.1, 50 56.5±0.1
imagenet1k rded resnet101: 1 5.9±0.4, 10 48.3±1.0, 50 61.2±0.4
imagenet1k dit resnet18: 10 39.6, 50 52.9
imagenet1k minimax resnet18: 10 44.3, 50 58.6
imagenet1k mgd3 resnet18: 10 45.6, 50 60.2
imagenet1k d3hr resnet18: 10 44.3±0.3, 50 59.4±0.1, 100 62.5±0.0
imagenet1k d3hr resnet101: 10 52.1±0.4, 50 66.1±0.1, 100 68.1±0.0
imagenet1k cao2 resnet18: 10 46.1, 50 60.0
imagenet1k cao2 resnet101: 10 52.2, 50 66.2
imagenet1k coda resnet18: 50 60.4
imagenet-100 rded resnet18: 1 8.1±0.3, 10 36.0±0.3, 50 61.6±0.1
imagenet-100 rded resnet101: 10 33.9±0.1, 50 66.0±0.6
imagenet-100 cao2 resnet18: 10 36.6, 50 68.0
imagenet-100 cao2 resnet101: 10 34.5, 50 70.8
imagenette rded resnet18: 1 35.8±1.0, 10 61.4±0.4, 50 80.4±0.4
imagenette rded resnet101: 10 54.0±0.4, 50 75.0±1.2
imagenette cao2 resnet18: 10 65.0±0.7, 50 84.5
imagenette cao2 resnet101: 10 66.3±1.3, 50 81.7
imagewoof rded resnet18: 1 20.8±1.2, 10 38.5±2.1, 50 68.5±0.7
imagewoof rded resnet101: 10 31.3±1.3, 50 59.1±0.7
imagewoof cao2 resnet18: 10 45.6, 50 68.9
imagewoof cao2 resnet101: 10 36.5, 50 63.1
cifar10 rded resnet18_modified: 1 22.9±0.4, 10 37.1±0.3, 50 62.1±0.1
cifar100 rded resnet18_modified: 1 11.0±0.3, 10 42.6±0.2, 50 62.6±0.1
tiny-imagenet rded resnet18_modified: 1 9.7±0.4, 10 41.9±0.2, 50 58.2±0.1
"""
# The same, without deviations: ConvNet-6, ResNetAP-10, ResNet-18 with instance norm.
HARD_WOOF = """
random: 10 24.3 29.4 27.7, 20 29.1 32.7 29.7, 50 41.3 47.2 47.9, 100 52.2 59.4 61.5
herding: 10 26.7 32.0 30.2, 50 40.3 49.1 48.3
dit: 10 34.2 34.7 34.7, 20 36.1 41.1 40.5, 50 46.5 49.3 50.1, 100 53.4 58.3 58.9
minimax: 10 37.0 39.2 37.6, 50 53.9 56.3 57.1, 100 61.1 64.5 65.7
mgd3: 10 34.73 40.4 38.5, 50 54.5 56.5 58.3
full: all 86.4 87.5 89.3
"""
# ResNetAP-10 at 10, 20 and 50 images per class.
HARD_PARTS = """
imagenette random: 54.2 63.5 76.1
imagenette dit: 59.1 64.8 73.3
imagenette minimax: 62.0 66.8 76.6
imagenette mgd3: 66.4 71.2 79.5
idc-10 random: 48.1 52.5 68.1
idc-10 dit: 54.1 58.9 64.3
idc-10 minimax: 53.1 59.0 69.6
idc-10 mgd3: 55.9 61.9 72.1
"""


def lines(text: str):
    return (line.partition(": ")[::2] for line in text.strip().splitlines())


def of(data: str, method: str, student: str) -> dict[str, dict[str, str]]:
    keys = {"data": data, "method": method, "student": student}
    return {row["ipc"]: row for row in ROWS if all(row[key] == value for key, value in keys.items())}


def test_soft_label_numbers_are_those_of_the_papers_and_no_others_are_there():
    cells = 0
    for cell, told in lines(SOFT):
        rows = of(*cell.split())
        soft = {ipc: row for ipc, row in rows.items() if row["teacher"]}
        assert {f"{ipc} {'±'.join(filter(None, (r['top1'], r['std'])))}" for ipc, r in soft.items()} == {
            *told.split(", ")
        }, cell
        cells += len(soft)
    assert cells == sum(bool(row["teacher"]) for row in ROWS)
    assert "100" not in of("imagenet1k", "rded", "resnet18")  # two papers disagree


def test_hard_label_numbers_are_those_of_the_papers_of_the_best_of_three_runs():
    told = [
        ("imagewoof", method, student, ipc, top1)
        for method, line in lines(HARD_WOOF)
        for ipc, *triple in map(str.split, line.split(", "))
        for student, top1 in zip(("convnet6", "resnet_ap10", "resnet18_in"), triple, strict=True)
    ]
    told += [
        (*cell.split(), "resnet_ap10", ipc, top1)
        for cell, line in lines(HARD_PARTS)
        for ipc, top1 in zip(("10", "20", "50"), line.split(), strict=True)
    ]
    for data, method, student, ipc, top1 in told:
        row = of(data, method, student)[ipc]
        assert (row["top1"], row["epoch"], row["runs"], row["resolution"]) == (top1, "best", "3", "256"), row


def test_whose_table_it_is():
    def statuses(data: str, method: str, student: str) -> set[tuple[str, str, str]]:
        return {(row["source"], row["table"], row["status"]) for row in of(data, method, student).values()}

    assert statuses("imagenet1k", "dit", "resnet18") == {("MGD3 (ICML 2025)", "Fig. 4d", "another paper's table")}
    assert statuses("imagewoof", "random", "convnet6") == {("Minimax (CVPR 2024)", "Table 1", "author's table")}
    assert statuses("imagewoof", "mgd3", "convnet6") == {("MGD3 (ICML 2025)", "Table 8", "author's table")}
    assert statuses("imagenet1k", "coda", "resnet18") == {("CoDA (ICLR 2026)", "abstract", "inferred")}
    assert {row["status"] for row in ROWS if row["method"] == "d3hr" and row["ipc"] == "100"} == {"unconfirmed"}
    (coda,) = of("imagenet1k", "coda", "resnet18").values()
    assert (coda["epoch"], coda["epochs"]) == ("", "")
    assert "the value is the abstract's; protocol and teacher are inferred" in coda["note"]
