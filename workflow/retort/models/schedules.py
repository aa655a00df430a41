"""The noise schedule in a diffusers directory, and what a model trained on it predicts."""

from dataclasses import dataclass
from pathlib import Path

from diffusers import DDIMScheduler
from torch import Tensor

from retort.base.errors import RetortError

PREDICTIONS = ("epsilon", "v_prediction")
TRAINED_ON = {
    *("num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "trained_betas", "rescale_betas_zero_snr"),
    "prediction_type",
}


@dataclass(frozen=True)
class Schedule:
    """alphas_cumprod: (T,) float64 on the CPU. prediction: one of PREDICTIONS."""

    alphas_cumprod: Tensor
    prediction: str


def read_schedule(directory: str | Path) -> Schedule:
    """From a scheduler directory of diffusers, whichever sampler it names: they share the training schedule.

    `DDIMScheduler.from_pretrained` reads the same, and imports every other scheduler, with scipy, to know their keys.

    Raises RetortError for a model that predicts neither the noise nor v.
    """
    found = DDIMScheduler.load_config(directory, local_files_only=True)
    kept = TRAINED_ON & found.keys() - set(found.get("_use_default_values", ()))
    scheduler = DDIMScheduler(**{key: found[key] for key in kept})
    if (prediction := scheduler.config.prediction_type) not in PREDICTIONS:
        raise RetortError(
            f"{Path(directory, 'scheduler_config.json')}: prediction_type is {prediction!r}; "
            f"models that predict {' or '.join(PREDICTIONS)} can be used"
        )
    return Schedule(scheduler.alphas_cumprod.double(), prediction)
