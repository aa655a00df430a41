"""Every kind of job through a real SLURM on this machine, without an accounting database: the same results."""

import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..end_to_end.workspace import Workspace, environment
from .cluster import Cluster

pytestmark = [pytest.mark.survive, pytest.mark.timeout(2400)]

# Asked more often than on a cluster of others, and of a node with two cores; everything else is the profile's.
OFTEN = ("--slurm-init-seconds-before-status-checks", "3", "--seconds-between-status-checks", "3")
SMALL = ("--set-threads", "build_manifest=2", "--set-resources", "train_students:cpus_per_task=2")

# The cluster's GPUs are declared and not there: without this, a job that asks for one and sees none ends.
DECLARED_ONLY = {"RETORT_DEVICE": "cpu"}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder, Cluster(Path(folder)) as running:
        yield running


def command(workspace: Workspace, profile: str, *arguments: str) -> list[str]:
    return workspace.command("--profile", profile, *OFTEN, *SMALL, *arguments)


def submit(cluster: Cluster, workspace: Workspace, *arguments: str, profile: str = "profiles/slurm") -> tuple[int, str]:
    """Run snakemake with a profile on the cluster; its exit status and all that it printed."""
    done = subprocess.run(
        command(workspace, profile, *arguments), cwd=workspace.folder, env=environment() | DECLARED_ONLY, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=2300,
    )  # fmt: skip
    return done.returncode, done.stdout


def asked(job: dict[str, str]) -> dict[str, str]:
    """What a job asked for: cpu, mem and so on."""
    return dict(part.split("=") for part in job["Tres"].split(","))


def test_a_cluster_makes_what_one_machine_makes(cluster, undisturbed, tmp_path, count):
    """Of two methods, in which every kind of job on the way from images to a table occurs."""
    targets, locally = ["random", "together"], undisturbed.twin(tmp_path / "locally")
    locally.run("--cores", "2", *targets)  # but for their own tables all of it is there
    workspace = Workspace.fresh(tmp_path / "workspace", undisturbed.config)
    status, output = submit(cluster, workspace, "--", *targets)
    assert status == 0, output[-6000:]
    made, expected = workspace.contents(), locally.contents()
    assert len(made) > 60
    assert made == {path: expected.get(path) for path in made}
    jobs = cluster.finished_jobs()
    assert {job["JobState"] for job in jobs} == {"COMPLETED"}
    rules = int(re.search(r"^total +(\d+)$", output, re.MULTILINE)[1])
    assert len(jobs) < rules, "a method's pictures did not travel together"
    assert {asked(job)["cpu"] for job in jobs} >= {"1", "2"}
    assert {asked(job)["mem"] for job in jobs} >= {"4000M", "6000M", "12000M"}
    count("SLURM: jobs of rules, equal to a local run", rules)
    count("SLURM: jobs submitted for them", len(jobs))


def test_shards_travel_together_or_as_an_array_by_the_profile_that_a_user_installed(
    cluster, finished, tmp_path, monkeypatch, count
):
    """`--profile slurm`, as after the one-line install that the profile names."""
    installed = tmp_path / "settings" / "snakemake" / "slurm"
    installed.parent.mkdir(parents=True)
    installed.symlink_to(finished.folder / "profiles" / "slurm")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    workspace = finished.twin(tmp_path / "twin")
    workspace.configure(workspace.config | {"dataset": workspace.config["dataset"] | {"shard_classes": 1}})
    clusters = [f"results/smoke/discovery/density/{shard}.csv" for shard in ("0000", "0001")]
    before = len(cluster.finished_jobs())
    as_array = ("--slurm-array-jobs", "encode_latents")
    status, output = submit(cluster, workspace, *as_array, "--", *clusters, profile="slurm")
    assert status == 0, output[-6000:]
    assert "Submitted array job" in output
    assert re.search(r"^ +resources: .*gpu=1", output, re.MULTILINE)
    arrays, alone, together = 2, 2, 1  # encode_latents, embed_classes, cluster_classes
    assert len(cluster.finished_jobs()) == before + arrays + alone + together
    assert all(Path(workspace.folder, path).exists() for path in clusters)
    count("SLURM: jobs of an array", arrays)
    count("SLURM: shards that travelled together", len(clusters))


def test_a_failing_job_is_tried_again_with_more_memory_and_leads_to_its_cause(cluster, finished, tmp_path, count):
    """By a site's own profile, which knows nothing of Retort."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "config.yaml").write_text("executor: slurm\njobs: 10\ndefault-resources: [slurm_partition=main]\n")
    workspace = finished.twin(tmp_path / "twin")
    line = "    table = class_accuracies("
    workspace.edit("workflow/retort/stages/tables/tabulate_classes.py", line, f"    1 / 0\n{line}")
    before = len(cluster.finished_jobs())
    status, output = submit(cluster, workspace, "--retries", "1", "--", "results/per_class.csv", profile=str(site))
    assert status == 1, output[-6000:]
    attempts = cluster.finished_jobs()[before:]
    assert [asked(job)["mem"] for job in attempts] == ["4000M", "8000M"]
    assert "ZeroDivisionError" in output
    assert "results/smoke/logs/tabulate_classes.log" in output
    count("SLURM: attempts at a failing job", len(attempts))


def test_a_run_that_was_killed_is_taken_up_while_its_job_still_runs(cluster, finished, tmp_path, count):
    """The cluster goes on with the job that nobody waits for; the next run makes the same file again."""
    workspace = finished.twin(tmp_path / "twin")
    shutil.rmtree(workspace.results("smoke", "models", "dit"))
    target = "results/smoke/models/dit"
    with open(tmp_path / "output.txt", "w") as output:
        killed = subprocess.Popen(
            command(workspace, "profiles/slurm", "--", target), cwd=workspace.folder, env=environment() | DECLARED_ONLY,
            stdout=output, stderr=output,
        )  # fmt: skip
        while not workspace.results("smoke", "checkpoints", "dit.safetensors").exists():
            assert killed.poll() is None, (tmp_path / "output.txt").read_text()[-6000:]
            time.sleep(0.05)
        killed.kill()
        killed.wait()
    assert "RUNNING" in cluster.command("squeue", "--noheader", "--format=%T")
    workspace.run("--unlock")
    status, output = submit(cluster, workspace, "--", target)
    assert status == 0, output[-6000:]
    assert workspace.contents() == finished.contents()
    count("SLURM: runs killed and taken up", 1)
