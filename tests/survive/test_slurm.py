"""Every kind of job through a real SLURM on this machine, without an accounting database: the same results.

It has three nodes. They are killed, and so is the controller, in the middle of jobs.
"""

import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from retort.running.gpus import HIDDEN_BY
from retort.running.slurm_executor import AGAIN, SILENT, UNKNOWN
from tests.helpers.cluster import Cluster
from tests.helpers.workspace import REPOSITORY, Workspace, environment

pytestmark = [pytest.mark.survive, pytest.mark.timeout(4800)]

# Asked more often than on a cluster of others, and of a node with two cores; everything else is the profile's.
OFTEN = ("--slurm-init-seconds-before-status-checks", "3", "--seconds-between-status-checks", "3")
SMALL = ("--set-threads", "build_manifest=2", "--set-resources", "train_students:cpus_per_task=2")

# As a site does whose nodes with and without GPUs are in different partitions, which have the template's names here.
APART = ("--slurm-partition-config", "profiles/slurm/partitions.yaml")

# The cluster's GPUs are declared and not there: without this, a job that asks for one and sees none ends.
DECLARED_ONLY = {"RETORT_DEVICE": "cpu"}
SNAKEMAKES = {"RETORT_OUTPUT": "snakemake"}  # its own words, with the numbers of SLURM's jobs


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder, Cluster(Path(folder), patience=10) as running:
        yield running


def command(workspace: Workspace, profile: str, *arguments: str) -> list[str]:
    return workspace.command("--profile", profile, *OFTEN, *SMALL, *arguments)


def submit(
    cluster: Cluster,
    workspace: Workspace,
    *arguments: str,
    profile: str = "profiles/slurm",
    words: dict[str, str] = SNAKEMAKES,
) -> tuple[int, str]:
    """Run snakemake with a profile on the cluster; its exit status and all that it printed, by default as Snakemake
    does."""
    done = subprocess.run(
        command(workspace, profile, *arguments), cwd=workspace.folder, env=environment() | DECLARED_ONLY | words,
        text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=4600,
    )  # fmt: skip
    return done.returncode, done.stdout


class Run(AbstractContextManager):
    """A run on the cluster that goes on while a test does something to it; what it prints is in a file."""

    def __init__(self, cluster: Cluster, workspace: Workspace, *arguments: str):
        self.cluster, self._file = cluster, workspace.folder.with_suffix(".txt")
        with open(self._file, "w") as output:
            self._process = subprocess.Popen(
                command(workspace, "profiles/slurm", *arguments), cwd=workspace.folder,
                env=environment() | DECLARED_ONLY | SNAKEMAKES, stdout=output, stderr=output,
            )  # fmt: skip

    def __exit__(self, *_) -> None:
        self.kill()

    @property
    def output(self) -> str:
        return self._file.read_text()

    def until(self, happened: Callable[[], object]) -> None:
        """Wait until it is true; it must be before the run ends."""
        while not happened():
            assert self._process.poll() is None, self.output[-6000:]
            time.sleep(0.02)

    def job_of(self, rule: str) -> str:
        """SLURM's job that runs the only job of a rule."""
        submitted = re.findall(r"SLURM jobid (\d+) \(log: \S+/rule_(\w+)/", self.output)
        (found,) = {job for job, of in submitted if of == rule and job in self.cluster.running_on()}
        return found

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def end(self) -> None:
        """Wait for its end, which must be a good one."""
        assert self._process.wait(timeout=2400) == 0, self.output[-6000:]


def asked(job: dict[str, str]) -> dict[str, str]:
    """What a job asked for: cpu, mem and so on."""
    return dict(part.split("=") for part in job["Tres"].split(","))


