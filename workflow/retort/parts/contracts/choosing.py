"""What selections, difficulties, coverages, scores and rankings promise."""

from typing import Any

import numpy as np
import torch

from retort.parts.contracts.base import CLASSES, Contract, Promise, always, farthest, hold, normal, twice
from retort.parts.difficulties import Lessons
from retort.parts.part import Part
from retort.parts.selections import OfAllClasses, OfNames, Seen, mistake_of

CANDIDATES, COUNTS = 12, (1, 5, 12)
RUNS, EPOCHS = 2, 5  # of a record of trainings

# ---------------------------------------------------------------- selections and coverages


def seen_by(part: Part, order: Any = slice(None), equal: bool = False) -> Seen:
    """What a selection sees of twelve candidates of class 2, in an order; equal: all alike."""
    own = np.zeros(CANDIDATES, dtype=int) if equal else np.arange(CANDIDATES)[order]
    if part.name_in("dynamics"):
        return Seen(None, None, 2, lessons(own))
    features, logits = normal(0, CANDIDATES, 5).float().numpy()[own], 2 * normal(1, CANDIDATES, CLASSES).float()[own]
    features.flags.writeable = False  # as those of a run are, which lie in a file
    raw, judged = part.sees_raw(), part.name_in("teachers") is not None
    return Seen(None if raw else features, logits if judged else None, 2)


def lessons(own: np.ndarray) -> Lessons:
    """What two trainings of five epochs said of candidates of class 2, by their numbers."""
    logits = 2 * normal(3, RUNS, EPOCHS, CANDIDATES, CLASSES).half().numpy()[:, :, own]
    norms = normal(4, RUNS, EPOCHS, CANDIDATES).abs().float().numpy()[:, :, own]
    return Lessons(logits, norms, np.full(len(own), 2))


def _keeps_what_is_wanted(part: Part) -> str:
    for count in COUNTS:
        for equal in (False, True):
            seen, kept = seen_by(part, equal=equal), seen_by(part, equal=equal)
            wrong = mistake_of(part.choose(seen, count, 7), count, CANDIDATES)
            hold(wrong is None, f"it {wrong}{', where all candidates are alike' if equal else ''}")
            for what in ("features", "logits"):
                given, before = getattr(seen, what), getattr(kept, what)
                hold(before is None or np.array_equal(given, before), f"the {what} were changed in place")
    return f"{', '.join(map(str, COUNTS))} of {CANDIDATES}"


def _chooses_again_what_it_chose(part: Part) -> str:
    one, other = twice(lambda: part.choose(seen_by(part), 5, 7))
    hold(list(one.members) == list(other.members), f"once {list(one.members)}, once {list(other.members)}")
    return str(list(map(int, one.members)))


def _chooses_in_any_order(part: Part) -> str:
    turn = np.random.default_rng(0).permutation(CANDIDATES)
    usual, turned = part.choose(seen_by(part), 5, 7), part.choose(seen_by(part, turn), 5, 7)
    back = turn[list(map(int, turned.members))].tolist()
    hold(back == list(map(int, usual.members)), f"{list(usual.members)}, and {back} when their order is another")
    columns = [{key: list(values) for key, values in of.columns.items()} for of in (usual, turned)]
    hold(
        columns[0] == columns[1],
        f"the columns {dict(usual.columns)} are {dict(turned.columns)} when the order is another",
    )
    return str(back)


def _tells_hardness(part: Part) -> str:
    seen, kept = lessons(np.arange(CANDIDATES)), lessons(np.arange(CANDIDATES))
    one, other = twice(lambda: part.hardness(seen))
    hold(one.shape == (CANDIDATES,) and one.dtype == np.float64, f"{one.shape}, {one.dtype}")
    hold(bool(np.isfinite(one).all()), "values that are not finite")
    hold(np.array_equal(one, other), f"once {one}, once {other}")
    for what in ("logits", "norms", "labels"):
        hold(np.array_equal(getattr(seen, what), getattr(kept, what)), f"the {what} were changed in place")
    alone = np.concatenate([part.hardness(lessons(np.array([i]))) for i in range(CANDIDATES)])
    far = float(np.abs(alone - one).max())
    hold(far < 1e-9, f"the hardness of an image differs by {far:.3g} when it is alone")
    return f"{one.min():.3g} to {one.max():.3g}"


