"""Seeds that derive from what an item is, never from a worker, a device or a loop position."""

import hashlib
import json

import numpy as np


def derive_seed(*what: str | int) -> int:
    """A 63-bit seed from the words that identify a draw, e.g. (seed, "noise", dataset, class id, index).

    The same words give the same seed on every machine and in every order of jobs; the encoding is
    unambiguous, so ("a", "bc") and ("ab", "c") differ.
    """
    digest = hashlib.blake2b(json.dumps(what).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def numpy_rng(*what: str | int) -> np.random.Generator:
    """A numpy generator (PCG64) seeded by `derive_seed(*what)`."""
    return np.random.default_rng(derive_seed(*what))


def torch_rng(*what: str | int):
    """A torch generator seeded by `derive_seed(*what)`; always on the CPU, so that a GPU draws the same."""
    import torch

    return torch.Generator().manual_seed(derive_seed(*what))
