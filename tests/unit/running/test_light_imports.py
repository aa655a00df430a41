"""A job without what it does not use computes the same numbers, and has it as soon as it asks."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.helpers.light_job import numbers
from tests.helpers.tiny_models import save_models

from retort.parts import foreign
from retort.running import light_imports

ROOT = Path(__file__).resolve().parents[3]


def test_a_job_computes_the_same_without_what_it_does_not_use_and_has_it_when_it_asks(tmp_path):
    save_models(tmp_path)
    surroundings = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "workflow"), str(ROOT)])}
    command = [sys.executable, "-m", "tests.helpers.light_job", str(tmp_path)]
    done = subprocess.run(command, env=surroundings, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found.pop("numbers") == numbers(tmp_path)
    assert found == {
        "imported": [],
        "compiled": 2.0,
        "one module": True,
        "counted": 1,
        "asked": [True, "FluxTransformer2DModel"],
    }


# ---------------------------------------------------------------- which jobs


@pytest.mark.parametrize(
    ("run", "parts", "packages", "gpu", "light"),
    [
        (None, [], [], False, True),
        ("auto", [], [], False, True),
        ("cuda+slicing", [], [], False, True),
        ("cuda+compile+offload", [], [], False, False),
        ("auto", ["my_parts"], [], False, False),
        (None, [], ["theirs"], False, False),
        ("auto", [], [], True, False),
    ],
)
def test_all_is_imported_on_a_gpu_and_where_a_network_is_compiled_or_code_from_outside_runs(
    monkeypatch, run, parts, packages, gpu, light
):
    installed = []
    monkeypatch.setattr(light_imports, "install", lambda: installed.append(True))
    monkeypatch.setattr(foreign, "names", lambda: packages)
    monkeypatch.setattr(light_imports, "driver_shows_a_gpu", lambda: gpu)
    resources = {} if run is None else {"run": run}
    light_imports.install_for(SimpleNamespace(resources=resources, config={"parts": parts}))
    assert installed == [True] * light
