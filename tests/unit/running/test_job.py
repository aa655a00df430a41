"""What every script does around its stage: its log, one clear error for what is no mistake of the code, SIGTERM."""

import errno
import multiprocessing
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from tests.helpers.fake_jobs import Named, fake_job

from retort.base.devices import tune_kernels
from retort.base.errors import RetortError
from retort.base.files import whole_file
from retort.evaluation.views import ViewSettings
from retort.running.job import job

FULL = "/dev/full"  # every write to it finds no space left
LOST_NOTHING = "Nothing that is finished is lost"


@pytest.fixture
def ended(tmp_path, capsys):
    """ended(error, ...): what a job says at last that raises `error` (or calls it, if that raises), and its log."""

    def end(error, *, traceback: bool = False, in_log: bool = False, code: int = 1, **changes) -> tuple[str, str]:
        described = fake_job(**{"log": tmp_path / "job.log", "output": Named(tmp_path / "out" / "x")} | changes)
        with pytest.raises(SystemExit) as caught, job(described):
            failing(error)
        assert caught.value.code == code
        log, terminal = (tmp_path / "job.log").read_text(), capsys.readouterr().err
        assert ("Traceback" in terminal) == traceback
        assert ("Traceback" in log) == (traceback or in_log)
        last = log.splitlines()[-1]
        assert last == terminal.splitlines()[-1]
        assert last.startswith(f"retort: {described.rule}: ")
        return last.removeprefix(f"retort: {described.rule}: "), log

    return end


def failing(error) -> None:
    if isinstance(error, BaseException):
        raise error
    error()


# ---------------------------------------------------------------- the log


def test_a_log_begins_with_the_job_and_ends_with_the_time_that_it_took(tmp_path, capsys):
    with job(fake_job(tmp_path / "job.log", "write_set", wildcards={"method": "d3hr", "ipc": "10"})):
        print("halfway")
        print("\r 50%\r100%", file=sys.stderr)
    first, *between, last = (tmp_path / "job.log").read_text().splitlines()
    where = f"on {re.escape(socket.gethostname())}, pid {os.getpid()}"
    time_of_day = r"started \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d"
    assert re.fullmatch(f"retort: write_set method=d3hr ipc=10 {where}, {time_of_day}", first)
    assert between == ["halfway", "", " 50%", "100%"]
    assert re.fullmatch(r"retort: done in \d+\.\d s", last)
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("halfway\n", "\n")  # neither bars nor the lines that only the log needs


def test_names_that_are_no_text_do_not_end_a_job(tmp_path):
    with job(fake_job(tmp_path / "job.log")):
        print("caf\udce9.png", file=sys.stderr)
    assert "caf\\udce9.png" in (tmp_path / "job.log").read_text()


def test_streams_are_the_own_ones_again_whatever_happens(tmp_path, ended):
    before = sys.stdout, sys.stderr, signal.getsignal(signal.SIGTERM)
    with job(fake_job(tmp_path / "job.log")):
        assert sys.stdout is not before[0]
    assert (sys.stdout, sys.stderr, signal.getsignal(signal.SIGTERM)) == before
    ended(RetortError("wrong"))
    assert (sys.stdout, sys.stderr, signal.getsignal(signal.SIGTERM)) == before


@pytest.mark.parametrize("log", [FULL, "nowhere/job.log"])
def test_a_log_that_cannot_be_written_hides_neither_the_work_nor_the_error(tmp_path, monkeypatch, capsys, log):
    monkeypatch.chdir(tmp_path)
    with job(fake_job(log)):
        print("halfway")
    shown = capsys.readouterr()
    assert shown.out == "halfway\n"
    assert f"its log {log} is not whole" in shown.err
    with pytest.raises(SystemExit), job(fake_job(log)):
        raise RetortError("what is wrong")
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "retort: generate_images: what is wrong"
    assert len(said) == 2


# ---------------------------------------------------------------- errors


def test_a_mistake_of_the_user_is_told_without_a_traceback(ended):
    assert ended(RetortError("class ant: wrong"))[0] == "class ant: wrong"


