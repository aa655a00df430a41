"""Two jobs never work at one checkpoint: the second waits, or says which process the first one is."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from retort.base.errors import RetortError
from retort.running import checkpoint_lock as alone
from retort.running.checkpoint_lock import alone_at

HOLD = """
    import sys, time
    from retort.running.checkpoint_lock import alone_at
    with alone_at(sys.argv[1]):
        print("held", flush=True)
        time.sleep(float(sys.argv[2]))
"""


@pytest.fixture
def hold(tmp_path):
    """hold(seconds): another process that has the checkpoint."""
    started = []

    def begin(seconds: float) -> subprocess.Popen:
        command = [sys.executable, "-c", textwrap.dedent(HOLD), str(tmp_path / "dit.safetensors"), str(seconds)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield begin
    for process in started:
        process.kill()
        process.wait()


def test_one_that_is_left_over_is_named_when_patience_ends(tmp_path, hold, monkeypatch, capsys):
    monkeypatch.setattr(alone, "PATIENCE", 0.2)
    other = hold(600)
    with pytest.raises(RetortError) as caught, alone_at(tmp_path / "dit.safetensors"):
        pass
    said = str(caught.value)
    assert f"dit.safetensors is in use by process {other.pid} on {os.uname().nodename}" in said.replace("\n", " ")
    assert "kill" in said
    assert capsys.readouterr().out.count("waiting for process") == 1


def test_it_is_waited_for_where_it_ends_in_time(tmp_path, hold):
    other = hold(1.5)
    with alone_at(tmp_path / "dit.safetensors"):
        assert other.wait(timeout=30) == 0


def test_a_process_that_is_killed_holds_nothing(tmp_path, hold):
    other = hold(600)
    other.kill()
    other.wait()
    with alone_at(tmp_path / "dit.safetensors"):
        assert f"process {os.getpid()} " in (tmp_path / "dit.safetensors.lock").read_text()
    assert list(tmp_path.iterdir()) == []


def test_it_is_let_go_of_after_an_error_and_nothing_is_left(tmp_path):
    with pytest.raises(ValueError, match="lost"), alone_at(tmp_path / "new" / "dit"):
        raise ValueError("lost")
    assert list((tmp_path / "new").iterdir()) == []


def test_a_file_system_without_locks_is_trusted(tmp_path, monkeypatch):
    def none(*_):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(alone.fcntl, "flock", none)
    with alone_at(tmp_path / "dit"), alone_at(tmp_path / "dit"):
        pass


def test_jobs_without_a_checkpoint_hold_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with alone_at(None):
        assert list(Path().iterdir()) == []


def test_many_that_come_at_once_take_turns(tmp_path):
    """Each adds to a file what it read there; none is lost."""
    program = textwrap.dedent("""
        import sys, time
        from pathlib import Path
        from retort.running.checkpoint_lock import alone_at
        counter = Path(sys.argv[1], "counter")
        with alone_at(Path(sys.argv[1], "dit")):
            count = int(counter.read_text())
            time.sleep(0.05)
            counter.write_text(str(count + 1))
    """)
    (tmp_path / "counter").write_text("0")
    jobs = [subprocess.Popen([sys.executable, "-c", program, str(tmp_path)]) for _ in range(4)]
    assert [process.wait(timeout=100) for process in jobs] == [0] * 4
    assert (tmp_path / "counter").read_text() == "4"
