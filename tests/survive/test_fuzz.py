"""Files full of mistakes: everything that we parse is read, or refused by the one error that users are meant to read.

Derandomised: the same examples on every machine, so a failure is a finding and not a mood.
"""

import copy
import io
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from retort.base.errors import RetortError
from retort.base.files import read_json, read_rows
from retort.base.tables import read_table
from retort.base.tensors import open_tensors, read_metadata, write_tensors
from retort.config.load import load_config
from retort.config.strict_yaml import read_strictly
from retort.data.images import header_size, read_rgb
from retort.data.layouts.ilsvrc import read_ground_truth
from retort.data.manifest import read_classes, read_split
from retort.data.unpickle import read_plain_pickle
from retort.models.contents import read_contents
from retort.models.pickled import read_pickled
from tests.helpers.workspace import REPOSITORY, smoke_config

SHIPPED = [REPOSITORY / "config.yaml", *sorted((REPOSITORY / "configs").glob("*.yaml"))]


def fuzzed(examples: int):
    return settings(
        max_examples=examples,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


def spoilt(content: bytes) -> st.SearchStrategy[bytes]:
    """The content with a few bytes changed, cut out or put in."""

    def spoil(edits: list[tuple[int, int, bytes]]) -> bytes:
        data = content
        for place, length, new in edits:
            at = place % (len(data) + 1)
            data = data[:at] + new + data[at + length :]
        return data

    edit = st.tuples(st.integers(0, 2**16), st.integers(0, 40), st.binary(max_size=12))
    return st.lists(edit, min_size=1, max_size=4).map(spoil)


def read_or_refused(read, *arguments) -> object:
    """What was read, or None where it was refused; anything else is a mistake of ours."""
    try:
        return read(*arguments)
    except RetortError:
        return None


# ---------------------------------------------------------------- configs

ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 10**12),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from(["../x", "all", "dit", "vae", "resnet", "noise", ".", "", "a/b", "1e9", "\x00", "%s", "{name}"]),
    st.lists(st.integers(0, 3), max_size=3),
    st.dictionaries(st.text(max_size=6), st.integers(), max_size=2),
)


def places(value, path=()):
    yield path
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield from places(inner, (*path, key))


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
@given(data=st.data())
@fuzzed(40)
def test_any_config_is_checked_or_refused(file, data):
    raw = yaml.safe_load(file.read_text())
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from([p for p in places(raw) if p]))
        table = raw
        for key in path[:-1]:
            table = table[key]
        if data.draw(st.booleans()):
            table[path[-1]] = copy.deepcopy(data.draw(ODD))
        elif isinstance(table, dict):
            table[data.draw(st.text(max_size=8))] = table.pop(path[-1])
        else:
            del table[path[-1]]
    read_or_refused(load_config, raw)


@given(content=spoilt((REPOSITORY / "configs/smoke.yaml").read_bytes()))
@fuzzed(150)
def test_any_yaml_file_is_read_or_refused(tmp_path, content):
    (tmp_path / "x.yaml").write_bytes(content)
    found = read_or_refused(read_strictly, tmp_path / "x.yaml")
    if isinstance(found, dict):
        read_or_refused(load_config, found)


@given(raw=st.recursive(ODD, lambda inner: st.dictionaries(st.text(max_size=8), inner, max_size=3), max_leaves=8))
@fuzzed(150)
def test_what_is_no_config_at_all_is_refused(raw):
    assert read_or_refused(load_config, raw) is None


# ---------------------------------------------------------------- safetensors

HELD = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b/1": np.zeros((0, 4), np.int64), "c": np.ones(3, np.uint8)}


def content_of(write) -> bytes:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder, "x"))
        return Path(folder, "x").read_bytes()


TENSORS = content_of(lambda path: write_tensors(path, HELD, {"who": "me"}))


def inspect(path: Path) -> None:
    """Everything of a file of tensors is read: no map may reach past its end."""
    for array in open_tensors(path).values():
        np.asarray(array).sum()
    assert all(isinstance(key, str) for key in read_metadata(path))


@given(content=spoilt(TENSORS))
@fuzzed(300)
def test_any_file_of_tensors_is_read_or_refused(tmp_path, content):
    (tmp_path / "x.safetensors").write_bytes(content)
    read_or_refused(inspect, tmp_path / "x.safetensors")


NUMBERS = st.one_of(st.integers(-(2**40), 2**70), st.floats(), st.none(), st.text(max_size=3), st.booleans())
ENTRY = st.one_of(
    st.fixed_dictionaries(
        {
            "dtype": st.sampled_from(["F32", "F16", "BOOL", "F8_E4M3", "?", 3, None]),
            "shape": st.one_of(st.lists(NUMBERS, max_size=3), NUMBERS),
            "data_offsets": st.one_of(st.lists(NUMBERS, max_size=3), st.sampled_from([[0, 24], [-8, 16], [24, 0]])),
        }
    ),
    NUMBERS,
    st.lists(NUMBERS, max_size=2),
)


