"""A target that nothing makes: one line that says what was meant."""

import pytest

from retort.plan.targets import no_such_target

NAMES, FILES = ["all", "report_page", "random", "d3hr-exact"], ["results/accuracy.csv", "results/report.html"]


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("RANDOM", ["no target has this name, did you mean 'random'?"]),
        ("d3hr_exact", ["did you mean 'd3hr-exact'?", "targets: all, report_page, random, d3hr-exact"]),
        ("report", ["no target has this name, did you mean 'report_page'?"]),
        ("xyz", ["no target has this name (targets: all"]),
        ("results/report.htm", ["nothing in this config makes this file, did you mean 'results/report.html'?"]),
        ("a/b", ["results/README.md says what the files are called"]),
        ("configs/mine.yml", ["snakemake --cores 2 all --configfile configs/mine.yml"]),
    ],
)
def test_what_was_meant_is_said(target, words):
    said = no_such_target(target, NAMES, FILES)
    assert said.startswith(f"{target}: ")
    assert [word for word in words if word not in said] == [], said