def test_what_a_part_raised_is_one_line_with_its_traceback_in_the_log_alone(ended):
    def chosen():
        try:
            int("no number")
        except ValueError as error:
            raise RetortError("class ant: no number") from error

    said, log = ended(chosen, in_log=True)
    assert said == "class ant: no number"
    assert 'int("no number")' in log


def test_any_other_error_ends_with_its_traceback_and_one_line_that_sums_it_up(ended):
    said, log = ended(KeyError("x"), traceback=True)
    assert said == "KeyError: 'x' (not foreseen: its log has the traceback before this line)"
    assert "in test_job" not in said
    assert "raise error\nKeyError: 'x'" in log


def test_a_full_disk_is_named_with_what_is_free_and_what_to_do(ended, tmp_path):
    def write():
        with open(FULL, "w") as handle:
            handle.write("x" * 100_000)

    said, _ = ended(write)
    assert said.startswith(f"no space is left for {tmp_path / 'out' / 'x'} on the file system mounted at /")
    assert re.search(r": [\d.]+ (bytes|[KMGT]B) of [\d.]+ [MGT]B are free", said)
    assert said.endswith(f"{LOST_NOTHING}: free space and run the same command again")


def test_a_full_disk_is_recognised_where_safetensors_says_so(ended, tmp_path):
    error = SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")
    assert ended(error)[0].startswith(f"no space is left for {tmp_path / 'out' / 'x'}")
    place = tmp_path / "shard"
    error = SafetensorError(
        f'Error while serializing: I/O error: Read-only file system (os error 30) at path "{place}"'
    )
    assert ended(error)[0].startswith(f"{place} cannot be written: the file system mounted at /")
    assert "traceback" in ended(SafetensorError("invalid header"), traceback=True)[0]


def refused(number: int, path: Path | None = None) -> OSError:
    return OSError(number, os.strerror(number), str(path) if path else None)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, ["no space is left for {}", LOST_NOTHING]),
        (errno.EDQUOT, ["quota is used up", "{}", LOST_NOTHING]),
        (errno.EROFS, ["{} cannot be written", "read-only", LOST_NOTHING]),
        (errno.EIO, ["fails at {}", "the disk, or the network", LOST_NOTHING]),
        (errno.ESTALE, ["fails at {}", LOST_NOTHING]),
        (errno.EMFILE, ["too many files", "ulimit -n", "--set-threads generate_images=1"]),
    ],
    ids=lambda value: errno.errorcode[value] if isinstance(value, int) else "",
)
@pytest.mark.parametrize("named", [True, False])
def test_what_the_system_refuses_is_one_line_with_a_remedy(ended, tmp_path, number, words, named):
    place = tmp_path / "deep" / "file"
    said, _ = ended(refused(number, place if named else None))
    for word in words:
        assert word.format(place if named else tmp_path / "out" / "x") in said


def test_a_job_whose_readers_are_a_resource_is_told_how_to_have_fewer(ended):
    said, _ = ended(refused(errno.EMFILE), rule="train_students", resources={"readers": 4})
    assert "--set-resources train_students:readers=1" in said


def test_a_denied_permission_says_whose_the_place_is(ended, tmp_path):
    folder = tmp_path / "results"
    folder.mkdir(mode=0o555)
    said, _ = ended(refused(errno.EACCES, folder / "file"))
    assert f"permission denied for {folder / 'file'}: {folder} is dr-xr-xr-x and belongs to user {os.getuid()}" in said
    assert f"this job runs as user {os.geteuid()}" in said


def test_an_input_that_vanished_will_be_rebuilt(ended, tmp_path):
    there, gone = tmp_path / "there", tmp_path / "gone"
    there.mkdir()
    inputs = Named(there, latents=gone)
    words = f"its input {gone} vanished while it ran; run the same command again: it will be rebuilt"
    assert ended(gone.read_text, input=inputs)[0] == words
    assert ended(OSError("no file named config.json"), input=inputs)[0] == words