@given(
    header=st.dictionaries(st.sampled_from(["a", "b", "__metadata__", ""]), ENTRY, max_size=3),
    data=st.binary(max_size=40),
)
@fuzzed(300)
def test_any_header_of_tensors_is_refused_unless_it_describes_its_file(tmp_path, header, data):
    text = json.dumps(header).encode()
    (tmp_path / "x.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + data)
    read_or_refused(inspect, tmp_path / "x.safetensors")


@pytest.mark.parametrize("header", [b"[" * 100_000, b"{" * 9, b"nul", b'{"a": ' * 50_000, b"\xff\xfe"])
def test_headers_that_are_no_json_are_refused(tmp_path, header):
    (tmp_path / "x.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(RetortError, match="is not a whole safetensors file"):
        open_tensors(tmp_path / "x.safetensors")


# ---------------------------------------------------------------- pickles

BATCH = pickle.dumps({"data": np.zeros((2, 12), np.uint8), "labels": [0, 1], "batch_label": b"x"}, protocol=2)


@given(content=st.one_of(spoilt(BATCH), st.binary(max_size=60)))
@fuzzed(300)
def test_any_batch_of_images_is_read_or_refused(content):
    read_or_refused(read_plain_pickle, content, "x")


@given(content=spoilt(content_of(lambda path: torch.save({"w": torch.ones(2, 3), "step": 3}, path))))
@fuzzed(60)
def test_any_checkpoint_is_read_or_refused(tmp_path, content):
    (tmp_path / "x.pt").write_bytes(content)
    read_or_refused(read_pickled, tmp_path / "x.pt")


# ---------------------------------------------------------------- tables and texts


@given(content=spoilt(b'index,id,name\n0,cat,Cat\n1,dog,"Dog, big"\n'))
@fuzzed(200)
def test_any_class_table_is_read_or_refused(tmp_path, content):
    (tmp_path / "classes.csv").write_bytes(content)
    for read in (read_rows, read_classes):
        found = read_or_refused(read, tmp_path / "classes.csv")
        if found and read is read_classes:
            assert all("/" not in entry.id and not entry.id.startswith(".") for entry in found)


@given(content=spoilt(b"file,row,score\na.png,3,0.5\nb.png,4,1\n"))
@fuzzed(150)
def test_any_table_is_read_or_refused(tmp_path, content):
    (tmp_path / "x.csv").write_bytes(content)
    found = read_or_refused(lambda path: read_table(path, ["file", "row"], dtype={"row": int}), tmp_path / "x.csv")
    assert found is None or {"file", "row"} <= set(found.columns)


@given(content=spoilt(b'{"arch": "resnet8", "classes": ["0", "1"], "resolution": 32}'))
@fuzzed(150)
def test_any_json_is_read_or_refused(tmp_path, content):
    (tmp_path / "x.json").write_bytes(content)
    found = read_or_refused(read_json, tmp_path / "x.json")
    if isinstance(found, dict):
        read_or_refused(lambda: found["arch"])


@pytest.fixture(scope="module")
def manifest(tmp_path_factory) -> bytes:
    import pandas as pd

    from retort.data.manifest import ClassEntry, write_manifest

    folder = tmp_path_factory.mktemp("manifest")
    row = {"split": "train", "path": "x.png", "class_id": "cat", "class_name": "Cat", "class_index": 0}
    images = pd.DataFrame([row | {"image_id": f"cat/{n}", "width": 3, "height": 4} for n in range(5)])
    write_manifest(images, [ClassEntry(0, "cat", "Cat")], folder / "m.parquet", folder / "classes.csv")
    return (folder / "m.parquet").read_bytes()


@given(data=st.data())
@fuzzed(150)
def test_any_manifest_is_read_or_refused(tmp_path, manifest, data):
    (tmp_path / "m.parquet").write_bytes(data.draw(spoilt(manifest)))
    read_or_refused(read_split, tmp_path / "m.parquet", "train")


@given(content=spoilt(b"ILSVRC2012_val_00000001.JPEG n01440764\nILSVRC2012_val_00000002.JPEG n01443537\n"))
@fuzzed(100)
def test_any_list_of_labels_is_read_or_refused(tmp_path, content):
    (tmp_path / "truth.txt").write_bytes(content)
    read_or_refused(read_ground_truth, tmp_path / "truth.txt", 2)


# ---------------------------------------------------------------- images and models


def picture(kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (12, 10, 3), dtype=np.uint8)).save(buffer, kind)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "TIFF", "BMP", "WEBP"])
@given(data=st.data())
@fuzzed(40)
def test_any_image_is_read_or_refused(tmp_path, kind, data):
    (tmp_path / "x").write_bytes(data.draw(spoilt(picture(kind))))
    for read in (read_rgb, header_size):
        read_or_refused(read, tmp_path / "x")


MODEL = REPOSITORY / "tests/fixtures/parity/d3hr_sample/pipeline/vae"
CONFIG = (MODEL / "config.json").read_bytes()
WEIGHTS = (MODEL / "diffusion_pytorch_model.safetensors").read_bytes()
HEAD = WEIGHTS[:4000]


@given(config=st.one_of(st.just(CONFIG), spoilt(CONFIG)), head=st.one_of(st.just(HEAD), spoilt(HEAD)))
@fuzzed(100)
def test_any_model_is_described_or_refused(tmp_path, config, head):
    (tmp_path / "config.json").write_bytes(config)
    (tmp_path / "diffusion_pytorch_model.safetensors").write_bytes(head + WEIGHTS[len(HEAD) :])
    read_or_refused(read_contents, tmp_path, "vae")


def test_the_smoke_config_itself_is_no_mistake():
    assert load_config(smoke_config()).dataset.name == "smoke"
