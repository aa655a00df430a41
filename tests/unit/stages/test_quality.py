"""Measures of distilled sets beyond accuracy: against closed cases, and the formulas written out by hand."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from tests.helpers.small_datasets import REST
from tests.helpers.tiny_models import Pictures, save_untrained_teacher

from retort.artifacts.sets import COLUMNS
from retort.base.errors import RetortError
from retort.base.files import read_json, write_json, write_rows
from retort.config.load import load_config
from retort.evaluation.density import density_and_coverage
from retort.models.teacher import features_and_logits, load_teacher
from retort.plan.plan import Plan
from retort.stages.evaluation import measure_quality as quality
from retort.stages.evaluation.measure_quality import measure_quality
from retort.stages.shared.describe_images import describe_images
from retort.stages.tables.tabulate_quality import tabulate_quality

SIDE = 8
COUNTS = {"dog": 9, "ant": 6, "cat": 7}  # in label order, which is not the alphabet's
SET = {"dog": [1, 4, 8], "ant": [0, 2], "cat": [3]}  # which images of each class the set has, as they are
ALL = ["density-coverage", "fid", "kid"]


# ---------------------------------------------------------------- density and coverage


def line(*places: float) -> torch.Tensor:
    return torch.tensor(places)[:, None]


@pytest.mark.parametrize(
    ("made", "neighbors", "expected"),
    [
        ([0.5], 1, (2.0, 2 / 5)),  # in the balls of 0 and 1
        ([0.5, 0.6], 1, (2.0, 2 / 5)),  # the same two balls each
        ([0.5, 9.0], 1, (1.0, 2 / 5)),  # the second in none
        ([9.0], 1, (0.0, 0.0)),
        ([2.0], 1, (1.0, 1 / 5)),  # balls are open: 1 and 3 are at their neighbours' radius
        ([2.1], 2, (3 / 2, 3 / 5)),  # radii 2, 1, 1, 1, 2: in those of 2, 3 and, at 1.9 of 2, of 4
    ],
)
def test_density_and_coverage_of_points_on_a_line(made, neighbors, expected):
    assert density_and_coverage(line(0, 1, 2, 3, 4), line(*made), neighbors) == pytest.approx(expected)


def by_loops(real: np.ndarray, made: np.ndarray, k: int) -> tuple[float, float]:
    density, covered = 0, 0
    for i, centre in enumerate(real):
        others = sorted(np.linalg.norm(centre - other) for j, other in enumerate(real) if j != i)
        hits = sum(np.linalg.norm(centre - image) < others[k - 1] for image in made)
        density, covered = density + hits, covered + (hits > 0)
    return density / (k * len(made)), covered / len(real)


def test_density_and_coverage_are_those_of_the_formula():
    rng = np.random.default_rng(0)
    real, made = rng.standard_normal((30, 4)).astype(np.float32), rng.standard_normal((11, 4)).astype(np.float32)
    for k in (1, 3, 5):
        found = density_and_coverage(torch.from_numpy(real), torch.from_numpy(made), k)
        assert found == pytest.approx(by_loops(real.astype(float), made.astype(float), k))


def test_the_real_images_cover_themselves_even_far_from_zero():
    real = torch.randn(40, 8, generator=torch.Generator().manual_seed(0)) * 1e-2 + 1000
    assert density_and_coverage(real, real, 1) == (1.0, 1.0)  # each in its own ball alone


def test_rounding_of_features_does_not_move_a_real_image_into_the_balls_that_it_limits():
    rng = torch.Generator().manual_seed(0)
    real = torch.randn(200, 32, generator=rng)
    rounded = [real[:20] + 1e-6 * torch.randn(20, 32, generator=rng) for _ in range(5)]
    assert len({density_and_coverage(real, made, 5) for made in [real[:20], *rounded]}) == 1


def test_density_is_about_one_for_images_drawn_as_the_real_ones_are():
    drawn = torch.randn(2, 1500, 2, generator=torch.Generator().manual_seed(0))
    assert density_and_coverage(*drawn, 5)[0] == pytest.approx(1, abs=0.05)


# ---------------------------------------------------------------- of a set


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """Real pictures with a teacher's view of them in one shard or two, and a set of some of them."""
    folder = tmp_path_factory.mktemp("pets")
    pictures = Pictures(folder / "images", {c: {str(i): (SIDE, SIDE) for i in range(n)} for c, n in COUNTS.items()})
    save_untrained_teacher(folder / "teacher", list(COUNTS), SIDE)
    for name, classes in (("one", [0, 1]), ("two", [2]), ("all", [0, 1, 2])):
        inputs = (pictures.manifest, pictures.table, str(folder / "teacher"), str(folder / f"{name}.safetensors"))
        describe_images(*inputs, class_indices=classes, side=SIDE, threads=1)
    rows = []
    for label, (class_id, members) in enumerate(SET.items()):
        (folder / "set" / class_id).mkdir(parents=True)
        for index, member in enumerate(members):
            file = f"{class_id}/{index:05d}.png"
            (folder / "set" / file).write_bytes((folder / "images" / class_id / f"{member}.png").read_bytes())
            row = {"file": file, "class_id": class_id, "class_index": label, "index": index}
            rows.append(dict.fromkeys(COLUMNS, "") | row)
    write_rows(folder / "set" / "manifest.csv", COLUMNS, rows)
    return folder


