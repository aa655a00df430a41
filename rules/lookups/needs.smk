"""What a job asks of a cluster: memory, time, a GPU. On one machine nothing reads it unless a limit is set.

Memory and time are guesses on the safe side for full-size models and one current GPU, and grow with the job's shard or
set; no cluster has confirmed them. Each new attempt (`--retries`) asks for more. `--resources gpu=0 slot=2` makes every job
do without a GPU; `slot` is the SLURM profile's, whose list this replaces.
"""

from retort.protocols.views import ViewSettings

TRAINED_HERE, TRANSFORMER, TEXT_TO_IMAGE = 6, 20, 32  # GB in which a model of each kind is loaded and run
MINUTES_PER_VIEW = 35e-6  # of 224 px, for a ResNet-101 in single precision: 480 a second
A_DAY = 24 * 60


def memory(gigabytes):
    """mem_mb: so many GB, or what a look-up says, times the attempt."""

    def mem_mb(wildcards, attempt):
        return 1000 * attempt * (gigabytes(wildcards) if callable(gigabytes) else gigabytes)

    return mem_mb


def minutes(fixed, per_class=0, per_image=0):
    """runtime, times the attempt: for the job, for each class of its shard, and for each image that it makes."""

    def runtime(wildcards, attempt):
        classes = len(plan.shards[wildcards.shard]) if "shard" in wildcards.keys() else 0
        made = classes * int(wildcards.get("number", wildcards.get("ipc", 0))) if per_image else 0
        return round(attempt * (fixed + per_class * classes + per_image * made))

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
    if settings.train is not None:
        return TRAINED_HERE
    return TEXT_TO_IMAGE if settings.kind in ("sd", "sdxl") else TRANSFORMER


def images_at_once(number):
    """batch: so many images, or a quarter for SDXL, whose latents are 16 times as large as those at 256 px."""

    def batch(wildcards):
        return number // 4 if plan.config.models[model_of(wildcards)].kind == "sdxl" else number

    return batch


def student_minutes(wildcards, attempt):
    """runtime by the views that all seeds see, times the attempt. A day at most, because many clusters end every job
    then, and the next attempt goes on from the checkpoints."""
    images = len(plan.classes) * (1300 if wildcards.ipc == "all" else int(wildcards.ipc))
    views = ViewSettings(**student_views(wildcards))
    _, seen = views.extent(images, views.total_steps(images) - 1)
    size = (plan.dataset.resolution / 224) ** 2
    return min(A_DAY, round(attempt * (60 + MINUTES_PER_VIEW * size * seen * student_seeds(wildcards))))


def set_memory(wildcards):
    """GB for a job that holds a distilled set; the whole training set is read from its file bit by bit."""
    images = 0 if wildcards.ipc == "all" else int(wildcards.ipc) * len(plan.classes)
    return 8 + round(3 * images * plan.dataset.resolution**2 / 1e9)
