"""Teacher selection against CaO2's reference code."""

import pytest
from safetensors.torch import load_file

from retort.methods.confidence import rank_candidates

KEEP = {"desc": "confident", "asc": "uncertain"}


@pytest.fixture(scope="module")
def case(parity):
    return parity("cao2_selection")


def test_the_same_candidates_in_the_same_order(case):
    logits = load_file(case.folder / "logits.safetensors")
    assert case.facts["cases"]
    for facts in case.facts["cases"]:
        found = rank_candidates(logits[f"{facts['case']}_logits"], facts["class_label"], KEEP[facts["variant"]])
        assert int(found.correct.sum()) == facts["n_correct"], facts["case"]
        assert found.order[: facts["ipc"]].tolist() == facts["selected"], (facts["case"], facts["variant"])
