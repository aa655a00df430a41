"""Where a job computes: its device, its threads."""

from retort.errors import RetortError


def pick_device(wanted: str = "auto"):
    """The first CUDA device this job may see, or the CPU; which GPU is the scheduler's to say.

    wanted: "auto", or "cpu" or "cuda" to insist. Raises RetortError for "cuda" where there is none.
    """
    import torch

    seen = torch.cuda.is_available()
    if wanted == "cuda" and not seen:
        raise RetortError("the model's run.device is cuda, but this job sees no GPU; ask for one, or set it to auto")
    return torch.device("cuda" if seen and wanted != "cpu" else "cpu")


def use_threads(threads: int) -> None:
    """Hold torch to the cores that the scheduler gave this job."""
    import torch

    torch.set_num_threads(max(1, threads))
