"""What a job asks of a cluster: memory, time, a GPU. On one machine nothing reads it unless a limit is set.

Memory is a guess on the safe side for full-size models, and grows with the kind of model or the set. Time follows the
arithmetic of retort.plan.work for jobs that compute on a GPU, and is a guess for all others; no cluster has confirmed
either. Each new attempt (`--retries`) asks for more, and none for more than a day. `--resources gpu=0 slot=2` makes
every job do without a GPU; `slot` is the SLURM profile's, whose list this replaces.
"""

from retort.plan.work import A_DAY, WorkOf

TRAINED_HERE, TRANSFORMER, TEXT_TO_IMAGE = 6, 20, 32  # GB in which a model of each kind is loaded and run

work = WorkOf(plan)


def memory(gigabytes):
    """mem_mb: so many GB, or what a look-up says, times the attempt."""

    def mem_mb(wildcards, attempt):
        return 1000 * attempt * (gigabytes(wildcards) if callable(gigabytes) else gigabytes)

    return mem_mb


def minutes(fixed, per_class=0):
    """runtime of a job on CPUs, times the attempt: for itself, and for each class of its shard; a day at most."""

    def runtime(wildcards, attempt):
        classes = len(plan.shards[wildcards.shard]) if "shard" in wildcards.keys() else 0
        return min(A_DAY, round(attempt * (fixed + per_class * classes)))

    return runtime


def computing(work_of):
    """runtime of a job on a GPU by what it computes, times the attempt; a day at most."""

    def runtime(wildcards, attempt):
        return work_of(wildcards).minutes(attempt)

    return runtime


def model_memory(wildcards):
    """GB for a job that runs a diffusion model."""
    return memory_by_kind(model_of(wildcards))


def encoder_memory(wildcards):
    """GB for a job that encodes images."""
    return memory_by_kind(wildcards.encoder)


def training_memory(wildcards):
    """GB for the training of a DiT: weights, their average and two moments, wherever it starts from."""
    return TEXT_TO_IMAGE if plan.checkpoint_of(wildcards.model) else TRAINED_HERE


def memory_by_kind(model):
    settings = plan.config.models[model]
    if settings.kind == "optimal":
        return TRAINED_HERE + round(4 * work.memorised(model) / 1e9)
    if settings.train is not None:
        return TRAINED_HERE
    return TEXT_TO_IMAGE if settings.kind in ("sd", "sdxl") else TRANSFORMER


def images_at_once(number):
    """batch: so many images, or a quarter for SDXL, whose latents are 16 times as large as those at 256 px."""

    def batch(wildcards):
        return number // 4 if plan.config.models[model_of(wildcards)].kind == "sdxl" else number

    return batch


def set_memory(wildcards):
    """GB for a job that holds a distilled set; the whole training set is read from its file bit by bit."""
    images = 0 if wildcards.ipc == "all" else int(wildcards.ipc) * len(plan.classes)
    return 8 + round(3 * images * plan.side_of(wildcards.method) ** 2 / 1e9)
