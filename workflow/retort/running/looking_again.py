"""How often Snakemake looks for jobs that it may start.

Its scheduler looks whenever a job ends, and once more a second after each look, because of its limit of jobs started a
second. Each of these looks asks for another, so that after a thousand jobs it looks a thousand times a second, at every
input of every job that waits: with 150 jobs of seconds on two cores, an eighth of all CPU seconds went into it.
"""

import threading

from snakemake.scheduling.job_scheduler import JobScheduler


def look_again_once() -> None:
    """Let a look that is due in the same time stand for all that are asked for before it; in this process."""
    JobScheduler._schedule_reevalutation = _look_again


def _look_again(self: JobScheduler, delay: float) -> None:
    due = vars(self).setdefault("_looks_due", set())
    if delay in due:
        return
    due.add(delay)

    def look() -> None:
        due.remove(delay)  # first, so that the look that begins now can ask for the next one
        self._open_jobs.release()

    timer = threading.Timer(delay, look)
    timer.daemon = True  # nobody waits for it when all is done
    timer.start()
