"""DiffFit: a DiT of which only biases, the table of classes and a few scales are trained (Xie et al., ICCV 2023).

As Minimax's code has it: every bias, the class table, and four scales, ones at the start, in each of the first 14
blocks: of the queries, keys and values, of the attention's output twice, and of the feed-forward's output.
"""

from typing import Any

import torch
from diffusers.models.transformers.dit_transformer_2d import DiTTransformer2DModel
from torch import Tensor, nn
from torch.func import functional_call

SCALED_BLOCKS = 14
EMBEDDER = ".norm1.emb."  # diffusers has a copy of it in each block, where the original DiT has one for all
TABLE = "class_embedder.embedding_table.weight"


class _Frozen:
    """A network that is shared by all copies of what trains beside it."""

    def __init__(self, network: DiTTransformer2DModel):
        self.network = network

    def __deepcopy__(self, memo: dict) -> "_Frozen":
        return self


class DiffFit(nn.Module):
    """What is trained beside a frozen transformer; called as that one is. Copies share the frozen one.

    Parameters have the transformer's names with / for each dot, those of the embedders of time and class the names in
    block 0, by which all blocks compute; scales are scales/BLOCK/attention (3 * width,), output, branch and forward.
    """

    def __init__(self, transformer: DiTTransformer2DModel):
        super().__init__()
        self._frozen = _Frozen(transformer.requires_grad_(False))
        for name, parameter in transformer.named_parameters():
            if (name.endswith(".bias") or name.endswith(TABLE)) and name == _canonical(name):
                self.register_parameter(name.replace(".", "/"), nn.Parameter(parameter.detach().clone()))
        width = transformer.config.num_attention_heads * transformer.config.attention_head_dim
        like = next(transformer.parameters())
        for block in range(min(SCALED_BLOCKS, len(transformer.transformer_blocks))):
            for kind, size in (("attention", 3 * width), ("output", width), ("branch", width), ("forward", width)):
                self.register_parameter(f"scales/{block}/{kind}", nn.Parameter(like.new_ones(size)))

    @property
    def device(self) -> torch.device:
        return self._frozen.network.device

    def forward(self, *given: Any, **named: Any) -> Any:
        """What the transformer gives with the trained parameters in place of its own."""
        return functional_call(self._frozen.network, self._effective(), given, named)

    def folded(self) -> DiTTransformer2DModel:
        """The transformer itself with all that was trained in its weights, each block with its own embedder."""
        with torch.no_grad():
            for name, value in self._effective().items():
                self._frozen.network.get_parameter(name).copy_(value)
        return self._frozen.network

    def _effective(self) -> dict[str, Tensor]:
        """Name in the transformer -> the tensor that it computes with: trained, or scaled."""
        trained, network = dict(self.named_parameters()), self._frozen.network
        found = {
            name: trained[key]
            for name, _ in network.named_parameters()
            if (key := _canonical(name).replace(".", "/")) in trained
        }
        for block in range(min(SCALED_BLOCKS, len(network.transformer_blocks))):
            at, scales = f"transformer_blocks.{block}", f"scales/{block}"
            of_queries = trained[f"{scales}/attention"].chunk(3)
            scaled = dict(zip(("attn1.to_q", "attn1.to_k", "attn1.to_v"), of_queries, strict=True))
            scaled |= {"attn1.to_out.0": trained[f"{scales}/output"] * trained[f"{scales}/branch"]}
            scaled |= {"ff.net.2": trained[f"{scales}/forward"]}
            for layer, scale in scaled.items():
                weight, bias = f"{at}.{layer}.weight", f"{at}.{layer}.bias"
                found[weight] = network.get_parameter(weight) * scale[:, None]
                found[bias] = found[bias] * scale
        return found


def _canonical(name: str) -> str:
    """The name by which a parameter is trained: that of the embedders of time and class in block 0."""
    _, inside, rest = name.partition(EMBEDDER)
    return f"transformer_blocks.0{EMBEDDER}{rest}" if inside else name
