"""Snakemake's log for people: what is said on the terminal while a run goes on.

Snakemake's own handler says everything before the first job, in dry runs, with --verbose and whatever else is not a
plain run. From then on `Display` takes what is logged, counts, and shows it. The log file is not touched. If the
display itself fails, it says so, and Snakemake's handler takes over again: no run is lost by it.
"""

import logging
import os
import threading
import time
from collections.abc import Callable

from snakemake.logging import logger
from snakemake.settings.enums import Quietness
from snakemake_interface_logger_plugins.common import LogEvent

from retort.running.progress import lines
from retort.running.progress.screen import Size, screen
from retort.running.progress.state import Run
from retort.running.progress.terminal import Terminal
from retort.running.progress.watching import error_of, said_by, warnings_of, was_stopped

BEFORE = (LogEvent.WORKFLOW_STARTED, LogEvent.RESOURCES_INFO, LogEvent.RUN_INFO)
NOISE = ("Using shell:", "Assuming unrestricted shared", "Group jobs: inactive")
"""Of a plain run before its first job; the opening says what matters, and the log file has it."""

NOTHING, STOPPING, AGAIN = "Nothing to be done", "Terminating processes on user request", "Trying to restart job"
PASSED_ON = (STOPPING, "Will exit after finishing", "Shutting down", "SLURM run ID")
REPEATED = (
    "returned non-zero exit status",
    "died with <Signals.SIGINT",
    "At least one job did not complete successfully",
    "Exiting because a job",
)
"""Errors of Snakemake's that only repeat that a job failed or was interrupted."""

OF_GROUP = "it belongs to a group of which another job failed"
TICK, BETWEEN, SILENCE = 1.0, 5.0, 300.0  # seconds between two screens, two lines, and before a line that nothing ended
REST, LEAST_REST = 10, 0.05  # after a screen, times what it took, and seconds: the drawing of large runs costs little
WATCHED = 10  # jobs whose logs are read for the screen


