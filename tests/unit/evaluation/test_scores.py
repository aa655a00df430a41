"""DD-Ranking's scores against closed cases, and the table of them against numbers worked out by hand."""

import math

import pandas as pd
import pytest

from retort.evaluation.scores import augmentation_robust_score, label_robust_score, relative
from retort.stages.tables.tabulate_scores import COLUMNS, score_table

E = math.e


def test_the_scale_runs_from_nothing_to_one():
    assert relative(-1) == 0
    assert relative(1) == 1
    assert relative(0) == pytest.approx((1 - 1 / E) / (E - 1 / E))
    assert relative(0) == pytest.approx(1 / (E + 1))  # the same fraction, reduced


def test_lrs_of_closed_cases():
    # As good as real data by hard labels and no better than random: neither gain nor loss.
    assert label_robust_score(0.9, 0.9, 0.5, 0.5) == pytest.approx(relative(0))
    # All to lose and nothing to gain, and the reverse.
    assert label_robust_score(1, 0, 0, 1) == pytest.approx(0)
    assert label_robust_score(0, 1, 1, 0) == pytest.approx(1)
    # alpha = 0.5 * 0.2 - 0.5 * 0.3 = -0.05
    assert label_robust_score(0.9, 0.6, 0.7, 0.5) == pytest.approx((E**-0.05 - 1 / E) / (E - 1 / E))


def test_ars_averages_the_two_gains():
    assert augmentation_robust_score(0.3, 0.1) == pytest.approx(relative(0.2))
    assert augmentation_robust_score(0.1, 0.3) == pytest.approx(relative(0.2))


def accuracies(**top1: float) -> pd.DataFrame:
    """Keys method_ipc_protocol, values in per cent."""
    rows = []
    for key, value in top1.items():
        method, ipc, protocol = key.split("_")
        cell = {"dataset": "toy", "method": method, "ipc": ipc, "protocol": protocol, "student": "net", "seeds": 3}
        rows.append(cell | {"top1_last_mean": value})
    return pd.DataFrame(rows)


def scores(table: pd.DataFrame, hard=("hard",), plain=None) -> pd.DataFrame:
    return score_table(table, ["random"], ["full"], list(hard), plain or {})


def test_the_row_of_a_soft_protocol_takes_its_loss_from_the_hard_one():
    table = accuracies(d_1_hard=60, d_1_soft=70, random_1_hard=40, random_1_soft=50, full_all_hard=90)
    soft = scores(table).set_index("protocol").loc["soft"]
    assert soft["hard_protocol"] == "hard"
    assert soft["loss_to_full_hard"] == pytest.approx(0.3)
    assert soft["gain_over_random"] == pytest.approx(0.2)
    assert soft["lrs"] == pytest.approx(relative(-0.05))


def test_the_lines_themselves_have_no_rows():
    table = accuracies(d_1_hard=60, random_1_hard=40, full_all_hard=90)
    assert scores(table)["method"].tolist() == ["d"]
    assert scores(table).columns.tolist() == COLUMNS


@pytest.mark.parametrize("missing", ["random_1_soft", "full_all_hard", "d_1_hard"])
def test_a_score_is_empty_when_a_number_that_it_needs_is(missing):
    cells = {"d_1_hard": 60, "d_1_soft": 70, "random_1_hard": 40, "random_1_soft": 50, "full_all_hard": 90}
    table = accuracies(**{key: value for key, value in cells.items() if key != missing})
    assert math.isnan(scores(table).set_index("protocol").loc["soft", "lrs"])


def test_random_images_of_another_count_are_no_line():
    table = accuracies(d_1_hard=60, random_10_hard=40, full_all_hard=90)
    assert scores(table)["gain_over_random"].isna().all()


def test_every_hard_protocol_gives_a_row():
    table = accuracies(
        d_1_hard=60, d_1_long=66, d_1_soft=70, random_1_soft=50, full_all_hard=90, full_all_long=96, random_1_hard=1
    )
    rows = scores(table, hard=("hard", "long"))
    soft = rows[rows["protocol"] == "soft"].set_index("hard_protocol")
    assert soft["loss_to_full_hard"].to_dict() == pytest.approx({"hard": 0.3, "long": 0.3})
    assert rows[rows["protocol"] == "hard"]["hard_protocol"].tolist() == ["hard"]


def test_ars_compares_a_protocol_with_the_same_one_without_augmentation():
    table = accuracies(d_1_hard=60, d_1_plain=45, random_1_hard=40, random_1_plain=35)
    row = scores(table, hard=("hard", "plain"), plain={"hard": "plain"}).set_index("protocol").loc["hard"]
    assert row["gain_over_random_plain"] == pytest.approx(0.1)
    assert row["ars"] == pytest.approx(relative(0.15))
    assert scores(table, hard=("hard", "plain"))["ars"].isna().all()
