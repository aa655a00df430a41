"""Reading a network's weights from a directory."""

from pathlib import Path

import torch

from retort.base.errors import RetortError
from retort.base.filesystems import read_at_once


def load_weights(kind: type, directory: Path, dtype: torch.dtype, load_as: str = "auto") -> torch.nn.Module:
    """A network of diffusers or transformers from its directory; only safetensors weights are read.

    load_as: see `read_at_once`; the network is the same. Raises RetortError when weights are missing, which the
    libraries would fill with random numbers and only warn, and when one is not finite.
    """
    network, loading = kind.from_pretrained(
        directory,
        torch_dtype=dtype,
        use_safetensors=True,
        local_files_only=True,
        low_cpu_mem_usage=False,
        disable_mmap=read_at_once(directory, load_as),
        output_loading_info=True,
    )
    if missing := sorted(loading["missing_keys"]):
        raise RetortError(
            f"{directory} lacks {len(missing)} weights of a {kind.__name__}, {missing[0]} for one; fetch or train it "
            "again"
        )
    if broken := [name for name, weight in network.named_parameters() if not torch.isfinite(weight).all()]:
        raise RetortError(
            f"{directory}: {len(broken)} weights of a {kind.__name__} are not finite, {broken[0]} for one; fetch or "
            "train it again, or, where it is loaded in float16, set its dtype to float32"
        )
    return network
