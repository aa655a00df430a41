"""The table of speed: its rows, its file, and that it fails where two sides differ."""

import csv
import sys
from importlib.metadata import version
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from bench import __main__ as command
from bench.compositions import spread_of
from bench.critical_path import critical_path
from bench.planned import Job
from bench.rows import Row, apart, in_turn

SAME = Row("sum", ours=0.5, baseline=2.0, equality="to 1e-7", equal=True, share=0.25, limit="matmul")
OTHER = Row("product", ours=1.0, baseline=3.0, equality="to 3", equal=False)


@pytest.fixture
def bench(monkeypatch, tmp_path):
    """Run the command for rows that are given, and read its file."""

    def run(*rows):
        path = tmp_path / "bench.csv"
        monkeypatch.setattr(torch, "set_num_threads", lambda threads: None)
        monkeypatch.setattr(command, "WORK", ("given",))
        monkeypatch.setitem(sys.modules, "bench.given", SimpleNamespace(measure=lambda full: list(rows)))
        monkeypatch.setattr(sys, "argv", ["bench", "--csv", str(path)])
        try:
            command.main()
        finally:
            with path.open() as file:
                run.written = list(csv.DictReader(file))
        return run.written

    return run


def test_a_row_has_its_ratio_and_what_share_of_a_limit_it_reached():
    assert SAME.cells() == ["sum", "0.5 s", "2 s", "**4**", "to 1e-7", "25% of matmul"]


def test_the_file_says_where_and_with_what_it_was_measured(bench, capsys):
    (row,) = bench(SAME)
    assert (row["work"], float(row["ratio"]), row["mode"]) == ("sum", 4.0, "quick")
    assert row["torch"] == version("torch")
    assert row.keys() >= {"cpu", "cores", "gpu", "threads", "clock", "python", "diffusers", "numpy", "commit"}
    assert "| sum | 0.5 s | 2 s | **4** | to 1e-7 | 25% of matmul |" in capsys.readouterr().out


def test_sides_that_differ_fail_the_command_after_all_was_written(bench):
    with pytest.raises(SystemExit, match="results of ours and the baseline differ: product: to 3"):
        bench(OTHER, SAME)
    assert [row["equal"] for row in bench.written] == ["False", "True"]


def test_sides_run_in_turn_and_the_best_of_each_counts():
    order, times = [], iter([0, 3, 3, 4, 4, 6, 6, 11])
    best, results = in_turn(lambda: order.append("a"), lambda: order.append("b") or 7, clock=lambda: next(times))
    assert (order, best, results) == (["a", "b", "a", "b"], [2, 1], [None, 7])


def test_what_is_not_finite_is_apart():
    ours, baseline = torch.tensor([1.0, 2.0]), torch.tensor([1.0, 3.0])
    assert apart(ours, baseline) == pytest.approx(2**-0.5)
    assert apart(ours * torch.nan, baseline) == 1.0


def test_images_are_compared_within_their_class_alone():
    grey = np.array([0, 255, 51, 51], np.uint8)[:, None, None, None].repeat(2, 1).repeat(2, 2).repeat(3, 3)
    assert spread_of(grey, np.array([0, 1, 0, 1])) == pytest.approx((51 / 255 + 204 / 255) / 2)


def test_the_critical_path_is_the_chain_with_the_most_seconds():
    long, short = Job("a", ("photo.png",), ("a/long",), "long.tsv"), Job("a", (), ("a/short",), "short.tsv")
    wide = Job("b", ("a/short", "a/long"), ("b", "b.log"), "b.tsv")
    table = Job("table", ("b.tsv", "short.tsv"), ("table.csv",), "table.tsv")  # of what was measured
    seconds = {long: 3.0, short: 2.0, wide: 1.0, table: 0.5}
    assert critical_path([table, wide, short, long], seconds) == [long, wide, table]
    assert critical_path([table, wide, short, long], seconds | {short: 9.0}) == [short, wide, table]
    assert critical_path([table, wide, short, long], seconds | {long: 9.0, table: 0.0})[:2] == [long, wide]
