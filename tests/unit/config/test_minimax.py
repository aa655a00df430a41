"""Minimax's keys of a fine-tuning: their defaults, and what is refused of them."""

import pytest
import yaml
from tests.helpers.compositions import BASE, mistakes

from retort.config.load import load_config


def models(**train) -> dict:
    kept = yaml.safe_load(BASE)["models"]
    return kept | {"tuned": {"kind": "dit", "encoder": "vae", "train": {"from": "twin"} | train}}


def test_the_losses_have_the_papers_weights_where_nothing_else_is_said():
    config = load_config(yaml.safe_load(BASE) | {"models": models(losses={}, trainable="difffit")})
    losses = config.models["tuned"].train.losses
    assert losses.model_dump() == {"represent": 0.002, "diverse": 0.008, "sparse": 0.0, "memory": 64}
    plain = load_config(yaml.safe_load(BASE) | {"models": models()}).models["tuned"].train
    assert (plain.losses, plain.trainable, plain.schedule) == (None, "all", "cosine")


@pytest.mark.parametrize(
    ("train", "place", "words"),
    [
        ({"losses": {"represents": 0.1}}, ".losses", ["did you mean 'represent'?", "diverse, sparse, memory"]),
        ({"losses": {"memory": 0}}, ".losses.memory", ["must be at least 1"]),
        ({"losses": {"diverse": -1}}, ".losses.diverse", ["must be at least 0"]),
        ({"trainable": "biases"}, ".trainable", ["'all' or 'difffit'"]),
        ({"schedule": "linear"}, ".schedule", ["'cosine' or 'constant'"]),
    ],
)
def test_what_cannot_be_is_refused_with_what_would_be_right(train, place, words):
    [(where, text)] = mistakes("select: random", models=models(**train))
    assert where == f"models.tuned.train{place}"
    assert [word for word in words if word not in text] == [], text