def measured(home: Path, shards: list[str], measures: list[str] = ALL, neighbors: int = 2, **changes) -> dict:
    """Measure -> row."""
    inputs = (str(home / "set"), [str(home / f"{s}.safetensors") for s in shards], str(home / "images" / "classes.csv"))
    about = {"method": "mine", "ipc": "2", "teacher": "resnet"}
    settings = {"side": SIDE, "dataset": "pets", "seed": 0, "threads": 1} | changes
    output = home / "measured.json"
    measure_quality(
        *inputs, str(home / "teacher"), str(output), row=about, measures=measures, neighbors=neighbors, **settings
    )
    return {row["measure"]: row for row in read_json(output)}


def features(home: Path, class_id: str, members: range | list[int]) -> np.ndarray:
    """What the teacher sees in real images, in float64."""
    judge = load_teacher(home / "teacher", list(COUNTS))
    pixels = np.stack([np.asarray(Image.open(home / "images" / class_id / f"{m}.png")) for m in members])
    return features_and_logits(judge, pixels)[0].double().numpy()


def real_and_made(home: Path) -> tuple[np.ndarray, np.ndarray]:
    real = np.concatenate([features(home, c, range(n)) for c, n in COUNTS.items()])
    return real, np.concatenate([features(home, c, members) for c, members in SET.items()])


def test_density_and_coverage_compare_within_classes_and_are_averaged_over_them(home):
    found = measured(home, ["all"], ["density-coverage"])
    each = [by_loops(features(home, c, range(n)), features(home, c, SET[c]), 2) for c, n in COUNTS.items()]
    density, coverage = np.mean(each, axis=0)
    assert found["density"]["value"] == pytest.approx(density)
    assert found["coverage"]["value"] == pytest.approx(coverage)
    assert found["density"] == {
        "dataset": "pets",
        "method": "mine",
        "ipc": "2",
        "teacher": "resnet",
        "measure": "density",
        "value": found["density"]["value"],
        "n_real": 22,
        "n_distilled": 6,
    }


def test_fid_is_the_frechet_distance_of_the_features(home):
    real, made = real_and_made(home)
    a, b = np.cov(real.T), np.cov(made.T)
    values, vectors = np.linalg.eigh(a)
    root = vectors * np.sqrt(values.clip(0)) @ vectors.T
    cross = np.sqrt(np.linalg.eigvalsh(root @ b @ root).clip(0)).sum()  # the trace of the root of a b
    distance = np.square(real.mean(0) - made.mean(0)).sum() + np.trace(a + b) - 2 * cross
    assert measured(home, ["all"], ["fid"])["fid"]["value"] == pytest.approx(distance, rel=1e-3)


def unbiased_mmd(x: np.ndarray, y: np.ndarray) -> float:
    def kernel(a, b):
        return (a @ b.T / a.shape[1] + 1) ** 3

    m, xx, yy = len(x), kernel(x, x), kernel(y, y)
    within = (xx.sum() - np.trace(xx) + yy.sum() - np.trace(yy)) / (m * (m - 1))
    return within - 2 * kernel(x, y).mean()


