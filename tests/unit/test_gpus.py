"""Jobs side by side on one machine each see a GPU of their own."""

import os
import re
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from retort.config.gpus import HIDDEN_BY, own_gpu, visible_gpus


@pytest.fixture(autouse=True)
def machine(monkeypatch, tmp_path):
    """Three GPUs, no driver, and locks that no other test sees."""
    monkeypatch.setenv(HIDDEN_BY, "0,1,GPU-5f")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return monkeypatch


JOB = (
    "import os, sys, tempfile; tempfile.tempdir = sys.argv[1]\n"
    "from retort.config.gpus import own_gpu\n"
    "with own_gpu(True):\n"
    "    print(os.environ['CUDA_VISIBLE_DEVICES'], flush=True)\n"
    "    sys.stdin.read()\n"
)


def start(folder) -> tuple[subprocess.Popen, list[str]]:
    """A job in a process of its own, which ends when its standard input does; and the words of its first line."""
    process = subprocess.Popen(
        [sys.executable, "-c", JOB, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    return process, process.stdout.readline().split()


def test_processes_side_by_side_see_different_gpus_and_a_killed_one_gives_its_own_back(tmp_path):
    jobs = [start(str(tmp_path)) for _ in range(3)]
    assert [words for _, words in jobs] == [["0"], ["1"], ["GPU-5f"]]
    jobs[1][0].kill()
    jobs[1][0].wait()
    jobs.append(start(str(tmp_path)))
    assert jobs[-1][1] == ["1"]
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


IMPORTS = """
import importlib, pkgutil, torch
asked = []
torch.cuda._is_compiled = lambda: True
torch.cuda._device_count_nvml = lambda: 2
torch._C._cuda_getDeviceCount = lambda: asked.append("the driver") or 2
import retort.stages
for module in pkgutil.iter_modules(retort.stages.__path__):
    importlib.import_module(f"retort.stages.{module.name}")
assert "diffusers" in __import__("sys").modules
print(len(asked))
"""


def test_no_import_of_a_job_starts_cuda_before_its_gpu_is_chosen():
    """diffusers looks for a GPU while it is imported; a driver that has been started keeps the GPUs it has seen."""
    common = (Path(__file__).resolve().parents[2] / "rules" / "common.smk").read_text()
    environment = os.environ | dict(re.findall(r'^os\.environ\.setdefault\("(\w+)", "(\w+)"\)', common, re.M))
    done = subprocess.run([sys.executable, "-c", IMPORTS], env=environment, capture_output=True, text=True)
    assert done.stdout == "0\n", done.stderr
