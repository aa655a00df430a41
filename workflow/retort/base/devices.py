"""Where a job computes: its device, its threads."""

import os

from retort.base.errors import RetortError

BY_HAND = "RETORT_DEVICE"  # takes the place of every run.device: for machines whose GPUs are not to be used


def pick_device(wanted: str = "auto"):
    """The first CUDA device this job may see, or the CPU; which GPU is the scheduler's to say.

    wanted: "auto", or "cpu" or "cuda" to insist; the environment's RETORT_DEVICE goes before it. Raises RetortError for
    "cuda" where there is none.
    """
    import torch

    wanted = os.environ.get(BY_HAND, wanted)
    seen = torch.cuda.is_available()
    if wanted == "cuda" and not seen:
        raise RetortError("the model's run.device is cuda, but this job sees no GPU; ask for one, or set it to auto")
    return torch.device("cuda" if seen and wanted != "cpu" else "cpu")


def tune_kernels(constant: bool) -> None:
    """Let cuDNN try which of its kernels is fastest where all batches have one shape; it tries anew for each.

    Not where a run must be deterministic, since the winner may be another the next time.
    """
    import torch

    torch.backends.cudnn.benchmark = constant and not torch.are_deterministic_algorithms_enabled()


def use_deterministic_kernels() -> None:
    """Let torch refuse what has no kernel that gives the same bits every time.

    CUDA must not have been started before: cuBLAS reads its setting then.
    """
    import torch

    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # nothing here reads what it has not written
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False
    print("retort: with deterministic kernels only")


def use_threads(threads: int) -> None:
    """Hold torch to the cores that the scheduler gave this job."""
    import torch

    torch.set_num_threads(max(1, threads))
