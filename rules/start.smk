"""What is done before the first job of a run: a word on what will be lost, and an executor for SLURM that is patient."""

from snakemake.logging import logger

from retort.running.slurm import keep_jobs_while_slurm_is_silent
from retort.running.status.replaced import finished_results, replaced

keep_jobs_while_slurm_is_silent()


onstart:
    for line in replaced(finished_results(workflow.dag)):
        logger.warning(line)