class Display(logging.Handler):
    """In the place of `default`, Snakemake's handler for the terminal; `quiet` is what `--quiet` names."""

    def __init__(self, default: logging.StreamHandler, quiet: frozenset):
        super().__init__()
        self.name = "RetortDisplay"
        self.default, self.quiet = default, quiet
        self._run: Run | None = None
        self._terminal: Terminal | None = None
        self._held: list[logging.LogRecord] = []
        self._results: Callable[[], str] = lambda: ""
        self._said: dict[int, str] = {}
        self._warned: set[str] = set()
        self._working, self._over, self._news = threading.RLock(), threading.Event(), threading.Event()
        self._looked = 0.0
        self._interrupted = self._ended = False

    # ------------------------------------------------------------ the life of a run

    def with_results(self, results: Callable[[], str]) -> None:
        """What a run that succeeds says last: where its results are, and what to do next."""
        self._results = results

    def begin(self, run: Callable[[], Run], log: str, queued: bool) -> None:
        """Show this run from now on. log: Snakemake's own; queued: whether jobs wait in a cluster's queue."""
        self._guarded(self._begin, run, log, queued)

    def end(self, succeeded: bool) -> None:
        """Say how the run ended."""
        self._guarded(self._end, succeeded)

    def close(self) -> None:
        """At the end of Snakemake, however it ends."""
        self._guarded(self._end, False)
        self.default.close()
        super().close()

    def _begin(self, run: Callable[[], Run], log: str, queued: bool) -> None:
        self._run, self._log, self._queued, self._last = run(), log, queued, time.time()
        self._held.clear()
        colours = not self.default.nocolor
        self._terminal = Terminal(self.default.stream, colours, Quietness.PROGRESS not in self.quiet, self._screen)
        if not self._terminal.is_redrawn and Quietness.PROGRESS not in self.quiet:
            self._terminal.say(lines.opening(self._run, log))
        threading.Thread(target=self._keep_showing, daemon=True).start()

    def _end(self, succeeded: bool) -> None:
        if self._run is None or self._ended:
            return
        self._ended = True
        self._over.set()
        self._terminal.stop()
        if self._interrupted:
            self._run.give_back(was_stopped)
        self._terminal.say(lines.ended(self._run, time.time(), self._interrupted))
        if succeeded and (results := self._results()):
            self._terminal.say(f"\n{results}", to_copy=True)
        self._terminal.say(f"Snakemake's log: {self._log}", to_copy=True)

    # ------------------------------------------------------------ what is logged

    def emit(self, record: logging.LogRecord) -> None:
        self._guarded(self._take, record)

    def _take(self, record: logging.LogRecord) -> None:
        event, now = getattr(record, "event", None), time.time()
        if self._run is None:
            self._before(record, event)
        elif self._ended:
            self._after(record)
        elif event == LogEvent.JOB_INFO:
            self._run.start(record.jobid, now)
            self._news.set()
        elif event == LogEvent.JOB_FINISHED:
            self._finished(record.job_id, now)
        elif event == LogEvent.JOB_ERROR:
            self._failed(record)
        elif record.levelno >= logging.WARNING and event != LogEvent.GROUP_ERROR:
            self._of_snakemake(record)
        elif event is None:
            self._aside(str(record.msg))

    def _before(self, record: logging.LogRecord, event: LogEvent | None) -> None:
        """Before the first job Snakemake's handler speaks, and is spared the words that nobody needs."""
        said = str(record.msg)
        if event in BEFORE or (event is None and said.startswith(NOISE)):
            self._held.append(record)
            return
        if event == LogEvent.JOB_INFO:  # nobody said that the run begins: --no-hooks
            for held in self._held:
                self.default.handle(held)
            self._held.clear()
        self.default.handle(record)
        if event is None and said.startswith(NOTHING) and (results := self._results()):
            self.default.stream.write(f"\n{results}\n")

    def _after(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.WARNING and not self._is_repeated(record):
            self.default.handle(record)

    def _finished(self, number: int, now: float) -> None:
        job = self._run.finish(number, now)
        if job is None:
            return
        for warning in warnings_of(job):
            if warning not in self._warned:
                self._warned.add(warning)
                self._terminal.say(lines.warned(warning, job), style="yellow")
        silent = self._terminal.is_redrawn or self.quiet & {Quietness.PROGRESS, Quietness.RULES}
        if not silent and now - self._last >= BETWEEN:
            self._last = now
            self._terminal.say(lines.done(self._run, job, now))
        self._news.set()

    def _failed(self, record: logging.LogRecord) -> None:
        job = self._run.jobs.get(record.jobid)
        if job is None:
            self.default.handle(record)
            return
        error = error_of(job, record.rule_msg)
        self._run.fail(record.jobid, error or OF_GROUP)
        if error and not (self._interrupted and was_stopped(error)):
            self._terminal.say(lines.failed(job, record.log), style="red")

    def _of_snakemake(self, record: logging.LogRecord) -> None:
        text = self.default.format(record)
        if text and not self._is_repeated(record):
            self._terminal.say(text, style="red" if record.levelno >= logging.ERROR else "yellow")

    def _aside(self, said: str) -> None:
        self._interrupted = self._interrupted or said.startswith(STOPPING)
        if said.startswith(AGAIN):
            self._terminal.say("  It is tried again.")
        elif said.startswith(PASSED_ON):
            self._terminal.say(said)

    @staticmethod
    def _is_repeated(record: logging.LogRecord) -> bool:
        return any(words in str(record.msg) for words in REPEATED)

    # ------------------------------------------------------------ the screen

    def _screen(self, size: Size):
        return screen(self._run, self._said, self._log, time.time(), size)

    def _keep_showing(self) -> None:
        while not self._over.is_set():
            self._news.wait(TICK)
            self._news.clear()
            began = time.monotonic()
            self._guarded(self._tick)
            self._over.wait(max(LEAST_REST, REST * (time.monotonic() - began)))

    def _tick(self) -> None:
        now = time.time()
        if self._ended:
            return
        if self._terminal.is_redrawn:
            if now - self._looked >= TICK:
                self._said, self._looked = said_by(self._run.running[:WATCHED], self._queued), now
            self._terminal.refresh()
        elif now - self._last >= SILENCE and Quietness.PROGRESS not in self.quiet:
            self._last = now
            self._terminal.say(lines.still(self._run, said_by(self._run.running[:WATCHED], self._queued), now))

    # ------------------------------------------------------------ if it fails itself

    def _guarded(self, work: Callable, *given) -> None:
        """Do it alone; where it cannot be done, Snakemake's own handler takes over."""
        try:
            with self._working:
                work(*given)
        except Exception as error:
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        self._ended = True
        self._over.set()
        logger.removeHandler(self)
        if self.default not in logger.handlers:
            logger.addHandler(self.default)
        if self._terminal:
            try:
                self._terminal.stop()
            except Exception as another:
                logger.debug(f"nor could the screen be taken away: {another}")
        logger.warning(
            f"The display of progress failed ({type(error).__name__}: {error}); Snakemake's own words follow. The run "
            "continues, and its results are the same."
        )


def attach(settings) -> Display | None:
    """Put a display in the place of Snakemake's handler for the terminal; `settings` are its settings of the output.

    None where Snakemake speaks for itself: in a dry run, with --verbose, --debug-dag, --printshellcmds or --quiet all,
    with a logger plugin that writes to the terminal, or with RETORT_OUTPUT=snakemake in the environment.
    """
    quiet = frozenset(settings.quiet or ())
    own = settings.dryrun or settings.verbose or settings.debug_dag or settings.printshellcmds
    default = next((found for found in logger.handlers if found.name == "DefaultStreamHandler"), None)
    if own or default is None or Quietness.ALL in quiet or os.environ.get("RETORT_OUTPUT") == "snakemake":
        return None
    display = Display(default, quiet)
    logger.removeHandler(default)
    logger.addHandler(display)
    return display