def test_a_part_of_an_input_that_vanished_is_named_with_what_to_delete(ended, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("model").mkdir()
    said, _ = ended(Path("model/vae/config.json").read_text, input=Named("model"))
    assert said == "its input model lacks vae/config.json; delete model and run again: it will be rebuilt"


def test_a_folder_of_results_that_vanished_is_told(ended, tmp_path):
    said, _ = ended((tmp_path / "out" / ".x.part").touch)
    assert said == f"the folder {tmp_path / 'out'} vanished while it ran; run the same command again"


def test_any_other_file_that_is_not_there_is_not_explained_away(ended, tmp_path):
    for folder in ("out", "in"):
        (tmp_path / folder).mkdir()
    said, _ = ended((tmp_path / "other").read_text, traceback=True, input=Named(tmp_path / "in"))
    assert said.startswith("FileNotFoundError")


# ---------------------------------------------------------------- memory

BATCH = "it computes 16 images at once, fewer need less: --set-resources generate_images:batch=8"


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        refused(errno.ENOMEM),
        torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB."),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        lambda: torch.empty(10**15),
    ],
    ids=["MemoryError", "ENOMEM", "torch-cuda", "cublas", "torch-cpu"],
)
def test_memory_that_runs_out_names_the_resource_to_lower(ended, error):
    said, _ = ended(error, resources={"batch": 16})
    assert said.startswith("out of memory")
    assert said.endswith(BATCH)


@pytest.mark.parametrize(
    ("resources", "said"),
    [
        (
            {"micro_batch": 0, "recompute": 0},
            r"--set-resources train_dit:micro_batch=N, .*\(now all of a batch\).*recompute=1",
        ),
        ({"micro_batch": 8, "recompute": 0}, r"\(now 8\)"),
        ({"batch": 1}, r"a GPU with more"),
        ({}, r"a GPU with more"),
    ],
)
def test_where_there_is_no_batch_to_lower_something_else_helps(ended, resources, said):
    error = torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.")
    assert re.search(said, ended(error, rule="train_dit", resources=resources)[0])
    other, _ = ended(MemoryError(), rule="tabulate_costs", resources={})
    assert "--set-resources tabulate_costs:mem_mb=N" in other


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("train_students", ["protocols.NAME.precision: bfloat16", "protocols.NAME.accumulate: 2", "an id of its own"]),
        ("relabel_set", ["protocols.NAME.precision: bfloat16", "an id of its own"]),
    ],
)
def test_where_the_batch_belongs_to_the_experiment_its_protocol_may_save_memory(ended, rule, words):
    error = torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.")
    said, _ = ended(error, rule=rule, resources={"gpu": 0})
    assert said.startswith("out of memory on the GPU (CUDA out of memory. Tried to allocate 2 GiB.); ")
    assert all(word in said for word in words)
    assert f"--set-resources {rule}:mem_mb=N" in ended(MemoryError(), rule=rule)[0]


def test_an_error_of_torch_that_is_not_of_memory_keeps_its_traceback(ended):
    assert ended(lambda: torch.ones(2) @ torch.ones(3), traceback=True)[0].startswith("RuntimeError: ")


# ---------------------------------------------------------------- GPUs


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            RuntimeError(
                "The NVIDIA driver on your system is too old (found version 12080). Please update your GPU driver by "
                "downloading and installing a new version from the URL: http://www.nvidia.com/Download/index.aspx"
            ),
            ["driver here is too old", "driver 580 or newer", "found version 12080"],
        ),
        (
            RuntimeError("CUDA driver version is insufficient for CUDA runtime version"),
            ["driver here is too old", "driver 580 or newer"],
        ),
        (
            torch.AcceleratorError(
                "CUDA error: no kernel image is available for execution on the device\n"
                "CUDA kernel errors might be asynchronously reported at some other API call"
            ),
            ["has no code for", "runs on Turing and newer"],
        ),
    ],
    ids=["driver", "runtime", "GPU"],
)
def test_a_driver_or_a_gpu_too_old_for_pytorch_is_one_line_with_the_build_that_helps(ended, error, words):
    said, _ = ended(error)
    for word in (*words, "rm -r .venv && make env TORCH_BACKEND=cu126"):
        assert word in said


# ---------------------------------------------------------------- being stopped


