"""Sets whose images are one archive: equal to sets of files in all that is made of them, and never half whole."""

import os
import re
import shutil
import signal
import tracemalloc
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import get_args

import datasets
import numpy as np
import pytest
from PIL import Image
from tests.helpers.birds import SIDE, STEPS, label, make_home, members, save_set, train

from retort.artifacts.sets import COLUMNS, MANIFEST, read_set, stream_set
from retort.base.errors import Corrupt
from retort.base.files import read_rows, write_rows
from retort.config.schema.sets import Sets
from retort.data import streams
from retort.data.stores import ARCHIVE, STORES, StoredImages, storing
from retort.running.corrupt import corrupt_input
from retort.stages.pictures.draw_contact_sheet import draw_contact_sheet
from retort.stages.pictures.draw_gallery import draw_gallery
from retort.stages.sets import write_set as write_stage
from retort.stages.sets.export_set import export_set

BESIDE = ["card.md", "class_map.txt", "classes.csv", "manifest.csv", "provenance.json"]


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """Birds, with the sets "files" and "packed": the same six images in both forms."""
    home = make_home(tmp_path_factory.mktemp("birds"))
    save_set(home, "two", "files", copy=True)
    save_set(home, "two", "packed", copy=True, store="zip")
    return home


@pytest.fixture
def packed(home, tmp_path) -> Path:
    """One to damage."""
    return shutil.copytree(home / "packed", tmp_path / "packed")


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """Nothing of a test is left in the cache of whoever runs it."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.fixture
def many(monkeypatch) -> list[int]:
    """Six images count as many; the numbers of processes that were started to read them."""
    started, read = [], streams._read_by_workers
    monkeypatch.setattr(streams, "FEW", 2)
    monkeypatch.setattr("retort.artifacts.sets.TOGETHER", 2)

    def spied(reader, batches, share, pin):
        started.append(share.readers)
        return read(reader, batches, share, pin)

    monkeypatch.setattr(streams, "_read_by_workers", spied)
    return started


def below(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


# ---------------------------------------------------------------- what is written


def test_an_archive_has_the_very_files_of_the_other_form_and_a_handful_of_others_lie_beside_it(home):
    files, packed = below(home / "files"), below(home / "packed")
    assert sorted(packed) == sorted([*BESIDE, ARCHIVE])
    inside = members(home / "packed" / ARCHIVE)
    assert len([name for name in inside if name.endswith(".png")]) == 6
    assert inside == {name: content for name, content in files.items() if name not in BESIDE}
    for name in ("manifest.csv", "classes.csv", "class_map.txt"):
        assert packed[name] == files[name]


def test_members_are_stored_as_they_are_in_the_order_of_the_manifest(home):
    with zipfile.ZipFile(home / "packed" / ARCHIVE) as archive:
        entries = archive.infolist()
    listed = [row["file"] for row in read_rows(home / "packed" / MANIFEST)]
    assert [entry.filename for entry in entries] == [*listed, "metadata.csv"]
    assert {entry.compress_type for entry in entries} == {zipfile.ZIP_STORED}


def test_equal_sets_are_equal_archives_whenever_they_were_written(home, monkeypatch):
    before = (home / "packed" / ARCHIVE).read_bytes()
    monkeypatch.setattr("time.time", lambda: 2e9)
    os.umask(os.umask(0o077))
    save_set(home, "two", "again", copy=True, store="zip")
    assert (home / "again" / ARCHIVE).read_bytes() == before
    with zipfile.ZipFile(home / "again" / ARCHIVE) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_images_go_to_disk_as_they_come(tmp_path):
    """Or a set of any size would be held in memory until its archive is closed."""
    content, sizes = bytes(100_000), []
    with storing(tmp_path, "zip") as put:
        for number in range(5):
            put(f"a/{number}.png", content)
            sizes.append((tmp_path / ARCHIVE).stat().st_size)
    assert all(size > 90_000 * (number + 1) for number, size in enumerate(sizes))


def test_the_full_set_has_no_archive_whatever_the_form(home):
    save_set(home, "full", "whole", copy=False, store="zip")
    assert sorted(below(home / "whole")) == ["card.md", "manifest.csv", "provenance.json"]


def test_the_forms_of_the_config_are_those_that_can_be_written():
    assert set(get_args(Sets.model_fields["store"].annotation)) == set(STORES)


def test_a_killed_write_leaves_no_set_and_the_next_one_is_whole(home, tmp_path, monkeypatch):
    for name in ("classes.csv", "manifest.parquet", "two.csv"):
        shutil.copy(home / name, tmp_path / name)
    child = os.fork()
    if child == 0:
        saved, left = write_stage._saved, iter(range(4))

        def killed(*given):
            if next(left, None) is None:
                os.kill(os.getpid(), signal.SIGKILL)
            return saved(*given)

        write_stage._saved = killed
        save_set(tmp_path, "two", "packed", copy=True, store="zip")
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)
    assert not (tmp_path / "packed").exists()
    save_set(tmp_path, "two", "packed", copy=True, store="zip")
    assert (tmp_path / "packed" / ARCHIVE).read_bytes() == (home / "packed" / ARCHIVE).read_bytes()
    assert [p.name for p in tmp_path.iterdir() if p.name.endswith(".part")] == []


@pytest.mark.parametrize("store", list(STORES))
def test_a_disk_that_fills_up_leaves_the_set_before_it(packed, home, monkeypatch, store):
    before, saved, left = below(packed), write_stage._saved, iter(range(4))

    def full(*given):
        if next(left, None) is None:
            raise OSError(28, "No space left on device")
        return saved(*given)

    monkeypatch.setattr(write_stage, "_saved", full)
    for name in ("classes.csv", "manifest.parquet", "two.csv"):
        shutil.copy(home / name, packed.parent / name)
    with pytest.raises(OSError, match="No space left"):
        save_set(packed.parent, "two", "packed", copy=True, store=store)
    assert below(packed) == before
    assert [p.name for p in packed.parent.iterdir() if p.name.endswith(".part")] == []


# ---------------------------------------------------------------- what is read


@pytest.mark.parametrize("threads", [1, 2])
def test_both_forms_have_the_same_pixels_and_labels_however_many_read(home, many, threads):
    expected, labels = read_set(home / "files", None)
    assert many == []
    rows = [int(row["row"]) for row in read_rows(home / "files" / MANIFEST)]
    for name in ("files", "packed"):
        pixels, found = read_set(home / name, None, threads=threads)
        np.testing.assert_array_equal(pixels, expected)
        np.testing.assert_array_equal(found, labels)
        for pixel, row in zip(pixels, rows, strict=True):
            np.testing.assert_array_equal(pixel, np.asarray(Image.open(home / f"{row}.png")))
    assert many == ([] if threads == 1 else [2, 2])


@pytest.mark.parametrize("threads", [1, 2])
def test_both_forms_give_the_same_squares_of_another_side(home, many, threads):
    files = [row["file"] for row in read_rows(home / "files" / MANIFEST)][::-1]
    both = [np.stack(list(stream_set(home / name, files, threads, side=5))) for name in ("files", "packed")]
    assert both[0].shape == (6, 5, 5, 3)
    np.testing.assert_array_equal(*both)
    assert len({square.tobytes() for square in both[0]}) == 6


def test_an_archive_is_read_in_part(home):
    for name in ("files", "packed"):
        pixels, labels = read_set(home / name, None, classes=2, most=1)
        np.testing.assert_array_equal(pixels, read_set(home / "files", None)[0][[0, 2]])
        assert labels.tolist() == [0, 1]


def test_no_image_of_the_archive_is_read_but_those_that_are_asked_for(home, monkeypatch):
    asked, read = [], zipfile.ZipFile.read
    monkeypatch.setattr(zipfile.ZipFile, "read", lambda self, name: asked.append(name) or read(self, name))
    read_set(home / "packed", None, classes=1, most=1)
    assert set(asked) == {"wren/00000.png"}


@pytest.mark.parametrize("store", list(STORES))
def test_reading_a_set_holds_its_pixels_once_and_a_batch(tmp_path, store):
    side, rows = 64, []
    with storing(tmp_path, store) as put:
        for number in range(200):
            put(f"0/{number:05d}.png", png(side, side))
            rows.append(dict.fromkeys(COLUMNS, "") | {"file": f"0/{number:05d}.png", "class_index": 0, "index": number})
    write_rows(tmp_path / MANIFEST, COLUMNS, rows)
    read_set(tmp_path, None, most=1)  # imports
    tracemalloc.start()
    try:
        pixels, _ = read_set(tmp_path, None)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert pixels.nbytes == 200 * side * side * 3
    assert pixels.nbytes <= most < 1.5 * pixels.nbytes


def test_teachers_label_both_forms_alike_and_students_learn_the_same(home, tmp_path):
    both = {}
    for name in ("files", "packed"):
        labels = label(home, name, "region", STEPS, tmp_path / f"{name}.safetensors")
        students = train(home, "region", name, seeds=2, labels=labels, readers=2)
        for student in students:
            del student["method"]
        both[name] = labels.read_bytes(), students
    assert both["files"] == both["packed"]


def test_exports_and_pictures_of_both_forms_are_the_same_files(home, tmp_path):
    table, split = str(home / "classes.csv"), str(home / "manifest.parquet")
    for name in ("files", "packed"):
        place, made = str(home / name), tmp_path / name
        outputs = [str(made / file) for file in ("train.parquet", "croissant.json")]
        export_set(place, table, str(home / "teacher"), *outputs, origin={"dataset": "birds"})
        draw_contact_sheet(place, None, split, table, str(made / "sheet.png"), most_classes=3, side=SIDE, title="two")
        draw_gallery([place], ["two"], split, table, str(made / "gallery.png"), most_classes=3, side=SIDE)
    assert sorted(below(tmp_path / "files")) == ["croissant.json", "gallery.png", "sheet.png", "train.parquet"]
    for name in ("files", "packed"):  # which is what the set's method is called here
        described = tmp_path / name / "croissant.json"
        described.write_text(described.read_text().replace(name, "two"))
    assert below(tmp_path / "files") == below(tmp_path / "packed")


# ---------------------------------------------------------------- damage


def cut(archive: Path) -> None:
    archive.write_bytes(archive.read_bytes()[:-30])


def halved(archive: Path) -> None:
    content = archive.read_bytes()
    archive.write_bytes(content[: len(content) // 2])


def emptied(archive: Path) -> None:
    archive.write_bytes(b"")


def foreign(archive: Path) -> None:
    archive.write_bytes(b"PK\3\4" + bytes(range(256)) * 20)


def with_members(edit: Callable[[dict[str, bytes]], object]) -> Callable[[Path], None]:
    """A whole archive of other members."""

    def damage(archive: Path) -> None:
        held = members(archive)
        edit(held)
        with storing(archive.parent, "zip") as put:
            for name, content in held.items():
                put(name, content)

    return damage


def png(width: int, height: int) -> bytes:
    content = BytesIO()
    Image.new("RGB", (width, height)).save(content, "PNG")
    return content.getvalue()


def overwritten(archive: Path) -> None:
    """Other bytes in the middle of a member, as where a copy left a hole."""
    with zipfile.ZipFile(archive) as opened:
        entry = opened.getinfo("robin/00001.png")
    with archive.open("r+b") as handle:
        handle.seek(entry.header_offset + 30 + len(entry.filename) + entry.file_size // 2)
        handle.write(bytes(8))


ROBIN = "robin/00001.png"
DAMAGE = {
    "cut": (cut, ["holds an archive that cannot be read", f"{ARCHIVE}: no whole zip archive"]),
    "halved": (halved, ["holds an archive that cannot be read", f"{ARCHIVE}: no whole zip archive"]),
    "emptied": (emptied, ["holds an archive that cannot be read", f"{ARCHIVE}: no whole zip archive"]),
    "foreign": (foreign, ["holds an archive that cannot be read", f"{ARCHIVE}: no whole zip archive"]),
    "gone": (Path.unlink, ["lacks wren/00000.png (6 missing), and has no images.zip"]),
    "a hole": (overwritten, [f"{ARCHIVE}/{ROBIN}", "Bad CRC-32"]),
    "a member less": (with_members(lambda held: held.pop(ROBIN)), [f"lacks {ROBIN} (1 missing)"]),
    "a text": (with_members(lambda held: held.update({ROBIN: b"words"})), [f"{ARCHIVE}/{ROBIN}: cannot identify"]),
    "nothing": (with_members(lambda held: held.update({ROBIN: b""})), [f"{ARCHIVE}/{ROBIN}: empty file"]),
    "half a PNG": (
        with_members(lambda held: held.update({ROBIN: held[ROBIN][: len(held[ROBIN]) // 2]})),
        [f"{ARCHIVE}/{ROBIN}", "truncated"],
    ),
    "another size": (
        with_members(lambda held: held.update({ROBIN: png(SIDE + 1, SIDE)})),
        [f"{ROBIN}: {SIDE + 1} x {SIDE} pixels where the first image has {SIDE} x {SIDE}"],
    ),
}


@pytest.mark.parametrize(("case", "threads"), [*((case, 1) for case in DAMAGE), ("a hole", 2), ("another size", 2)])
def test_damage_is_one_line_that_names_the_set_and_what_is_wrong_in_it(packed, many, case, threads):
    damage, words = DAMAGE[case]
    damage(packed / ARCHIVE)
    with pytest.raises(Corrupt) as caught:
        read_set(packed, None, threads=threads)
    told = str(caught.value)
    assert told.startswith(f"{packed} ")
    assert told.endswith("delete it and run again: it will be rebuilt")
    assert "\n" not in told
    for word in words:
        assert word in told


@pytest.mark.parametrize("case", [case for case in DAMAGE if case != "another size"])
def test_an_export_names_the_same_damage_and_leaves_nothing(packed, home, tmp_path, case):
    damage, words = DAMAGE[case]
    damage(packed / ARCHIVE)
    outputs = [str(tmp_path / "e" / name) for name in ("x", "croissant.json")]
    with pytest.raises(Corrupt) as caught:
        export_set(str(packed), str(home / "classes.csv"), str(home / "teacher"), *outputs, origin={})
    for word in words:
        assert word in str(caught.value)
    assert not (tmp_path / "e").exists() or list((tmp_path / "e").iterdir()) == []


@pytest.mark.parametrize("case", ["cut", "halved", "a hole", "a text", "half a PNG"])
def test_a_job_that_stumbles_elsewhere_finds_a_damaged_archive_among_its_inputs(packed, case):
    assert corrupt_input([str(packed)]) is None
    DAMAGE[case][0](packed / ARCHIVE)
    told = corrupt_input([str(packed)])
    assert f"its input {packed} is corrupt: {ARCHIVE} is not whole" in told
    assert (ROBIN in told) == (case not in ("cut", "halved"))


def test_an_archive_that_the_disk_refuses_is_not_called_damaged(packed, monkeypatch):
    """Or a failing network would be answered by the advice to delete the set."""

    def refused(*_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(zipfile, "ZipFile", refused)
    with pytest.raises(OSError, match="Input/output error"):
        read_set(packed, None)


@pytest.mark.parametrize("name", ["../outside.png", "/etc/hostname", "wren/../../outside.png", ""])
def test_a_manifest_that_leads_out_of_the_set_is_refused_though_the_archive_has_such_a_member(packed, name):
    with_members(lambda held: held.update({name or "x": held[ROBIN]}))(packed / ARCHIVE)
    rows = read_rows(packed / MANIFEST)
    write_rows(packed / MANIFEST, list(rows[0]), [rows[0] | {"file": name}, *rows[1:]])
    with pytest.raises(Corrupt, match=rf"names {re.escape(repr(name))}, which is no file in"):
        read_set(packed, None)


def test_nothing_of_an_open_archive_travels_to_another_process(home):
    images = StoredImages(home / "packed")
    assert images.missing(["wren/00000.png", "wren/9.png"]) == ["wren/9.png"]
    assert images.__getstate__()["_opened"] is None
    assert images._opened is not None
