"""What travels together on a cluster belongs to one set, one method or one discovery."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
PROFILE = yaml.safe_load((ROOT / "profiles" / "slurm" / "config.yaml").read_text())
GROUPS = dict(entry.split("=") for entry in PROFILE["groups"])
RULES = {
    name: body
    for file in (ROOT / "rules").glob("*.smk")
    for name, body in re.findall(r"^ *rule (\w+):\n(.*?)(?=^ *rule |\Z)", file.read_text(), re.MULTILINE | re.DOTALL)
}


@pytest.mark.parametrize("rule", GROUPS)
def test_a_group_is_named_by_what_its_jobs_make(rule):
    """Snakemake joins any ten jobs whose group has one name, though one of them has to wait, or fails."""
    owners = re.findall(r"\{(\w+)\}", GROUPS[rule])
    assert {"method", "discovery"} & set(owners)
    assert all(f"{{{owner}}}" in RULES[rule] for owner in owners)


def test_every_group_has_its_size():
    """A size under another name is no error to Snakemake: each job would be submitted by itself."""
    assert {entry.split("=")[0] for entry in PROFILE["group-components"]} == set(GROUPS.values())


def test_nothing_is_an_array():
    """The executor, as pinned, submits none of an array's jobs while more of that rule are ready than it was given."""
    assert "slurm-array-jobs" not in PROFILE


def test_every_rule_on_a_gpu_has_cores_beside_its_threads_on_slurm():
    """A rule that is not in the list asks for one core, on which everything else waits for the GPU's own thread."""
    listed = {entry.split(":")[0] for entry in PROFILE["set-resources"]}
    alone = {name for name, text in RULES.items() if re.search(r"\bgpu=1,", text) and "threads:" not in text}
    assert len(alone) > 10
    assert alone - listed == set()
