"""What docs/costs.md says of GPU memory is what the published shapes need at the rules' own batches."""

import re
from pathlib import Path

import pytest
import torch

from tests.gpu.arithmetic import DEFAULTS, GIB, WORKS, Work, fits, peak
from tests.gpu.hub import empty_network
from tests.gpu.meter import LiveBytes, fused_attention
from tests.gpu.published import CLIP_G, REFINER

ROOT = Path(__file__).resolve().parents[2]
SECTION = (ROOT / "docs" / "costs.md").read_text().split("## GPU memory")[1].split("\n## ")[0]
KINDS = {"DiT-XL/2": "dit", "SD 1.5": "sd", "SDXL": "sdxl", "256 px": "256", "512 px": "512", "1,024 px": "1024"}
KINDS |= {"ResNet-18": "resnet18", "ResNet-50": "resnet50", "ResNet-101": "resnet101"}


def documented() -> dict[Work, tuple[float, str, str]]:
    """Work -> GiB, and whether it fits 24 and 40 GB, of the rows of the table."""
    found = {}
    for line in re.findall(r"^\| `.*\|$", SECTION, re.M):
        rule, model, batch, gib, small, large = (cell.strip() for cell in line.strip("|").split("|"))
        found[Work(rule.strip("`"), KINDS[model], int(batch))] = float(gib), small, large
    return found


def test_every_stage_that_computes_on_a_gpu_is_in_the_table():
    assert set(documented()) == set(WORKS)


@pytest.mark.parametrize("work", WORKS, ids=lambda work: work.name)
def test_the_documented_memory_is_what_the_published_shapes_need(work):
    gib, small, large = documented()[work]
    found = peak(work)
    assert found / GIB == pytest.approx(gib, abs=0.06)
    assert ["no", "yes"][fits(found, 24)] == small.split(":")[0]
    assert ["no", "yes"][fits(found, 40)] == large


def test_only_two_stages_do_not_fit_24_gb_at_their_default_batch():
    wide = {work for work, (_, small, _) in documented().items() if not small.startswith("yes")}
    assert wide == {Work("refine_latents", "sdxl", 4), Work("train_students", "resnet101", 200)}


def test_the_refiner_comes_on_top():
    networks = empty_network("unet", REFINER), empty_network("text_encoder_2", CLIP_G)
    gib = sum(2 * p.numel() for network in networks for p in network.parameters()) / GIB
    assert f"{gib:.1f} GiB" in SECTION


RULES = {path: path.read_text() for path in (ROOT / "rules").glob("*.smk")}


# A student's batch is its protocol's, part of the experiment.
@pytest.mark.parametrize(("rule", "model"), [key for key in DEFAULTS if key[0] != "train_students"])
def test_the_batches_are_those_of_the_rules(rule, model):
    (text,) = [text for text in RULES.values() if f"rule {rule}:" in text]
    own = text.split(f"rule {rule}:")[1].split("\nrule ")[0]
    asked = re.search(r"batch=(images_at_once\()?(\d+)", own)
    batch = int(asked[2]) // (4 if asked[1] and model == "sdxl" else 1)
    assert batch == DEFAULTS[rule, model]


# ---------------------------------------------------------------- the meter


def test_the_meter_counts_what_lives_at_once_and_no_view_twice():
    with LiveBytes() as meter:
        first = torch.zeros(1000, device="meta")
        second = first + 1
        assert meter.live == 8000
        view = second.view(10, 100)
        del first, second
        assert meter.live == 4000
        del view
        assert (meter.live, meter.peak) == (0, 8000)


def test_the_meter_counts_what_is_kept_for_a_gradient_and_weights_that_are_held():
    weight = torch.zeros(1000, device="meta", requires_grad=True)
    with LiveBytes() as meter:
        meter.hold(weight)
        loss = (weight * 2).sin().sum()  # the sine keeps its input
        assert meter.live == 8000 + 4
        loss.backward()
        del loss
    assert meter.live == 8000  # the weight and its gradient


def test_fused_attention_keeps_no_matrix_of_weights():
    query = torch.zeros(2, 4, 512, 64, device="meta")
    matrix = 2 * 4 * 512 * 512 * 4
    peaks = []
    for fused in (False, True):
        with LiveBytes() as meter:
            if fused:
                with fused_attention():
                    torch.nn.functional.scaled_dot_product_attention(query, query, query)
            else:
                torch.nn.functional.scaled_dot_product_attention(query, query, query)
        peaks.append(meter.peak)
    assert peaks[1] < matrix < peaks[0]