def test_sigterm_ends_a_job_with_one_line_after_cleaning_up(ended, tmp_path):
    def work():
        with whole_file(tmp_path / "result") as scratch:
            scratch.write_text("half")
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(60)

    said, _ = ended(work, code=143)
    assert said == f"it was asked to stop (SIGTERM). {LOST_NOTHING}: run the same command again"
    assert [path.name for path in tmp_path.iterdir()] == ["job.log"]


def test_a_second_sigterm_does_not_interrupt_the_cleaning_up(ended, tmp_path):
    cleaned = []

    def work():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(60)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            cleaned.append(True)

    ended(work, code=143)
    assert cleaned == [True]


def test_an_interrupt_from_the_keyboard_is_no_traceback_either(ended):
    assert ended(KeyboardInterrupt())[0].startswith("it was interrupted")


@pytest.mark.parametrize("method", ["fork", "forkserver"])
def test_worker_processes_end_by_sigterm_as_they_always_did(tmp_path, method):
    with job(fake_job(tmp_path / "job.log")):
        worker = multiprocessing.get_context(method).Process(target=time.sleep, args=(60,))
        worker.start()
        time.sleep(0.1)
        worker.terminate()
        worker.join()
    assert worker.exitcode == -signal.SIGTERM
    assert "asked to stop" not in (tmp_path / "job.log").read_text()


def test_a_script_that_is_terminated_ends_with_the_code_that_schedulers_expect(tmp_path):
    program = (
        "import os, signal\nfrom tests.helpers.fake_jobs import fake_job\nfrom retort.running.job import job\n"
        f"with job(fake_job({str(tmp_path / 'job.log')!r})):\n    os.kill(os.getpid(), signal.SIGTERM)\n"
    )
    path = os.pathsep.join(p for p in sys.path if p)
    done = subprocess.run([sys.executable, "-c", program], env=os.environ | {"PYTHONPATH": path}, capture_output=True)
    assert done.returncode == 143
    assert done.stderr.count(b"\n") == 1


# ---------------------------------------------------------------- deterministic kernels


@pytest.fixture
def as_it_was():
    yield
    torch.use_deterministic_algorithms(False)
    torch.utils.deterministic.fill_uninitialized_memory = True
    torch.backends.cudnn.deterministic = torch.backends.cudnn.benchmark = False


def settings() -> tuple:
    cudnn = torch.backends.cudnn
    return torch.are_deterministic_algorithms_enabled(), cudnn.deterministic, cudnn.benchmark


@pytest.mark.usefixtures("as_it_was")
@pytest.mark.parametrize("asked", [True, False])
def test_a_job_computes_deterministically_where_the_config_asks_for_it(tmp_path, monkeypatch, asked):
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    torch.backends.cudnn.benchmark = True
    with job(fake_job(tmp_path / "job.log", config={"deterministic": asked})):
        found, workspace = settings(), os.environ.get("CUBLAS_WORKSPACE_CONFIG")
        tune_kernels(constant=True)
        assert torch.backends.cudnn.benchmark == (not asked)
    assert found == ((True, True, False) if asked else (False, False, True))
    assert workspace == (":4096:8" if asked else None)
    assert ("with deterministic kernels only" in (tmp_path / "job.log").read_text()) == bool(asked)
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)


def test_cudnn_tries_its_kernels_only_where_batches_are_all_alike():
    for images, steps, alike in ((8, None, True), (9, None, False), (3, None, True), (9, 5, True)):
        views = ViewSettings(4, (1.0, 1.0), False, 0.0, steps=steps, epochs=None if steps else 2)
        assert views.all_alike(images) == alike
        sizes = {end - first for first, end in (views.extent(images, s) for s in range(views.total_steps(images)))}
        assert (len(sizes) == 1) == alike


def test_what_has_no_deterministic_kernel_is_one_line(ended):
    error = RuntimeError(
        "adaptive_max_pool2d_backward_cuda does not have a deterministic implementation, but you set "
        "'torch.use_deterministic_algorithms(True)'. You can turn off determinism just for this operation, or you can"
    )
    said, _ = ended(error)
    assert (
        "deterministic: true, but on a GPU torch has no deterministic kernel for adaptive_max_pool2d_backward_" in said
    )