def test_a_cluster_makes_what_one_machine_makes(cluster, undisturbed, tmp_path, count):
    """Of two methods, in which every kind of job on the way from images to a table occurs; on nodes of two kinds."""
    targets, locally = ["random", "together"], undisturbed.twin(tmp_path / "locally")
    locally.run("--cores", "2", *targets)  # but for their own tables all of it is there
    workspace = Workspace.fresh(tmp_path / "workspace", undisturbed.config)
    status, output = submit(cluster, workspace, *APART, "--", *targets)
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
    wants_gpu = {job["JobId"]: "gpu" in job["Partition"] for job in jobs}
    assert {job["NodeList"] for job in jobs if not wants_gpu[job["JobId"]]} == {"n1"}
    assert {job["NodeList"] for job in jobs if wants_gpu[job["JobId"]]} == {"n2", "n3"}
    count("SLURM: nodes, in partitions with and without GPUs", len(cluster.nodes))
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
    (site / "config.yaml").write_text("executor: slurm\njobs: 10\ndefault-resources: [slurm_partition=gpu]\n")
    workspace = finished.twin(tmp_path / "twin")
    line = "    table = class_accuracies("
    workspace.edit("workflow/retort/stages/tables/tabulate_classes.py", line, f"    1 / 0\n{line}")
    before = len(cluster.finished_jobs())
    status, output = submit(
        cluster, workspace, "--retries", "1", "--", "results/per_class.csv", profile=str(site), words={}
    )
    assert status == 1, output[-6000:]
    attempts = cluster.finished_jobs()[before:]
    assert [asked(job)["mem"] for job in attempts] == ["4000M", "8000M"]
    said = "retort: tabulate_classes: ZeroDivisionError: division by zero"
    assert output.count(f"\n{said}") == 2
    assert output.count("  It is tried again.") == 1
    assert "  log: results/smoke/logs/tabulate_classes.log" in output
    assert "1 of 1 job failed" in output
    count("SLURM: attempts at a failing job", len(attempts))


def test_a_run_that_was_killed_is_taken_up_while_its_job_still_runs(cluster, finished, tmp_path, count):
    """The cluster goes on with the job that nobody waits for; the next run makes the same file again."""
    workspace = finished.twin(tmp_path / "twin")
    shutil.rmtree(workspace.results("smoke", "models", "dit"))
    target = "results/smoke/models/dit"
    with Run(cluster, workspace, "--", target) as run:
        run.until(workspace.results("smoke", "checkpoints", "dit.safetensors").exists)
        run.kill()
    assert "RUNNING" in cluster.command("squeue", "--noheader", "--format=%T")
    workspace.run("--unlock")
    status, output = submit(cluster, workspace, "--", target)
    assert status == 0, output[-6000:]
    assert workspace.contents() == finished.contents()
    count("SLURM: runs killed and taken up", 1)


# ---------------------------------------------------------------- nodes and controllers that fail

ONE_BY_ONE = ("--set-resources", "generate_images:batch=1", "train_students:cpus_per_task=2")
MODEL, IMAGES = "results/smoke/models/dit", "results/smoke/generated/dit/n2/0000.safetensors"


@pytest.fixture(scope="module")
def slowly(finished, tmp_path_factory) -> Workspace:
    """A model was trained, and its images were sampled, slowly enough for something to happen meanwhile."""
    workspace = finished.twin(tmp_path_factory.mktemp("slowly") / "workspace")
    workspace.config["models"]["dit"]["train"]["steps"] = 240
    workspace.config["methods"]["dit"]["generate"]["steps"] = 250
    workspace.configure(workspace.config)
    workspace.run("--cores", "2", *ONE_BY_ONE, "--", MODEL, IMAGES)
    return workspace


@pytest.fixture
def again(slowly, tmp_path) -> Workspace:
    """The same before that model was trained."""
    workspace = slowly.twin(tmp_path / "again")
    shutil.rmtree(workspace.folder / MODEL)
    (workspace.folder / IMAGES).unlink()
    return workspace


def kept_images(workspace: Workspace) -> list[Path]:
    """What a sampling job keeps of the batches that are done."""
    return [*workspace.results("smoke", "checkpoints", "generated", "dit").rglob("*-by-1.safetensors")]


def log_of(workspace: Workspace, rule: str) -> str:
    """The log of the last attempt at the only job of a rule that ran."""
    return max(
        workspace.results("smoke", "logs", rule).rglob("*.log"), key=lambda path: path.stat().st_mtime
    ).read_text()


