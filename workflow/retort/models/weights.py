"""Reading a network's weights from a directory."""

from pathlib import Path

import torch

from retort.errors import RetortError


def load_weights(kind: type, directory: Path, dtype: torch.dtype) -> torch.nn.Module:
    """A network of diffusers or transformers from its directory; only safetensors weights are read.

    Raises RetortError when weights are missing: the libraries would fill them with random numbers and only warn.
    """
    network, told = kind.from_pretrained(
        directory,
        torch_dtype=dtype,
        use_safetensors=True,
        local_files_only=True,
        low_cpu_mem_usage=False,
        output_loading_info=True,
    )
    if missing := sorted(told["missing_keys"]):
        raise RetortError(
            f"{directory} lacks {len(missing)} weights of a {kind.__name__}, {missing[0]} for one; fetch it whole"
        )
    return network
