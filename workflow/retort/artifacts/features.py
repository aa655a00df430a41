"""What a teacher sees in the training images of each class of a shard: features, logits and rows of the train split."""

import numpy as np

from retort.base.tensors import open_tensors
from retort.models.health import REBUILD, check_finite


def of_class(class_id: str, features: np.ndarray, logits: np.ndarray, rows: np.ndarray) -> dict[str, np.ndarray]:
    """The tensors of one class: features (n, D) and logits (n, K) float32, rows (n,)."""
    return {f"features/{class_id}": features, f"logits/{class_id}": logits, f"rows/{class_id}": rows}


def class_features(path: str, class_id: str) -> tuple[np.ndarray, np.ndarray]:
    """(n, D) features of one class and (n,) their rows of the train split: of a teacher, or latents laid flat.

    Raises RetortError naming the class where they are not finite, as they were when they were written.
    """
    tensors = open_tensors(path)
    key = f"features/{class_id}"
    features = tensors[key] if key in tensors else tensors[f"latents/{class_id}"]
    check_finite(features, f"class {class_id}", f"what {path} says of an image is", REBUILD)
    return np.asarray(features, dtype=np.float32).reshape(len(features), -1), np.asarray(tensors[f"rows/{class_id}"])


def class_logits(path: str, class_id: str) -> np.ndarray | None:
    """(n, K) float32 of one class; None where the file has latents. Raises RetortError where they are not finite."""
    if (key := f"logits/{class_id}") not in (tensors := open_tensors(path)):
        return None
    logits = np.array(tensors[key])
    check_finite(logits, f"class {class_id}", f"what {path} says of an image is", REBUILD)
    return logits
