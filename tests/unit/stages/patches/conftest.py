"""Pictures of odd shapes in two folders, of which one has more of each, with what scores their patches."""

from pathlib import Path

import pytest
from tests.helpers.scored_patches import MORE, SHAPES, make_home
from tests.helpers.tiny_models import Pictures


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    return make_home(tmp_path_factory.mktemp("patches"))


@pytest.fixture(scope="module")
def few(home) -> Pictures:
    return Pictures(home / "few", SHAPES)


@pytest.fixture(scope="module")
def more(home) -> Pictures:
    return Pictures(home / "more", MORE)
