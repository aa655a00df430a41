"""Tensors out of a pickle, which is read only where somebody asked for it, and never runs the code in it."""

import pickle
import re
import zipfile
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.serialization import safe_globals

from retort.base.errors import RetortError

# Training loops keep accuracies beside weights as numpy's numbers, which hold no code.
NUMBERS = [np._core.multiarray.scalar, (np._core.multiarray.scalar, "numpy.core.multiarray.scalar"), np.dtype]
NUMBERS += [type(np.dtype(code)) for code in "?bhilqBHILQefd"]
MOST = 200  # letters of a library's own words


def read_pickled(path: str | Path) -> Any:
    """What torch.save wrote: tensors, plain values and containers of them, on the CPU, memory-mapped where it can be.

    Raises RetortError for a file that holds anything else, which could be code, and for one that is corrupt.
    """
    try:
        with safe_globals([Namespace, *NUMBERS]):  # the training arguments in a checkpoint, plain values
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except pickle.UnpicklingError as error:  # torch's own words recommend reading it all the same
        foreign = re.search(r"GLOBAL ([\w.]+)", str(error))
        holds = f": it also holds a {foreign[1]}" if foreign else ""
        raise RetortError(
            f"{path} is no file of tensors alone{holds}, and code in it is not run; save its state_dict() alone, best "
            "as .safetensors, or fetch it again if it is corrupt"
        ) from None
    except Exception as error:  # a corrupt file can break the reader in any way
        if "TorchScript" in str(error):  # whose text recommends running it
            raise RetortError(
                f"{path} is a TorchScript program, and its code is not run; save the state_dict() of its network "
                "alone, best as .safetensors"
            ) from None
        reason = " ".join(str(error).split()) or type(error).__name__
        raise RetortError(
            f"{path} cannot be read as a checkpoint: {reason[:MOST]}; fetch it again, or save its state_dict() again, "
            "best as .safetensors"
        ) from None
