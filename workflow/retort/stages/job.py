"""What every script does around its stage: a log, the right number of threads, readable errors."""

import hashlib
import json
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from retort.errors import RetortError


class _Tee:
    """Writes to the job's log, where every state of a progress bar is a line, and to the terminal.

    Progress bars redraw themselves, which only a real terminal can show; elsewhere they go to the log alone.
    """

    def __init__(self, terminal, log):
        self._terminal, self._log = terminal, log

    def write(self, text: str) -> int:
        self._log.write(text.replace("\r", "\n"))
        if "\r" not in text or self._terminal.isatty():
            self._terminal.write(text)
        return len(text)

    def flush(self) -> None:
        self._log.flush()
        self._terminal.flush()

    def isatty(self) -> bool:
        return self._terminal.isatty()

    def fileno(self) -> int:
        return self._terminal.fileno()


@contextmanager
def job(snakemake, network: bool = False) -> Iterator[None]:
    """Run a stage for Snakemake: log its output, hold it to its threads, end with one clear error.

    Jobs cannot reach the hub of models (see common.smk), but those that fetch (`network`), if they import its client
    inside.

    Mistakes in the input (RetortError) end the job with their message; anything else with its traceback. Both
    stand in the log.
    """
    if network:
        os.environ.pop("HF_HUB_OFFLINE", None)
    with open(snakemake.log[0], "w") as log:
        sys.stdout, sys.stderr = _Tee(sys.stdout, log), _Tee(sys.stderr, log)
        if "torch" in sys.modules:
            from retort.config.devices import use_threads

            use_threads(snakemake.threads)
        try:
            yield
            _say_gpu()
        except RetortError as error:
            print(f"retort: {snakemake.rule}: {error}", file=sys.stderr)
            sys.exit(1)
        except Exception:
            traceback.print_exc()
            sys.exit(1)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            sys.stdout, sys.stderr = sys.stdout._terminal, sys.stderr._terminal


ON_GPU = "retort: computed on"


def _say_gpu() -> None:
    """Leave a line in the log of a job that computed on a GPU; tables of costs are made from it (see costs.py)."""
    torch = sys.modules.get("torch")
    if torch and torch.cuda.is_initialized():
        peak = torch.cuda.max_memory_reserved() / 2**20
        print(f"{ON_GPU} {torch.cuda.get_device_name()}, peak memory {peak:.1f} MB")


def purpose(snakemake) -> str:
    """What this job is for, as a short hash of its parameters (code included) and the state of its inputs.

    A checkpoint left for another purpose must not be resumed.
    """
    inputs = [(str(p), Path(p).stat().st_size, Path(p).stat().st_mtime_ns) for p in snakemake.input]
    words = json.dumps([dict(snakemake.params.items()), inputs], sort_keys=True, default=str)
    return hashlib.sha256(words.encode()).hexdigest()[:16]
