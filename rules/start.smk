"""What is done around a run: a word on what will be lost, an executor for SLURM that is patient, and what is shown."""

import os
import shutil
import sys
from pathlib import Path

from snakemake.logging import logger

from retort.report.ending import command_like, ending
from retort.running.looking_again import look_again_once
from retort.running.progress.handler import attach
from retort.running.progress.of_dag import run_of
from retort.running.slurm import keep_jobs_while_slurm_is_silent
from retort.running.status.replaced import finished_results, replaced

keep_jobs_while_slurm_is_silent()
look_again_once()

ROOM_OF = {stage: path.parent.name for stage, path in STAGES.items()}
ROOM_OF |= {"train_one_student": "evaluation", "tabulate_method": "tables"}

# Another workflow that uses this one as a module shows its run in its own way.
display = attach(workflow.output_settings) if workflow.is_main_process and not AS_MODULE else None


def results_of_run():
    """Where the results are that this run made or found, and what could be done next."""
    made = {str(file) for job in workflow.dag.jobs for file in job.output}
    command = command_like(sys.argv, asked_for(), os.environ)
    return ending(made, RESULTS, FIGURES, plan.dataset.name, command, shutil.get_terminal_size().columns)


def shortest(path):
    """A path as seen from here, where that is below."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


if display:
    display.with_results(results_of_run)


onstart:
    if display:
        said = ", ".join(shortest(Path(file)) for file in log)
        display.begin(lambda: run_of(workflow.dag, ROOM_OF), said, not workflow.local_exec)
    for line in replaced(finished_results(workflow.dag)):
        logger.warning(line)


onsuccess:
    if display:
        display.end(succeeded=True)


onerror:
    if display:
        display.end(succeeded=False)
