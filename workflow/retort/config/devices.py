"""Where a job computes: its device, its threads."""


def pick_device():
    """The first CUDA device this job may see, or the CPU; which GPU is the scheduler's to say."""
    import torch

    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def use_threads(threads: int) -> None:
    """Hold torch to the cores that the scheduler gave this job."""
    import torch

    torch.set_num_threads(max(1, threads))
