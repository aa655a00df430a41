"""What is done before the first job of a run: a word on what will be lost, and what a SLURM executor must know."""

from snakemake.logging import logger

from retort.running.slurm import watch_by_squeue_without_accounting
from retort.running.status.replaced import finished_results, replaced


onstart:
    for line in replaced(finished_results(workflow.dag)):
        logger.warning(line)
    watch_by_squeue_without_accounting(workflow.executor_settings)