def _groups(part: Part) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors of the groups of five classes (5, G, 8), and of their real images (5, 8)."""
    drawn = normal(7, 5, part.subgroups + 1, 8).numpy()
    drawn /= np.linalg.norm(drawn, axis=-1, keepdims=True)
    return drawn[:, 1:], drawn[:, 0]


def _keeps_a_group_of_each(part: Part) -> str:
    given, kept = _groups(part), _groups(part)
    one, other = twice(lambda: part.choose_groups(*given).chosen.tolist())
    hold(one == other, f"once {one}, once {other}")
    hold(len(one) == 5 and set(one) <= set(range(part.subgroups)), f"{one} of {part.subgroups} groups of 5 classes")
    hold(all(map(np.array_equal, given, kept)), "the centroids were changed in place")
    return str(one)


def _keeps_groups_in_any_order(part: Part) -> str:
    candidates, real = _groups(part)
    turn = np.random.default_rng(0).permutation(part.subgroups)
    usual = part.choose_groups(candidates, real).chosen
    back = turn[part.choose_groups(candidates[:, turn], real).chosen]
    hold(np.array_equal(back, usual), f"{usual}, and {back} when their order is another")
    return str(back)


def _orders_all_names(part: Part) -> str:
    ids = [f"{i}.png" for i in range(20)]
    one, other = twice(lambda: list(map(int, part.order(ids, 0, "toy"))))
    hold(sorted(one) == list(range(20)), f"{one} is no order of 20 images")
    hold(one == other, f"once {one}, once {other}")
    return f"{one[:4]} ..."


def _covers_with_what_is_wanted(part: Part) -> str:
    forms = normal(0, CANDIDATES, 5).float(), torch.zeros(CANDIDATES, 3), normal(2, CANDIDATES, 1)
    for count in COUNTS:
        for features in (form.numpy() for form in forms):
            kept = features.copy()
            one, other = twice(lambda f=features, n=count: list(map(int, part.cover(f, n, 3))))
            right = len(set(one)) == len(one) == count and set(one) <= set(range(CANDIDATES))
            hold(right, f"{one} where {count} different rows of {CANDIDATES} are wanted")
            hold(one == other, f"the same features and seed give {one} and {other}")
            hold(np.array_equal(features, kept), "the features were changed in place")
    return f"{', '.join(map(str, COUNTS))} of {CANDIDATES}"


def _covers_in_any_order(part: Part) -> str:
    features = normal(0, CANDIDATES, 5).numpy()
    turn = np.random.default_rng(0).permutation(CANDIDATES)
    usual = list(map(int, part.cover(features, 5, 7)))
    back = turn[list(map(int, part.cover(features[turn], 5, 7)))].tolist()
    hold(back == usual, f"{usual}, and {back} when their order is another")
    return str(back)


# ---------------------------------------------------------------- scores and rankings


def _scores_each_crop_by_itself(part: Part) -> str:
    logits, labels = 3 * normal(5, 8, CLASSES).float(), torch.arange(8) % CLASSES
    more = [normal(6, 8).abs().float()] if part.sees_features() else []
    one, other = twice(lambda: part.losses(logits.clone(), labels, *more))
    hold(one.shape == (8,) and one.dtype == torch.float32, f"{tuple(one.shape)}, {one.dtype}")
    hold(bool(one.isfinite().all()), "losses that are not finite")
    hold(torch.equal(one, other), "the same logits have two losses")
    each = [[of[i : i + 1] for of in (logits, labels, *more)] for i in range(8)]
    alone = torch.cat([part.losses(*given) for given in each])
    far = farthest(alone, one)
    hold(far < 1e-5, f"the loss of a crop differs by {far:.3g} when it is alone")
    return f"alone and together differ by at most {far:.1g}"


def _gives_patches(part: Part) -> str:
    most = part.most_patches()
    right = most.count == getattr(part, most.key) >= part.most_of_an_image() >= 1
    hold(right, f"{most}, and {part.most_of_an_image()} of an image")
    return f"{most.count} {most.key} of a class, {part.most_of_an_image()} of an image"


def _ranks_all_patches(part: Part) -> str:
    features, scores = normal(0, CANDIDATES, 5).float().numpy(), normal(6, CANDIDATES).numpy()
    (order, cluster), (again, _) = twice(lambda: part.order(features.copy(), scores.copy(), 3))
    hold(sorted(order.tolist()) == list(range(CANDIDATES)), f"{order.tolist()} is no order of {CANDIDATES} patches")
    hold(order.tolist() == again.tolist(), f"once {order.tolist()}, once {again.tolist()}")
    right = order.dtype == cluster.dtype == np.int64 and cluster.shape == (CANDIDATES,)
    hold(right, f"order of {order.dtype}, clusters {cluster.shape} of {cluster.dtype}; both are (n,) int64")
    return f"{order.tolist()[:4]} ..., of which a smaller set takes the beginning"


def _looks(part: Part) -> bool:
    """At candidates, one class at a time."""
    return not isinstance(part, OfNames) and part.stage is not None


def _of_all_classes(part: Part) -> bool:
    return isinstance(part, OfAllClasses)


def _looks_in_no_order(part: Part) -> bool:
    return _looks(part) and not part.reads_order()


FAMILIES: dict[str, list[Promise]] = {
    "selections": [
        (Contract("it keeps distinct candidates, as many as are wanted", _keeps_what_is_wanted), _looks),
        (Contract("the same seed chooses the same", _chooses_again_what_it_chose), _looks),
        (Contract("the order of the candidates does not matter", _chooses_in_any_order), _looks_in_no_order),
        (Contract("it keeps a group of each class, twice alike", _keeps_a_group_of_each), _of_all_classes),
        (Contract("the order of a class's groups does not matter", _keeps_groups_in_any_order), _of_all_classes),
        (Contract("it orders all images, twice alike", _orders_all_names), lambda part: isinstance(part, OfNames)),
    ],
    "difficulties": [(Contract("it says how hard each image is by itself, twice alike", _tells_hardness), always)],
    "coverages": [
        (Contract("it takes distinct rows, as many as are wanted", _covers_with_what_is_wanted), always),
        (
            Contract("the order of the rows does not matter", _covers_in_any_order),
            lambda part: not part.reads_order(),
        ),
    ],
    "scores": [
        (
            Contract("it scores each crop by itself, twice alike", _scores_each_crop_by_itself),
            lambda part: part.stage == "score_crops",
        ),
        (Contract("a class has patches, and an image some of them", _gives_patches), always),
    ],
    "rankings": [
        (Contract("it orders all patches, twice alike", _ranks_all_patches), lambda part: part.stage is not None)
    ],
}
