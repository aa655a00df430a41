"""Jobs side by side on one machine each see a GPU of their own."""

import os
import re
import secrets
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
import torch
from tests.helpers.fake_jobs import fake_job

from retort.base.errors import RetortError
from retort.running import gpus
from retort.running.gpus import HIDDEN_BY, own_gpu, visible_gpus, why_no_gpu
from retort.running.job import job


@pytest.fixture(autouse=True)
def machine(monkeypatch, tmp_path):
    """Three GPUs, no driver, and locks that no other test sees."""
    monkeypatch.setenv(HIDDEN_BY, "0,1,GPU-5f")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(gpus, "LOCKS", f"test-{secrets.token_hex(4)}")
    return monkeypatch


JOB = (
    "import os, sys\n"
    "from retort.running import gpus\n"
    "gpus.LOCKS = sys.argv[1]\n"
    "with gpus.own_gpu(True):\n"
    "    print(os.environ['CUDA_VISIBLE_DEVICES'], flush=True)\n"
    "    sys.stdin.read()\n"
)


def start(**environment: str) -> tuple[subprocess.Popen, list[str]]:
    """A job in a process of its own, which ends when its standard input does; and the words of its first line."""
    process = subprocess.Popen(
        [sys.executable, "-c", JOB, gpus.LOCKS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | environment,
    )
    return process, process.stdout.readline().split()


def test_processes_side_by_side_see_different_gpus_and_a_killed_one_gives_its_own_back():
    jobs = [start() for _ in range(3)]
    assert [words for _, words in jobs] == [["0"], ["1"], ["GPU-5f"]]
    jobs[1][0].kill()
    jobs[1][0].wait()
    jobs.append(start())
    assert jobs[-1][1] == ["1"]
    for process, _ in jobs:
        process.communicate()


def test_jobs_with_temporary_folders_of_their_own_see_different_gpus(tmp_path):
    """Many clusters give each job a private /tmp and /dev/shm, which hides files that lie there from the others."""
    jobs = []
    for number in range(2):
        (tmp_path / str(number)).mkdir()
        jobs.append(start(TMPDIR=str(tmp_path / str(number))))
    assert [words for _, words in jobs] == [["0"], ["1"]]
    assert not [*tmp_path.glob("*/*")]
    for process, _ in jobs:
        process.communicate()


def test_a_fourth_job_shares_and_says_how_to_avoid_it(capsys):
    with ExitStack() as held:
        for _ in range(3):
            held.enter_context(own_gpu(True))
            os.environ[HIDDEN_BY] = "0,1,GPU-5f"  # another process would see all of them
        with own_gpu(True):
            assert os.environ[HIDDEN_BY] == "0"
    assert "--resources gpu=3" in capsys.readouterr().out


def test_the_environment_is_as_before_after_the_job():
    with own_gpu(True):
        assert os.environ[HIDDEN_BY] == "0"
    assert os.environ[HIDDEN_BY] == "0,1,GPU-5f"


@pytest.mark.parametrize("case", ["wants none", "sees one", "sees none"])
def test_nothing_is_hidden_where_nothing_is_to_be_shared_out(machine, case):
    if case in ("sees one", "sees none"):
        machine.setenv(HIDDEN_BY, "7" if case == "sees one" else "")
    before = os.environ[HIDDEN_BY]
    with own_gpu(case != "wants none"):
        assert os.environ[HIDDEN_BY] == before


def write_driver(folder: Path, *gpus: str) -> None:
    """An `nvidia-smi` that shows these UUIDs."""
    driver = folder / "nvidia-smi"
    driver.write_text("#!/bin/sh\n" + "".join(f"echo '{i}, {gpu}'\n" for i, gpu in enumerate(gpus)))
    driver.chmod(0o755)


def test_without_a_list_the_driver_is_asked(machine, tmp_path):
    machine.delenv(HIDDEN_BY)
    assert visible_gpus(os.environ) == []
    write_driver(tmp_path, "GPU-a1", "GPU-b2")
    assert visible_gpus(os.environ) == ["GPU-a1", "GPU-b2"]


@pytest.mark.parametrize("named", ["0,1", "GPU-a,GPU-b2"])
def test_a_gpu_is_one_whatever_it_is_called(machine, tmp_path, named):
    """An allocation of a cluster's counts its own GPUs from 0, and UUIDs may be shortened."""
    write_driver(tmp_path, "GPU-a1", "GPU-b2")
    with own_gpu(True):
        os.environ[HIDDEN_BY] = named
        with own_gpu(True):
            assert os.environ[HIDDEN_BY] == named.split(",")[1]


def test_the_same_number_in_another_allocation_is_another_gpu(machine, tmp_path, capsys):
    write_driver(tmp_path, "GPU-a1", "GPU-b2")
    machine.setenv(HIDDEN_BY, "0,1")
    with own_gpu(True):
        write_driver(tmp_path, "GPU-c3", "GPU-d4")
        os.environ[HIDDEN_BY] = "0,1"
        with own_gpu(True):
            assert os.environ[HIDDEN_BY] == "0"
    assert capsys.readouterr().out == ""


# ---------------------------------------------------------------- a GPU that is not seen


@pytest.fixture
def blind(machine, tmp_path):
    """No GPU is seen, none is hidden, no driver is there and no SLURM."""
    for name in (HIDDEN_BY, "SLURM_JOB_ID", "RETORT_DEVICE"):
        machine.delenv(name, raising=False)
    machine.setattr(torch.cuda, "is_available", lambda: False)
    machine.setattr(gpus, "DEVICE_FILES", tmp_path / "dev")
    (tmp_path / "dev").mkdir()
    return machine


def test_a_gpu_that_is_seen_needs_no_word(machine):
    machine.setattr(torch.cuda, "is_available", lambda: True)
    assert why_no_gpu("auto") is None


def test_where_there_is_no_gpu_the_log_says_that_the_cpu_computes(blind, tmp_path):
    with job(fake_job(tmp_path / "job.log", resources={"gpu": 1})):
        pass
    said = (tmp_path / "job.log").read_text().splitlines()
    assert said[1] == "this job computes on the CPU: there is no GPU on this machine"


@pytest.mark.parametrize("where", ["SLURM", "driver", "device file"])
def test_a_gpu_that_should_be_there_and_is_not_ends_the_job_in_one_line(blind, tmp_path, capsys, where):
    if where == "SLURM":
        blind.setenv("SLURM_JOB_ID", "4711")
        blind.setenv(HIDDEN_BY, "")  # what SLURM itself sets where it gave none
    elif where == "driver":
        write_driver(tmp_path, "GPU-a1")
    else:
        (tmp_path / "dev" / "nvidia0").touch()
    began = []
    with pytest.raises(SystemExit) as ended, job(fake_job(tmp_path / "job.log", resources={"gpu": 1})):
        began.append("the stage")
    assert ended.value.code == 1
    assert not began
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert said[0].startswith("retort: generate_images: this job asks for a GPU and sees none")
    assert ("in SLURM's job 4711 on" in said[0]) == (where == "SLURM")
    assert "run with --resources gpu=0" in said[0]


def test_a_gpu_asked_for_by_gres_is_missed_too(blind, tmp_path, capsys):
    blind.setenv("SLURM_JOB_ID", "4711")
    with pytest.raises(SystemExit), job(fake_job(tmp_path / "job.log", resources={"gpu": 0, "gres": "gpu:1"})):
        pass
    assert "asks for a GPU and sees none in SLURM's job 4711" in capsys.readouterr().err
    with job(fake_job(tmp_path / "job.log", "write_set", resources={"gres": "gpu:1"})):
        pass


def test_pytorch_for_cpus_alone_is_named_where_there_is_a_gpu(blind, tmp_path):
    write_driver(tmp_path, "GPU-a1")
    blind.setattr(torch.version, "cuda", None)
    with pytest.raises(RetortError, match=r"built for CPUs only \(make env sets up"):
        why_no_gpu("auto")
    blind.setattr(torch.version, "cuda", "13.0")
    with pytest.raises(RetortError, match=r"nvidia-smi there \(CUDA_VISIBLE_DEVICES is not set\)"):
        why_no_gpu("auto")


@pytest.mark.parametrize("resources", [{"gpu": 0}, {}, {"gpu": 1, "run": "cpu+slicing"}])
def test_jobs_that_want_no_gpu_need_none_anywhere(blind, tmp_path, resources):
    """`--resources gpu=0` makes it 0."""
    blind.setenv("SLURM_JOB_ID", "4711")
    write_driver(tmp_path, "GPU-a1")
    with job(fake_job(tmp_path / "job.log", resources=resources)):
        pass


def test_a_user_may_hide_all_gpus_or_choose_the_cpu(blind, tmp_path):
    write_driver(tmp_path, "GPU-a1")
    blind.setenv(HIDDEN_BY, "")
    assert why_no_gpu("auto") == "this job computes on the CPU: CUDA_VISIBLE_DEVICES hides every GPU"
    blind.setenv("SLURM_JOB_ID", "4711")
    blind.setenv("RETORT_DEVICE", "cpu")
    assert why_no_gpu("auto") == "this job computes on the CPU, as RETORT_DEVICE says"


IMPORTS = """
import importlib, pkgutil, torch
asked = []
torch.cuda._is_compiled = lambda: True
torch.cuda._device_count_nvml = lambda: 2
torch._C._cuda_getDeviceCount = lambda: asked.append("the driver") or 2
import retort.stages
for module in pkgutil.walk_packages(retort.stages.__path__, "retort.stages."):
    importlib.import_module(module.name)
assert "diffusers" in __import__("sys").modules
print(len(asked))
"""


def test_no_import_of_a_job_starts_cuda_before_its_gpu_is_chosen():
    """diffusers looks for a GPU while it is imported; a driver that has been started keeps the GPUs it has seen."""
    common = (Path(__file__).resolve().parents[3] / "rules" / "common.smk").read_text()
    environment = os.environ | dict(re.findall(r'^os\.environ\.setdefault\("(\w+)", "(\w+)"\)', common, re.M))
    done = subprocess.run([sys.executable, "-c", IMPORTS], env=environment, capture_output=True, text=True)
    assert done.stdout == "0\n", done.stderr
