"""What `make env` installs: the pinned CUDA build of PyTorch, or another one without the pins of that."""

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
CUDA_PINS = re.compile(r"^(nvidia-|cuda-|triton)", re.MULTILINE)


def commands(tmp_path: Path, *words: str) -> str:
    """What `make env` would run for a machine without an environment."""
    (tmp_path / "venv").mkdir()
    asked = ["make", "-n", "env", f"VENV={os.path.relpath(tmp_path / 'venv', ROOT)}", *words]
    done = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True)
    return re.sub(r"\\\n\s*", "", done.stdout)


@pytest.mark.parametrize("backend", ["cpu", "cu126", "rocm6.4", "auto"])
def test_any_backend_goes_to_uv_and_no_pin_of_the_default_one_with_it(tmp_path, backend):
    said = commands(tmp_path, f"TORCH_BACKEND={backend}")
    install = next(line for line in said.splitlines() if "pip install" in line and " -r " in line)
    assert f"--torch-backend {backend} " in install
    kept = install.split()[-1]
    filtering = next(line for line in said.splitlines() if line.endswith(f"> {kept}"))
    subprocess.run(filtering, shell=True, cwd=ROOT, check=True)
    pins = (ROOT / "envs" / "requirements.txt").read_text()
    assert CUDA_PINS.search(pins)
    left = (tmp_path / "venv" / Path(kept).name).read_text()
    assert not CUDA_PINS.search(left)
    assert set(pins.splitlines()) - set(left.splitlines()) == {
        line for line in pins.splitlines() if CUDA_PINS.match(line)
    }


def test_without_a_backend_everything_is_as_pinned(tmp_path):
    said = commands(tmp_path)
    assert "--torch-backend" not in said
    assert "-r envs/requirements.txt" in said
