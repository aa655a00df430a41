"""Score random crops by a teacher (RDED)."""

from collections.abc import Sequence
from itertools import chain

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from tqdm import tqdm

from retort.artifacts.crop_reader import CropReader
from retort.artifacts.patches import ranked_rows, write_patches
from retort.base.batches import in_batches
from retort.data.manifest import read_classes, read_split
from retort.data.streams import read_ahead
from retort.methods.mosaics import best_crop_per_image, padded, ranked_by_loss
from retort.methods.selection import random_order
from retort.models.classifiers import normalised
from retort.models.judging import no_better_than_a_guess
from retort.models.teacher import Teacher, check_seen, load_teacher
from retort.parts.scores import CropScore

TOGETHER = 4  # images whose crops travel together from a reader
HARDLY = 0.1  # of the way from a guess to all crops: of thousands, a few more than a guess gets are no luck, and no use


def score_crops(
    manifest: str,
    class_table: str,
    teacher: str,
    patches: str,
    *,
    class_ids: Sequence[str],
    score: CropScore,
    grid: int,
    side: int,
    dataset: str,
    seed: int,
    threads: int,
) -> None:
    """CSV of the best of some random square crops of random images of each class, lowest loss by `score` first.

    Boxes are in pixels of the image file; the column score is minus the loss by what the teacher says of the crop,
    resized to side // grid and padded to `side` with the mean colour. Crops are seeded by image. How many of them the
    teacher calls right is printed, with a warning near chance. That does not stop the run: the teacher has been
    measured on whole images, and small images of one object each have such crops whatever the teacher. Raises
    RetortError naming the image in which the teacher sees what is not finite.
    """
    table = read_classes(class_table)
    judge, labels = load_teacher(teacher, [c.id for c in table]), {c.id: c.index for c in table}
    device = next(judge.parameters()).device
    train, rows = read_split(manifest, "train", list(class_ids)), []
    by_class = {c: _some(train[train["class_id"] == c], score.images, seed, dataset) for c in class_ids}
    wanted, patch = pd.concat(by_class.values()), side // grid
    read = CropReader(dict(wanted[["image_id", "path"]].values), score.crops, score.area, patch, dataset, seed)
    # One stream for all, or each class would start its own readers.
    stream = chain.from_iterable(read_ahead(list(in_batches(wanted["image_id"], TOGETHER)), read, threads))
    hits = seen = 0
    bar = tqdm(total=sum(map(len, by_class.values())), unit="image")
    for class_id, members in by_class.items():
        bar.set_description(f"cropping {class_id}", refresh=False)
        boxes, losses = [], []
        for name in members["image_id"]:
            drawn, cut = read.parts(next(stream))
            logits, norms = _seen(judge, padded(normalised(2 * cut.to(device) - 1), side), score.sees_features())
            check_seen(logits, f"class {class_id}, a crop of {name}")
            losses.append(score.losses(logits, torch.full((score.crops,), labels[class_id]), *norms).numpy())
            boxes.append(drawn)
            hits, seen = hits + int((logits.argmax(1) == labels[class_id]).sum()), seen + len(logits)
            bar.update()
        losses, boxes = np.stack(losses, 1), np.stack(boxes)
        best = best_crop_per_image(losses)
        loss = losses[best, np.arange(len(best))]
        order = ranked_by_loss(loss)
        scores = -np.minimum(loss[order], np.finfo(np.float32).max)  # where the probability underflows it is infinite
        rows.append(ranked_rows(class_id, members.iloc[order], boxes[order, best[order]], scores, -1))
    bar.close()
    write_patches(rows, patches)
    _say(hits, seen, len(table), patch)


@torch.inference_mode()
def _seen(judge: Teacher, crops: Tensor, features: bool) -> tuple[Tensor, list[Tensor]]:
    """(N, K) logits of crops on the CPU and, where `features` are wanted, (N,) their lengths; float32."""
    if not features:
        return judge(crops).float().cpu(), []
    found, logits = judge.features_and_logits(crops)
    return logits.float().cpu(), [found.float().norm(dim=1).cpu()]


def _some(members: pd.DataFrame, images: int, seed: int, dataset: str) -> pd.DataFrame:
    """`images` random ones of a class, or all where there are fewer."""
    return members.iloc[random_order(members["image_id"].tolist(), seed, dataset)[:images]]


def _say(hits: int, seen: int, classes: int, patch: int) -> None:
    """How well the teacher judges in the way in which it judges here."""
    share, guess = hits / seen, 1 / classes
    found = f"the teacher recognises {share:.3f} of {seen} crops of real images at {patch} px"
    print(found)
    if no_better_than_a_guess(hits, seen, classes) or share < guess + HARDLY * (1 - guess):
        print(
            f"warning: {found}, near the {guess:.3g} that a guess among {classes} classes reaches. Whole images, which "
            "it sees normalised in the same way, it was found to recognise, so neither its normalisation nor its class "
            f"order is the cause: crops of {patch} px in a frame do not show it the class, and their scores mean "
            "little. Take compose.grid: 1, a larger compose.score.area, or a teacher that was trained on crops "
            "(train.crop)."
        )
