"""docs/costs.md, and what configs say of their costs, are what the command that they name prints."""

import io
import re
from contextlib import redirect_stdout
from pathlib import Path

import pytest
from bench import method_costs, real_disk, real_run, real_students

ROOT = Path(__file__).resolve().parents[3]
PAGE, HEADER = (ROOT / "docs" / "costs.md").read_text(), (ROOT / "configs" / "imagenet1k.yaml").read_text()

MIXED = "all, labels and students in mixed precision"


@pytest.fixture(scope="module")
def printed() -> list[str]:
    with redirect_stdout(io.StringIO()) as said:
        real_run.main()
    return [line for line in said.getvalue().splitlines() if line]


def cells(printed: list[str], head: str, row: str) -> dict[str, str]:
    """Column -> cell of a row of the printed table that has this column."""
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in printed]
    start = next(i for i, line in enumerate(lines) if head in line)
    return dict(zip(lines[start], next(line for line in lines[start:] if line[0] == f"`{row}`"), strict=True))


def test_every_table_of_the_page_is_what_the_command_prints(printed):
    reckoned = PAGE.split("## GPU memory")[0]  # whose tables have a command and a test of their own
    assert [line for line in reckoned.splitlines() if line.startswith("|")] == printed


def test_the_calls_of_each_method_are_what_the_command_counts():
    section = PAGE.split("## Methods beside plain sampling")[1]
    assert [line for line in section.splitlines() if line.startswith("|")] == method_costs.counted(
        real_run.plan_of("configs/imagenet1k.yaml")
    )


def test_a_pool_multiplies_the_calls_of_an_image_and_a_start_on_the_way_leaves_steps_out():
    plan = real_run.plan_of("configs/imagenet1k.yaml")
    assert method_costs.calls(plan, "dit") == ["100", "1", "", ""]  # 50 steps of two branches
    assert method_costs.calls(plan, "cao2") == ["400", "4", "100", ""]
    assert method_costs.calls(plan, "d3hr-s3") == [f"{5 * 2 * 32}", "3.2", "", f"{2 * 30}"]
    assert method_costs.calls(plan, "random") == ["", "", "", ""]


def test_the_header_of_the_config_says_the_same(printed):
    hours = cells(printed, "all, float32", "configs/imagenet1k.yaml")
    disk = cells(printed, "downloads", "configs/imagenet1k.yaml")
    students, images, mixed = (hours[name] for name in ("students, float32", "images: A100-hours", MIXED))
    whole = f"in all     {hours['all, float32']} hours of an A100 in float32"
    assert f"{whole} ({students} of them students, {images} images), {mixed} with" in HEADER
    sizes = {name: round(float(size.replace(",", ""))) for name, size in disk.items() if re.fullmatch(r"[\d,.]+", size)}
    assert f"disk       {sizes['all, GB']} GB: labels {sizes['labels']} (9 with" in HEADER
    assert f"latents {sizes['latents']}, images made and sets {sizes['images made, and sets']}" in HEADER
    assert f"The sets hold {disk['images in sets']} images" in HEADER
    assert HEADER.count(f"{disk['downloads']} GB") == 2


def test_rates_are_the_published_ones_scaled_by_flops():
    assert real_students.rates("resnet50") == real_students.PUBLISHED
    assert real_students.rates("resnet18")["float32"] == pytest.approx(2110, rel=0.01)
    assert real_students.rates("resnet101")["mixed"] == pytest.approx(1290, rel=0.01)
    assert real_students.hours("resnet101", 15_000_000, "float32") == pytest.approx(8.5, rel=0.01)
    forward = real_students.hours("resnet18", 15_000_000, "mixed", forward=True)
    assert forward == real_students.hours("resnet18", 5_000_000, "mixed")


def test_models_have_the_published_numbers_of_parameters():
    """In millions. The DiT has more in diffusers' form than the paper's 675, as each block has its own embedders."""
    assert real_disk.parameters("sdxl")["unet"] // 10**6 == 2567
    assert real_disk.parameters("sdxl-refiner")["unet"] // 10**6 == 2259
    assert real_disk.parameters("dit")["transformer"] // 10**6 == 749
    assert real_disk.parameters("sd")["unet"] // 10**6 == 859
    assert real_disk.parameters("vae")["vae"] // 10**6 == 83
    assert real_disk.parameters("sdxl")["text_encoder"] // 10**6 == 123
    assert real_disk.parameters("sdxl")["text_encoder_2"] // 10**6 == 694


@pytest.mark.parametrize("config", real_run.CONFIGS)
def test_every_method_of_the_runs_is_counted(config):
    plan = real_run.plan_of(config)
    assert set(plan.wanted_methods) <= real_run.COST_OF.keys()
    assert set(real_run.COST_OF.values()) - {None} <= {"dit", "sdxl", "rded", "d3hr", "cao2", "coda", "mgd3"}