def test_a_job_whose_node_is_killed_resumes_on_another_one(cluster, slowly, again, count):
    """A training, whose node is marked down by hand, and a sampling, whose node is missed by SLURM itself."""
    failed = {}
    before = len(cluster.finished_jobs())
    with Run(cluster, again, *ONE_BY_ONE, "--", MODEL, IMAGES) as run:
        run.until(again.results("smoke", "checkpoints", "dit.safetensors").exists)
        failed["train_dit"] = job = run.job_of("train_dit")
        node = cluster.running_on()[job]
        cluster.kill_node(node)
        assert not (again.folder / MODEL).exists()
        cluster.command("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=killed by a test")
        run.until(lambda: cluster.running_on().get(job, node) != node)
        cluster.start_node(node)
        run.until(lambda: kept_images(again))
        failed["generate_images"] = job = run.job_of("generate_images")
        node = cluster.running_on()[job]
        cluster.kill_node(node)
        assert not (again.folder / IMAGES).exists()
        run.end()
        cluster.start_node(node)
    assert again.contents() == slowly.contents()
    ended = cluster.finished_jobs()[before:]
    for job in failed.values():
        lost, done = (entry for entry in ended if entry["JobId"] == job)
        assert (lost["JobState"], done["JobState"]) == ("NODE_FAIL", "COMPLETED")
        assert lost["NodeList"] != done["NodeList"]
    assert int(re.search(r"resuming from step (\d+) of", log_of(again, "train_dit"))[1]) >= 12
    assert "resuming: batch 0-0-by-1 was done" in log_of(again, "generate_images")
    assert "Trying to restart job" not in run.output, "it was SLURM that gave the job to another node"
    count("SLURM: nodes killed under a job that resumed on another", len(failed))


def test_a_run_outlives_its_controller_and_jobs_that_the_controller_forgets(cluster, slowly, again, count):
    """A job ends while the controller is away; in the middle of the next one it comes back and knows of no job."""
    with Run(cluster, again, *ONE_BY_ONE, "--", MODEL, IMAGES) as run:
        run.until(again.results("smoke", "checkpoints", "dit.safetensors").exists)
        cluster.stop_controller()
        run.until(lambda: (again.folder / MODEL).exists() and SILENT in run.output)
        cluster.start_controller()
        run.until(lambda: kept_images(again))
        assert AGAIN in run.output
        forgotten = run.job_of("generate_images")
        cluster.stop_controller()
        run.until(lambda: run.output.count(SILENT) == 2)
        cluster.start_controller("-c")
        run.end()
    assert UNKNOWN.format(job=forgotten) in run.output
    assert again.contents() == slowly.contents()
    assert "Trying to restart job" in run.output
    count("SLURM: controllers restarted in the middle of a run", 2)


@pytest.mark.parametrize("scheduled", [True, False], ids=["by SLURM", "by themselves"])
def test_two_jobs_of_one_node_use_different_gpus_with_private_temporary_folders(cluster, tmp_path, count, scheduled):
    """SLURM gives each its own; where a site does not have it do so, both see all GPUs of the node."""
    program = f"{sys.executable} -m tests.helpers.gpu_job"
    if scheduled:
        gpus, asking, program = ["0", "1"], ["--gpus=1"], f"srun -n1 --gpus=1 {program}"
    else:
        gpus, asking = sorted(f"GPU-{secrets.token_hex(4)}" for _ in range(2)), []
        program = f"{HIDDEN_BY}={','.join(gpus)} {program}"
    outputs = []
    for number in range(2):
        outputs.append(tmp_path / f"{number}.txt")
        job = (f"--chdir={REPOSITORY}", f"--output={outputs[-1]}", "--partition=gpu", "--nodelist=n2", *asking)
        cluster.command("sbatch", *job, f"--wrap=PYTHONPATH=workflow:. {program}")
    deadline = time.monotonic() + 120
    while not all(output.exists() and "GPU" in output.read_text() for output in outputs):
        assert time.monotonic() < deadline, [output.read_text() for output in outputs if output.exists()]
        time.sleep(0.1)
    cluster.command("scancel", "--partition=gpu", "--user=root")
    found = [output.read_text().splitlines()[0] for output in outputs]
    assert sorted(found) == [f"GPU {gpu} on n2, nothing in /tmp" for gpu in gpus]
    count("SLURM: jobs of one node at once, each with a GPU and a /tmp of its own", len(found))
