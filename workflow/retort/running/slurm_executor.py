"""Snakemake's executor for SLURM, held to its jobs while SLURM's controller does not answer.

The executor (snakemake-executor-plugin-slurm 2.8.0, the newest when this was written) has three faults where SLURM's
controller is restarted in the middle of a run:

1. `check_active_jobs` must report each of its jobs or hand it back. Where all its questions fail it does neither, so
   the jobs are forgotten, and Snakemake waits for ever for jobs that end.
2. It asks `sacct` wherever `scontrol` does not answer, also on a cluster without an accounting database, where `sacct`
   never answers: that makes the first fault certain.
3. A job that the controller has no record of, because it lost its state or dropped the job while nobody could ask, is
   taken for one that is about to start, for ever.

A job that becomes ready meanwhile is submitted at once, which fails, and uses up its attempts within seconds.
"""

import threading

from snakemake_executor_plugin_slurm import Executor, _status_lookup_ids
from snakemake_executor_plugin_slurm.job_status_query import query_job_status, query_job_status_squeue
from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo

from retort.running.slurm import controller_answers, keeps_accounts

SECONDS = 10  # between two looks whether the controller answers again
SILENT = "SLURM does not answer; submitted jobs continue, and this run waits until it does"
AGAIN = "SLURM answers again"
UNKNOWN = (
    "SLURM has no record of its job {job}, which was submitted before its controller was restarted, so how it ended "
    "cannot be known; it counts as failed, and --retries submits it again. "
)
LEFT = "SLURM did not accept that jobs {jobs} are cancelled: they continue until you run scancel {jobs}; {error}"


class PatientExecutor(Executor):
    """The plugin's executor, which loses no job while the controller is silent, and submits none until it answers."""

    _silent = False
    _accounts: bool | None = None

    def __init__(self, workflow, logger):
        self._reported: set[int] = set()  # identities, because these records cannot be hashed
        self._ending = threading.Event()
        super().__init__(workflow, logger)

    def get_status_command(self) -> str:
        """`squeue` where `sacct` would never answer, for want of an accounting database."""
        command = super().get_status_command()
        if command == "sacct" and self._accounts is None:
            self._accounts = keeps_accounts()
        return "squeue" if command == "sacct" and self._accounts is False else command

    def report_job_success(self, job_info: SubmittedJobInfo) -> None:
        self._reported.add(id(job_info))
        super().report_job_success(job_info)

    def report_job_error(self, job_info: SubmittedJobInfo, msg=None, **kwargs) -> None:
        self._reported.add(id(job_info))
        super().report_job_error(job_info, msg, **kwargs)

    async def check_active_jobs(self, active_jobs: list[SubmittedJobInfo]):
        """Yield the jobs that go on and report all others; those whose state nobody could tell go on."""
        self._reported.clear()
        running = [job async for job in super().check_active_jobs(active_jobs)]
        known = self._reported | {id(job) for job in running}
        lost = [job for job in active_jobs if id(job) not in known]
        if lost:
            self._say_silent()
            self.next_seconds_between_status_checks = SECONDS  # each look without news has made it longer
        elif self._silent and active_jobs:
            running = await self._still_recorded(running)
        for job in [*running, *lost]:
            yield job

    async def _still_recorded(self, jobs: list[SubmittedJobInfo]) -> list[SubmittedJobInfo]:
        """Of these jobs those that SLURM has a record of, now that it answers again; the others are reported.

        An accounting database has a record of every job, so there nothing is asked.
        """
        recorded = None
        if self.get_status_command() == "squeue":
            recorded, _ = await query_job_status(f"{query_job_status_squeue(self.run_uuid)} --array", self.logger)
            if recorded is None:
                return jobs  # silent again
        self._silent = False
        self.logger.warning(AGAIN)
        if recorded is None:
            return jobs
        kept = [job for job in jobs if set(_status_lookup_ids(job.external_jobid)) & recorded.keys()]
        for job in jobs:
            if all(job is not other for other in kept):
                self.report_job_error(job, msg=UNKNOWN.format(job=job.external_jobid))
        return kept

    def run_job(self, job) -> None:
        if self._await_controller([job]):
            super().run_job(job)

    def run_array_jobs(self, jobs) -> None:
        if self._await_controller(jobs):
            super().run_array_jobs(jobs)

    def _await_controller(self, jobs) -> bool:
        """Whether these jobs can be submitted, which is waited for; False where the run ends before that."""
        while not controller_answers():
            self._say_silent()
            if self._ending.wait(SECONDS):
                for job in jobs:
                    self._report_job_error_threadsafe(SubmittedJobInfo(job), "not submitted: the run ended before")
                return False
        return True

    def _say_silent(self) -> None:
        """Once, until it answers again."""
        if not self._silent:
            self._silent = True
            self.logger.warning(SILENT)

    def cancel(self) -> None:
        self._ending.set()
        super().cancel()

    def cancel_jobs(self, active_jobs: list[SubmittedJobInfo]) -> None:
        try:
            super().cancel_jobs(active_jobs)
        except WorkflowError as error:
            jobs = " ".join(job.external_jobid for job in active_jobs if job.external_jobid)
            self.logger.error(LEFT.format(jobs=jobs, error=error))

    def shutdown(self) -> None:
        self._ending.set()
        super().shutdown()