def test_kid_is_the_mean_over_draws_of_the_unbiased_estimate(home):
    """Over many draws of as many real images as the set has, the mean is that of the formula for all real ones."""
    real, made = real_and_made(home)
    n, m = len(real), len(made)

    def kernel(a, b):
        return (a @ b.T / a.shape[1] + 1) ** 3

    xx, yy = kernel(real, real), kernel(made, made)
    whole = (xx.sum() - np.trace(xx)) / (n * (n - 1)) + (yy.sum() - np.trace(yy)) / (m * (m - 1))
    whole -= 2 * kernel(real, made).mean()
    rng = np.random.default_rng(1)
    draws = [unbiased_mmd(real[rng.permutation(n)[:m]], made) for _ in range(2000)]
    assert np.mean(draws) == pytest.approx(whole, abs=4 * np.std(draws) / 2000**0.5)
    found = measured(home, ["all"], ["kid"])["kid"]
    assert found["value"] == pytest.approx(whole, abs=4 * np.std(draws) / quality.KID_SUBSETS**0.5)
    assert (found["n_real"], found["n_distilled"]) == (22, 6)


def test_measures_do_not_depend_on_shards_or_on_draws_made_elsewhere(home):
    first = measured(home, ["all"])
    torch.manual_seed(123)
    again = measured(home, ["one", "two"])
    assert list(first) == list(again) == ["density", "coverage", "fid", "kid"]
    for name, row in first.items():
        assert again[name]["value"] == pytest.approx(row["value"], rel=1e-6, abs=1e-9)


def test_kid_draws_from_a_part_of_many_real_images_that_the_shards_do_not_change(home, monkeypatch):
    monkeypatch.setattr(quality, "KID_REAL", 12)  # four of each class
    first, again = (measured(home, shards, ["kid"])["kid"] for shards in (["all"], ["one", "two"]))
    assert first["n_real"] == 12
    assert again == first
    other = measured(home, ["all"], ["kid"], seed=1)["kid"]
    assert other["value"] != first["value"]


def test_batches_of_the_set_change_nothing(home, monkeypatch):
    first = measured(home, ["all"], ["fid"])["fid"]["value"]
    monkeypatch.setattr(quality, "TOGETHER", 4)
    assert measured(home, ["all"], ["fid"])["fid"]["value"] == pytest.approx(first, rel=1e-4)


def test_a_class_smaller_than_a_neighbourhood_is_reported(home):
    with pytest.raises(
        RetortError, match=r"quality\.neighbors is 6, but class ant has only 6 training images; lower it to 5"
    ):
        measured(home, ["all"], ["density-coverage"], neighbors=6)


# ---------------------------------------------------------------- the table and the config


def test_the_table_says_how_each_measure_may_be_read(tmp_path):
    row = {"dataset": "pets", "method": "mine", "ipc": "2", "teacher": "resnet", "n_real": 22, "n_distilled": 6}
    for i, measures in enumerate((["coverage", "fid"], ["kid"])):
        write_json(tmp_path / f"{i}.json", [row | {"measure": m, "value": 0.123456789} for m in measures])
    tabulate_quality([str(tmp_path / f"{i}.json") for i in range(2)], str(tmp_path / "quality.csv"))
    table = pd.read_csv(tmp_path / "quality.csv").set_index("measure")
    assert list(table.index) == ["coverage", "fid", "kid"]
    assert table["value"].tolist() == [0.123457] * 3
    assert table["note"].str.contains("compare equal n_real and n_distilled only").all()
    assert "biased upwards" in table.loc["fid", "note"]
    assert "balanced classes" in table.loc["kid", "note"]


def config(asked: dict | None) -> dict:
    teachers = {"resnet": {"arch": "resnet8", "train": {"steps": 1}}}
    return REST | {"dataset": {"kind": "digits", "name": "mine"}, "teachers": teachers, "quality": asked}


def test_only_a_config_that_asks_for_measures_needs_their_teacher():
    assert Plan(load_config(config(None)), ["0"]).used_teachers() == []
    plan = Plan(load_config(config({"teacher": "resnet"})), ["0"])
    assert plan.used_teachers() == ["resnet"]
    assert plan.config.quality.measures == ALL
    assert plan.distilled_sets() == [{"method": "random", "ipc": "1"}]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"teacher": "resnte"}, r"quality\.teacher: no teacher is called 'resnte'.*resnet"),
        ({"teacher": "resnet", "measures": ["fdi"]}, r"quality\.measures.*density-coverage"),
        ({"teacher": "resnet", "measures": []}, r"quality\.measures"),
        ({"teacher": "resnet", "neighbours": 3}, r"unknown key 'neighbours'.*neighbors"),
    ],
)
def test_mistakes_in_what_is_asked_are_told(asked, said):
    with pytest.raises(RetortError, match=said):
        load_config(config(asked))
