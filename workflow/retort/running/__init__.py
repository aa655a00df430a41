"""What surrounds a job: the call of its stage, its log, one-line errors, GPUs, SLURM."""
