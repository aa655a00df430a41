"""What tells that somebody else's images have changed: noticed in time, and nothing else noticed."""

import itertools
import os
from pathlib import Path

import pytest
from PIL import Image
from pydantic import TypeAdapter
from tests.helpers.small_datasets import built, paint, planned

from retort.base.errors import RetortError
from retort.config.schema.data import AnyDataset
from retort.data.classes import contents_stamp
from retort.data.layouts.cifar import ARCHIVES
from retort.data.layouts.fashion_mnist import FILES
from retort.data.layouts.listing import image_names
from retort.data.manifest import read_made_of
from retort.data.stamps import stamp_of
from retort.parts.layouts.digits import Digits
from retort.parts.layouts.fashion_mnist import FashionMnist

OLD = 1_500_000_000  # clocks of file systems are coarse
TENCH, BIRD, MACHINE = "n01440764", "n02012849", "n03126707"
DEVKIT = {"ground_truth": "truth.txt"}
SHARDS = [f"data/train-0000{i}-of-00002.parquet" for i in range(2)]
BATCHES = [f"{ARCHIVES['cifar10'].folder}/{name}" for name in ARCHIVES["cifar10"].members]
CATEGORIES = "/a/airfield 0\n/b/bar 1\n/c/cafe 2\n"

# name: kind, keys of the config, images of the two wanted classes, other files that are read, files that are not
LAYOUTS = {
    "folders": ("folder", {}, ["cat/0.png", "dog/0.png"], [], ["cow/0.png", "cat/note.txt"]),
    "splits": ("folder", {}, [f"{s}/{c}/0.png" for s in ("train", "val") for c in ("cat", "dog")], [], ["train/x.png"]),
    "wnids": (
        "imagenet",
        {},
        [f"{s}/{c}/0.JPEG" for s in ("train", "val") for c in (TENCH, BIRD)],
        [],
        [f"train/{MACHINE}/0.JPEG"],
    ),
    "devkit": (
        "imagenet",
        DEVKIT,
        [f"train/{TENCH}/0.JPEG", f"train/{BIRD}/0.JPEG", "val/ILSVRC2012_val_00000001.JPEG"],
        ["truth.txt", "meta.mat"],
        ["readme.txt"],
    ),
    "tiny": (
        "tiny-imagenet",
        {},
        [f"train/{TENCH}/images/0.JPEG", f"train/{BIRD}/images/0.JPEG", "val/images/val_0.JPEG"],
        ["val/val_annotations.txt", "wnids.txt", "words.txt"],
        [f"train/{TENCH}/boxes.txt", "test/images/0.JPEG"],
    ),
    "places": (
        "places365",
        {},
        ["data_256/a/airfield/0.jpg", "data_256/b/bar/0.jpg", "val_256/Places365_val_00000001.jpg"],
        ["categories_places365.txt", "places365_val.txt"],
        ["data_256/c/cafe/0.jpg"],
    ),
    "hub folder": (
        "huggingface",
        {"format": "imagefolder"},
        [f"data/{s}/{c}/0.png" for s in ("train", "test") for c in ("cat", "dog")],
        [],
        ["README.md"],
    ),
    "hub shards": ("huggingface", {}, [], SHARDS, ["README.md"]),
    "idx": ("fashion-mnist", {}, [], [f"{name}.gz" for name in FILES], ["readme.md"]),
    "packed": ("cifar10", {}, [], [ARCHIVES["cifar10"].file], ["readme.html"]),
    "unpacked": ("cifar10", {}, [], BATCHES, [f"{ARCHIVES['cifar10'].folder}/readme.html"]),
}
CLASSES = {"imagenet": [TENCH, BIRD], "tiny-imagenet": [TENCH, BIRD], "places365": ["airfield", "bar"]}
CLASSES |= {
    "fashion-mnist": ["bag", "coat"],
    "cifar10": ["cat", "dog"],
    "folder": ["cat", "dog"],
    "huggingface": ["cat", "dog"],
}
IN_FOLDERS = [name for name, (_, _, images, _, _) in LAYOUTS.items() if images]


def laid_out(root: Path, layout: str) -> None:
    """Files of these names, all of them old."""
    _, _, *parts = LAYOUTS[layout]
    for name in itertools.chain(*parts):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(CATEGORIES if name.startswith("categories") else "something")
    for path in [root, *root.rglob("*")]:
        os.utime(path, (OLD, OLD))


def stamp(root: Path, layout: str, watch: str | None = None) -> str | None:
    kind, keys, images, _, _ = LAYOUTS[layout]
    keys = {"kind": kind, "path": str(root), "name": "mine", "resolution": 8} | keys
    keys |= {"watch": watch} if watch and images else {}
    keys |= {"ground_truth": str(root / keys["ground_truth"])} if "ground_truth" in keys else {}
    return contents_stamp(TypeAdapter(AnyDataset).validate_python(keys), CLASSES[kind])


def rewrite(path: Path, content: str = "different") -> None:
    """In place, as long as before."""
    assert len(content) == path.stat().st_size
    path.write_text(content)


