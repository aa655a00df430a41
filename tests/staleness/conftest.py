import pytest

from .matrix import Matrix

CHECKED = pytest.StashKey[str]()


@pytest.fixture(scope="session")
def matrix(tmp_path_factory) -> Matrix:
    return Matrix(tmp_path_factory.mktemp("matrix"))


@pytest.fixture
def tell(request):
    """tell(text): a line at the end of the run of all tests."""
    return lambda text: request.config.stash.setdefault(CHECKED, text)


def pytest_terminal_summary(terminalreporter, config):
    if CHECKED in config.stash:
        terminalreporter.write_line(config.stash[CHECKED])
