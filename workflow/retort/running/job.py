"""What is done around every stage: a log, the right number of threads, readable errors."""

import hashlib
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from retort.artifacts import job_logs
from retort.base.running import Running
from retort.running.checkpoint_lock import alone_at
from retort.running.explained import Stopped, explained, of_part
from retort.running.gpus import own_gpu, why_no_gpu
from retort.running.progress.muted import is_muted


@contextmanager
def job(snakemake) -> Iterator[None]:
    """Run a stage for Snakemake: log its output, hold it to its threads, end with one clear error.

    Jobs cannot reach the hub of models (see common.smk), but those that have the resource `network`, if they import
    its client inside.

    The log begins with the job, where it runs and since when, and ends with the time that it took or with its error.
    Mistakes in the input, what the machine refuses and errors in parts that lie outside Retort (see explained.py) are
    one line, with the traceback in the log where a part raised it; any other error has its traceback before it.
    SIGTERM is such a line too, and what the job had begun is cleaned up as after any error. A job that asks for a GPU
    has one, or says at once why it computes on the CPU, or ends (see gpus.py). One with a checkpoint has that for
    itself (see checkpoint_lock.py).
    """
    if snakemake.resources.get("network"):
        os.environ.pop("HF_HUB_OFFLINE", None)
    with _logged(snakemake) as log, _stoppable(), own_gpu(bool(snakemake.resources.get("gpu"))):
        log.write(job_logs.opening(snakemake.rule, dict(snakemake.wildcards.items())))
        began = time.perf_counter()
        if "torch" in sys.modules:
            from retort.base.devices import use_deterministic_kernels, use_threads

            use_threads(snakemake.threads)
            if snakemake.config["deterministic"]:
                use_deterministic_kernels()
        try:
            _demand_gpu(snakemake.resources)
            with alone_at(getattr(snakemake.params, "checkpoint", None)):
                yield
            _say_gpu()
            log.write(job_logs.done(time.perf_counter() - began))
        except (Exception, Stopped, KeyboardInterrupt) as error:
            reason = explained(error, snakemake)
            if reason and (error.__cause__ or reason == of_part(error)):
                log.write("".join(traceback.format_exception(error)))
            if reason is None:
                traceback.print_exc()
                reason = f"{type(error).__name__}: {error} (not foreseen: its log has the traceback before this line)"
            print(job_logs.failure(snakemake.rule, reason), file=sys.stderr)
            sys.exit(error.code if isinstance(error, Stopped) else 1)


class _Log:
    """The file of a log. What cannot be written, on a full disk for example, is left out, and the job goes on."""

    def __init__(self, path: str):
        self.error: OSError | None = None
        try:
            self._file = open(path, "wb", buffering=0)  # noqa: SIM115 (`_logged` closes it)
        except OSError as error:
            self._file, self.error = None, error

    def write(self, text: str) -> None:
        try:
            if self._file:
                self._file.write(text.encode(errors="backslashreplace"))
        except OSError as error:
            self.error = error

    def close(self) -> None:
        if self._file:
            self._file.close()


class _Tee:
    """Writes to the job's log, where every state of a progress bar is a line, and to the terminal.

    Progress bars redraw themselves, which only a real terminal can show; elsewhere they go to the log alone. So does
    everything where the run that started the job shows itself on the terminal, unless the log cannot be written.
    """

    def __init__(self, terminal, log: _Log):
        self.terminal, self._log, self._muted = terminal, log, is_muted(terminal)

    def write(self, text: str) -> int:
        self._log.write(text.replace("\r", "\n"))
        if self._log.error or (not self._muted and ("\r" not in text or self.terminal.isatty())):
            self.terminal.write(text)
        return len(text)

    def flush(self) -> None:
        self.terminal.flush()

    def isatty(self) -> bool:
        return self.terminal.isatty()

    def fileno(self) -> int:
        return self.terminal.fileno()


@contextmanager
def _logged(snakemake) -> Iterator[_Log]:
    """All that the job prints goes to its log as well."""
    log = _Log(snakemake.log[0])
    sys.stdout, sys.stderr = _Tee(sys.stdout, log), _Tee(sys.stderr, log)
    try:
        yield log
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        sys.stdout, sys.stderr = sys.stdout.terminal, sys.stderr.terminal
        log.close()
        if log.error:
            print(f"retort: {snakemake.rule}: its log {snakemake.log[0]} is not whole: {log.error}", file=sys.stderr)


@contextmanager
def _stoppable() -> Iterator[None]:
    """SIGTERM raises Stopped, once: a second one must not interrupt the cleaning up."""
    owner = os.getpid()

    def stop(number, frame):
        if os.getpid() != owner:  # a process that was forked off: it ends as it would without us
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTERM)
            return
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise Stopped

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _demand_gpu(resources) -> None:
    """Raises RetortError where the job asks for a GPU that should be there and is not."""
    # Where a site takes only --gres, gpu is 0 for all; rules that compute on none have no gpu at all.
    by_gres = resources.get("gpu") is not None and "gpu" in str(resources.get("gres", ""))
    if not (resources.get("gpu") or by_gres) or "torch" not in sys.modules:
        return
    if reason := why_no_gpu(Running.parse(resources.get("run", "auto")).device):
        print(reason)


def _say_gpu() -> None:
    """Leave a line in the log of a job that computed on a GPU; tables of costs are made from it."""
    torch = sys.modules.get("torch")
    if torch and torch.cuda.is_initialized():
        peak = torch.cuda.max_memory_reserved() / 2**20
        print(job_logs.on_gpu(torch.cuda.get_device_name(), peak))


def purpose(snakemake) -> str:
    """What this job is for, as a short hash of its parameters (code included) and the state of its inputs.

    A checkpoint left for another purpose must not be resumed.
    """
    inputs = [(str(p), Path(p).stat().st_size, Path(p).stat().st_mtime_ns) for p in snakemake.input]
    words = json.dumps([dict(snakemake.params.items()), inputs], sort_keys=True, default=str)
    return hashlib.sha256(words.encode()).hexdigest()[:16]
