"""How the executor of a cluster is told to watch its jobs."""

from types import SimpleNamespace

import pytest

from retort.running.slurm import watch_by_squeue_without_accounting


@pytest.fixture
def says(monkeypatch, tmp_path):
    """says(text): what `scontrol show config` prints; without a call there is no such command."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr("retort.running.slurm.ASK", [str(tmp_path / "scontrol"), "show", "config"])

    def answer(text: str) -> None:
        (tmp_path / "scontrol").write_text(f"#!/bin/sh\necho '{text}'\n")
        (tmp_path / "scontrol").chmod(0o755)

    return answer


@pytest.mark.parametrize(
    ("told", "command"),
    [
        ("AccountingStorageType   = accounting_storage/none", "squeue"),
        ("AccountingStorageType   = (null)", "squeue"),
        ("AccountingStorageType   = accounting_storage/slurmdbd", "sacct"),
        ("slurm_load_ctl_conf error: Unable to contact slurm controller", "sacct"),
        (None, "sacct"),
    ],
)
def test_jobs_are_watched_by_squeue_where_sacct_would_never_answer(says, told, command):
    if told:
        says(told)
    settings = SimpleNamespace(status_command="sacct")
    watch_by_squeue_without_accounting(settings)
    assert settings.status_command == command


@pytest.mark.parametrize("settings", [None, SimpleNamespace(jobs=1)])
def test_other_executors_are_left_alone(says, settings):
    says("AccountingStorageType = accounting_storage/none")
    before = vars(settings).copy() if settings else None
    watch_by_squeue_without_accounting(settings)
    assert (vars(settings) if settings else None) == before