def lengthen(path: Path) -> None:
    """In place, and with the old time, as a careless copy would."""
    with open(path, "a") as handle:
        handle.write("\n")
    os.utime(path, (OLD, OLD))


def add(path: Path) -> None:
    path.with_stem("another").write_text("something")


def files_of(part: int, layouts=LAYOUTS):
    return [pytest.param(name, file, id=f"{name}-{file}") for name in layouts for file in LAYOUTS[name][part]]


@pytest.mark.parametrize("change", [rewrite, lengthen])
@pytest.mark.parametrize(("layout", "file"), files_of(2))
def test_a_changed_image_is_noticed_where_images_are_watched(tmp_path, layout, file, change):
    laid_out(tmp_path, layout)
    watched, by_folder = stamp(tmp_path, layout, "images"), stamp(tmp_path, layout, "folders")
    assert stamp(tmp_path, layout, "images") == watched
    change(tmp_path / file)
    assert stamp(tmp_path, layout, "images") != watched
    assert stamp(tmp_path, layout, "folders") == by_folder


@pytest.mark.parametrize("watch", ["images", "folders"])
@pytest.mark.parametrize("change", [add, Path.unlink])
@pytest.mark.parametrize(("layout", "file"), files_of(2))
def test_an_image_more_or_less_is_noticed_always(tmp_path, layout, file, change, watch):
    laid_out(tmp_path, layout)
    before = stamp(tmp_path, layout, watch)
    change(tmp_path / file)
    assert stamp(tmp_path, layout, watch) not in (before, None)


@pytest.mark.parametrize("change", [lengthen, os.utime])
@pytest.mark.parametrize(("layout", "file"), files_of(3))
def test_a_changed_archive_or_table_is_noticed_always(tmp_path, layout, file, change):
    laid_out(tmp_path, layout)
    before = stamp(tmp_path, layout, "folders")
    change(tmp_path / file)
    assert stamp(tmp_path, layout, "folders") not in (before, None)


@pytest.mark.parametrize("change", [lengthen, os.utime])
@pytest.mark.parametrize(("layout", "file"), files_of(4))
def test_a_file_that_is_not_read_does_not_count(tmp_path, layout, file, change):
    laid_out(tmp_path, layout)
    before = stamp(tmp_path, layout, "images")
    change(tmp_path / file)
    assert before is not None
    assert stamp(tmp_path, layout, "images") == before


@pytest.mark.parametrize("layout", IN_FOLDERS)
def test_data_sets_of_a_million_images_are_watched_by_folder_unless_told_otherwise(tmp_path, layout):
    laid_out(tmp_path, layout)
    watch = "folders" if LAYOUTS[layout][0] in ("imagenet", "places365") else "images"
    assert stamp(tmp_path, layout) == stamp(tmp_path, layout, watch)


def test_a_link_that_leads_nowhere_is_noticed_when_it_leads_somewhere(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "0.png").symlink_to(tmp_path / "elsewhere.png")
    before = stamp_of([tmp_path / "images"], within=True)
    (tmp_path / "elsewhere.png").write_text("something")
    assert stamp_of([tmp_path / "images"], within=True) != before
    assert stamp_of([tmp_path / "nowhere"]) is None


def test_images_that_are_installed_with_the_software_do_not_change():
    assert contents_stamp(Digits(kind="digits"), ["0", "1"]) is not None
    assert contents_stamp(FashionMnist(kind="fashion-mnist"), ["bag", "coat"]) is not None


def test_a_manifest_differs_when_an_image_does_though_names_and_sizes_stay(tmp_path):
    """Else a run that is cut off right after it would take its unchanged bytes for unchanged images."""
    for file in LAYOUTS["splits"][2]:
        paint(tmp_path / "data" / file, 10)
    plan = planned("folder", tmp_path / "data")
    images = built(plan, tmp_path / "out")
    manifest = tmp_path / "out" / "manifest.parquet"
    content, stamp = manifest.read_bytes(), plan.contents_stamp()
    assert read_made_of(manifest) == {"data": stamp}
    assert read_made_of(tmp_path / "nowhere") == {}
    built(plan, tmp_path / "out")
    assert manifest.read_bytes() == content
    paint(tmp_path / "data" / LAYOUTS["splits"][2][0], 200)
    assert built(plan, tmp_path / "out").equals(images)
    assert manifest.read_bytes() != content
    assert read_made_of(manifest)["data"] != stamp


def test_a_name_that_is_no_utf8_is_watched_and_then_refused_by_name(tmp_path):
    """As of a zip made on an old Windows."""
    places = [tmp_path / "cat", tmp_path / "dog"]
    for place in places:
        place.mkdir()
        Image.new("RGB", (4, 4)).save(place / "x.png")
    before = stamp_of(places, within=True)
    (places[0] / "x.png").rename(os.fsdecode(os.fsencode(places[0]) + b"/caf\xe9.png"))
    assert stamp_of(places, within=True) != before
    with pytest.raises(RetortError, match=r"cat: 'caf\\udce9.png' have names that are not UTF-8"):
        image_names(places[0])
