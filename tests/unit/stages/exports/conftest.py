"""A small set with its teacher, as the workflow writes them, and a cache of the hub's library for each test."""

from pathlib import Path

import datasets
import pytest
from tests.helpers.exported_sets import make_home


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """Nothing of a test is left in, or taken from, the cache of whoever runs it."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    return make_home(tmp_path_factory.mktemp("home"))
