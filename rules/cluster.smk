"""What the executor of a SLURM cluster is told before the first job; nothing on one machine."""


onstart:
    watch_by_squeue_without_accounting(workflow.executor_settings)
