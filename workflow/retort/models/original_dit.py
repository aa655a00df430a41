"""Checkpoints of the original DiT code (Peebles and Xie 2023) as pipeline directories of diffusers.

The weights are the same under other names; only the embedding of the timestep differs (`set_timestep_embedding`).
"""

from collections.abc import Mapping
from pathlib import Path

from diffusers import DDIMScheduler
from diffusers.models.transformers.dit_transformer_2d import DiTTransformer2DModel
from torch import Tensor

from retort.base.errors import RetortError
from retort.base.files import write_json
from retort.models.checkpoint import read_weights, without_common_prefix

FIRST_WEIGHT = "x_embedder.proj.weight"
HEADS = {384: 6, 768: 12, 1024: 16, 1152: 16}  # of the published widths: S, B, L and XL
LAYERS = {  # outside the blocks: original name -> name in diffusers
    "x_embedder.proj": "pos_embed.proj",
    "final_layer.adaLN_modulation.1": "proj_out_1",
    "final_layer.linear": "proj_out_2",
}
BLOCK_LAYERS = {
    "attn.proj": "attn1.to_out.0",
    "mlp.fc1": "ff.net.0.proj",
    "mlp.fc2": "ff.net.2",
    "adaLN_modulation.1": "norm1.linear",
}
EMBEDDERS = {  # one for all blocks in the original, a copy in each block in diffusers
    "t_embedder.mlp.0": "timestep_embedder.linear_1",
    "t_embedder.mlp.2": "timestep_embedder.linear_2",
}
SCALES = ("gamma1", "gamma2")  # fine-tuning codes add them to blocks; of ones they do nothing
WITHIN = 1e-4  # of a computed position embedding, and of one


def original_pipeline(path: str | Path, output_directory: str | Path, heads: int | None = None) -> None:
    """A .pt checkpoint of the original code as a DiTPipeline directory without its VAE: weights and schedule.

    Raises RetortError as `read_original_dit` does.
    """
    output = Path(output_directory)
    read_original_dit(path, heads).save_pretrained(output / "transformer")
    scheduler = DDIMScheduler(beta_start=1e-4, beta_end=0.02, beta_schedule="linear", clip_sample=False)
    scheduler.save_pretrained(output / "scheduler")
    index = {"_class_name": "DiTPipeline", "transformer": ["diffusers", "DiTTransformer2DModel"]}
    write_json(output / "model_index.json", index | {"scheduler": ["diffusers", "DDIMScheduler"]})


def read_original_dit(path: str | Path, heads: int | None = None) -> DiTTransformer2DModel:
    """The network in a .pt file: a state dict, or a training checkpoint, of which the averaged weights are taken.

    The file is read as tensors only; code in it is never run. Raises RetortError as `read_weights` and
    `convert_original_dit` do.
    """
    state, prefix = without_common_prefix(read_weights(Path(path)), [FIRST_WEIGHT])
    if prefix:
        print(f"{path}: all names begin with {prefix!r}, which is taken off")
    try:
        return convert_original_dit(state, heads)
    except RetortError as error:
        raise RetortError(f"{path}: {error}") from None


def convert_original_dit(state: Mapping[str, Tensor], heads: int | None = None) -> DiTTransformer2DModel:
    """The network of diffusers with the weights of an original DiT; what it looks like is read from their shapes.

    heads: of the attention, which no shape tells; needed where the width is not a published one (HEADS). Raises
    RetortError for a state dict that is not a whole DiT's, or holds more than one.
    """
    state = dict(state)
    try:
        network = _network(state, heads)
        renamed = _renamed(state, len(network.transformer_blocks))
    except KeyError as error:
        raise RetortError(f"no whole DiT of the original code: it lacks {error.args[0]!r}") from None
    if strange := sorted(set(state) - {"pos_embed"}):
        raise RetortError(f"no DiT of the original code: it also holds {', '.join(strange[:3])}")
    try:
        network.load_state_dict(renamed, strict=True)
    except RuntimeError as error:
        raise RetortError(f"no DiT of the original code: {error}") from None
    _check_positions(state["pos_embed"], network)
    return network.eval()


def _network(state: Mapping[str, Tensor], heads: int | None) -> DiTTransformer2DModel:
    """Untrained, of the shapes in `state`."""
    width, channels, patch, _ = state[FIRST_WEIGHT].shape
    heads = heads or HEADS.get(width)
    if heads is None or width % heads:
        reason = f"{heads} heads do not divide" if heads else "the number of heads is not known for"
        raise RetortError(f"{reason} a width of {width}; give the model's key heads")
    depth = 1 + max(int(key.split(".")[1]) for key in state if key.startswith("blocks."))
    return DiTTransformer2DModel(
        num_layers=depth,
        num_attention_heads=heads,
        attention_head_dim=width // heads,
        in_channels=channels,
        out_channels=len(state["final_layer.linear.weight"]) // patch**2,
        patch_size=patch,
        sample_size=patch * round(state["pos_embed"].shape[1] ** 0.5),
        num_embeds_ada_norm=len(state["y_embedder.embedding_table.weight"]) - 1,
        norm_eps=1e-6,
    )


def _renamed(state: dict[str, Tensor], depth: int) -> dict[str, Tensor]:
    """The weights under their names in diffusers; takes what it uses out of `state`, but for the positions."""
    shared = {f"{to}.{part}": state.pop(f"{of}.{part}") for of, to in EMBEDDERS.items() for part in ("weight", "bias")}
    shared["class_embedder.embedding_table.weight"] = state.pop("y_embedder.embedding_table.weight")
    found = {f"{to}.{part}": state.pop(f"{of}.{part}") for of, to in LAYERS.items() for part in ("weight", "bias")}
    for number in range(depth):
        old, new = f"blocks.{number}", f"transformer_blocks.{number}"
        for part in ("weight", "bias"):
            qkv = state.pop(f"{old}.attn.qkv.{part}").chunk(3)
            found |= {f"{new}.attn1.to_{name}.{part}": value for name, value in zip("qkv", qkv, strict=True)}
            found |= {f"{new}.{to}.{part}": state.pop(f"{old}.{of}.{part}") for of, to in BLOCK_LAYERS.items()}
        found |= {f"{new}.norm1.emb.{name}": value for name, value in shared.items()}
        for scale in (f"{old}.{where}{name}" for where in ("", "attn.") for name in SCALES):
            if scale in state and (state.pop(scale) - 1).abs().max() > WITHIN:
                raise RetortError(f"{scale} scales a layer, for which a DiT of diffusers has no place")
    return found


def _check_positions(positions: Tensor, network: DiTTransformer2DModel) -> None:
    expected = network.pos_embed.pos_embed
    if positions.shape != expected.shape or (positions - expected).abs().max() > WITHIN:
        raise RetortError("its embedding of positions is not the fixed one of sines and cosines of a square image")
