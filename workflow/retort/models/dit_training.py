"""A small class-conditional DiT, trained on the latents it will sample; and the training of any DiT."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from diffusers import DDIMScheduler
from diffusers.models.transformers.dit_transformer_2d import DiTTransformer2DModel
from torch import Tensor, nn
from torch.nn import functional as F

from retort.base.devices import pick_device
from retort.base.seeds import derive_seed, numpy_rng, torch_rng
from retort.models.difffit import DiffFit
from retort.models.dit import set_timestep_embedding
from retort.models.fit import fit, warmup_cosine
from retort.models.minimax import HALF_BIN, CheckpointWithMemories, Minimax, Weights, clean_latents
from retort.models.training_state import Checkpoint
from retort.models.variance_bound import VarianceBound

Latents = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Recipe:
    """How long and how fast a DiT is trained; precision: "float32" or "bfloat16", of the autocast.

    micro_batch: examples that are computed at once, 0 for the whole batch; the gradient is that of the batch.
    recompute: keep no activations of the blocks for the backward pass. Both save memory and change nothing else.
    schedule: of the rate after the warm-up, "cosine" or "constant". trainable: "all" or "difffit", with which nothing
    is recomputed. losses: the fields of `minimax.Weights` for its losses, which compare a whole batch; None for none.
    """

    steps: int
    batch: int
    lr: float
    warmup: int
    ema: float
    drop_label: float
    precision: str = "float32"
    micro_batch: int = 0
    recompute: bool = False
    schedule: str = "cosine"
    trainable: str = "all"
    losses: Mapping[str, float] | None = None


def trained_dit(
    latents: Latents,
    labels: np.ndarray,
    latent_shape: tuple[int, int, int],
    seed_words: Sequence[str | int],
    checkpoint: Checkpoint | None = None,
    *,
    layers: int,
    heads: int,
    head_dim: int,
    patch: int,
    timestep_embedding: str = "diffusers",
    **recipe,
) -> DiTTransformer2DModel:
    """Train noise prediction on `latents(rows)` (n, C, H, W), scaled, with `labels` (N,) int (Peebles and Xie 2023).

    timestep_embedding: the convention it will run with, "diffusers" or "original"; recipe: the fields of Recipe.
    """
    torch.manual_seed(derive_seed(*seed_words, "weights"))
    transformer = DiTTransformer2DModel(
        num_layers=layers,
        num_attention_heads=heads,
        attention_head_dim=head_dim,
        patch_size=patch,
        in_channels=latent_shape[0],
        out_channels=latent_shape[0],
        sample_size=latent_shape[1],
        num_embeds_ada_norm=int(labels.max()) + 1,
    )
    initialise(transformer)
    set_timestep_embedding(transformer, timestep_embedding)
    alphas_cumprod = DDIMScheduler().alphas_cumprod
    return learn(transformer, alphas_cumprod, latents, labels, seed_words, checkpoint, Recipe(**recipe))


def learn(
    transformer: DiTTransformer2DModel,
    alphas_cumprod: Tensor,
    latents: Latents,
    labels: np.ndarray,
    seed_words: Sequence[str | int],
    checkpoint: Checkpoint | None,
    recipe: Recipe,
) -> DiTTransformer2DModel:
    """Train `transformer` on noise prediction; one with twice as many outputs as inputs learns its variance too.

    A share `recipe.drop_label` of the examples carries the null class, the one after the last. The module stays in
    evaluation mode throughout: in training mode diffusers drops labels in each block independently, so that the
    all-null condition which guidance needs would hardly ever be seen. Latents are read a batch at a time.
    """
    transformer.eval().to(pick_device())
    network = DiffFit(transformer) if recipe.trainable == "difffit" else transformer
    if recipe.recompute and network is transformer:
        transformer.enable_gradient_checkpointing()
    minimax = Minimax.of(Weights(**recipe.losses)) if recipe.losses else None
    if minimax and checkpoint:
        checkpoint = CheckpointWithMemories(checkpoint, minimax.memories, transformer.device)
    learns_variance = transformer.out_channels == 2 * transformer.config.in_channels
    bound = VarianceBound(alphas_cumprod, HALF_BIN if minimax else None) if learns_variance else None
    together = recipe.batch if minimax else recipe.micro_batch or recipe.batch

    def losses_at(step: int) -> Iterator[Tensor]:
        batch = draw(latents, labels, transformer.config.num_embeds_ada_norm, alphas_cumprod, seed_words, step, recipe)
        for part in batch.split(together):
            found = loss_of(network, part, bound, recipe.precision, minimax, alphas_cumprod)
            yield found * (len(part.times) / recipe.batch)

    optimizer = torch.optim.AdamW(network.parameters(), lr=recipe.lr, weight_decay=0.0)
    warmup = min(recipe.warmup / recipe.steps, 0.5)
    schedule = warmup_cosine(warmup) if recipe.schedule == "cosine" else warmup_constant(warmup)
    label = "training the DiT"
    trained = fit(network, optimizer, losses_at, recipe.steps, schedule, checkpoint, recipe.ema, label)
    trained = trained.folded().requires_grad_(True) if isinstance(trained, DiffFit) else trained
    trained.disable_gradient_checkpointing()
    return trained.eval()


def warmup_constant(warmup: float) -> Callable[[float], float]:
    """Linear from 0 over the share `warmup` of the training, then the same to its end."""
    return lambda progress: min(1.0, (progress + 1e-3) / (warmup + 1e-3)) if warmup else 1.0


@dataclass(frozen=True)
class Batch:
    """Examples of one step: clean latents, their noise and the sum of both (N, C, H, W); times and classes (N,).

    labels (N,): the classes without those that are dropped.
    """

    clean: Tensor
    noise: Tensor
    noisy: Tensor
    times: Tensor
    classes: Tensor
    labels: Tensor

    def split(self, size: int) -> Iterator["Batch"]:
        """The same in parts of at most `size` examples."""
        for parts in zip(*(tensor.split(size) for tensor in vars(self).values()), strict=True):
            yield Batch(*parts)

    def to(self, device: torch.device) -> "Batch":
        return Batch(*(tensor.to(device) for tensor in vars(self).values()))


def draw(
    latents: Latents,
    labels: np.ndarray,
    null: int,
    alphas_cumprod: Tensor,
    seed_words: Sequence[str | int],
    step: int,
    recipe: Recipe,
) -> Batch:
    """The examples of one step, on the CPU, so that every device and every micro-batch sees the same."""
    rng, noise_rng = numpy_rng(*seed_words, "batch", step), torch_rng(*seed_words, "noise", step)
    rows = rng.integers(len(labels), size=recipe.batch)
    times = torch.from_numpy(rng.integers(len(alphas_cumprod), size=recipe.batch))
    classes = torch.from_numpy(np.where(rng.random(recipe.batch) < recipe.drop_label, null, labels[rows]))
    clean = torch.from_numpy(latents(rows))
    noise = torch.randn(clean.shape, generator=noise_rng)
    alpha = alphas_cumprod[times].to(clean).view(-1, 1, 1, 1)
    return Batch(
        clean, noise, alpha.sqrt() * clean + (1 - alpha).sqrt() * noise, times, classes, torch.from_numpy(labels[rows])
    )


def loss_of(
    transformer: DiTTransformer2DModel | DiffFit,
    batch: Batch,
    bound: VarianceBound | None,
    precision: str,
    minimax: Minimax | None = None,
    alphas_cumprod: Tensor | None = None,
) -> Tensor:
    """Mean squared error of the predicted noise, with the mean bound on the variance where that is learned.

    With minimax its losses are added, by the clean latents that the prediction implies.
    """
    batch = batch.to(transformer.device)
    with torch.autocast(transformer.device.type, torch.bfloat16, enabled=precision == "bfloat16"):
        output = transformer(batch.noisy, timestep=batch.times, class_labels=batch.classes).sample
    eps, *places = output.float().split(batch.noise.shape[1], dim=1)
    loss = F.mse_loss(eps, batch.noise)
    if bound is not None:
        loss = loss + bound(batch.clean, batch.noisy, eps, places[0], batch.times).mean()
    if minimax is None:
        return loss
    predicted = clean_latents(batch.noisy, eps, alphas_cumprod[batch.times.cpu()])
    return loss + minimax.penalty(batch.clean, predicted, batch.labels)


def initialise(transformer: DiTTransformer2DModel) -> None:
    """Zero the modulation and the output, as the original DiT does and diffusers does not: blocks start as identities.

    The rest keeps torch's defaults. The original's small embeddings (std 0.02) suit its width of 1,152; at a tenth
    of that they leave class and time so faint that a short training hardly learns them.
    """
    modulated = [block.norm1.linear for block in transformer.transformer_blocks]
    for layer in (*modulated, transformer.proj_out_1, transformer.proj_out_2):
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
