"""Data sets that come in archives: CIFAR's pickles, read without running anything, and the hub's Parquet shards."""

import io
import json
import pickle
import struct
import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from tests.helpers.small_datasets import built, classes_of, planned
from torchvision.datasets import CIFAR10, CIFAR100

from retort.base.errors import RetortError
from retort.base.files import read_rows
from retort.data.imagenet import imagenet_names, subset_classes
from retort.data.layouts.cifar import ARCHIVES, archive_classes
from retort.data.unpickle import read_plain_pickle
from retort.stages.data.export_images import export_images

# ---------------------------------------------------------------- CIFAR in miniature


def batch(seed: int, labels: list[int], key: str = "labels") -> dict:
    pixels = np.random.default_rng(seed).integers(0, 256, (len(labels), 3072), dtype=np.uint8)
    return {
        "batch_label": "a batch",
        key: labels,
        "data": pixels,
        "filenames": [f"{i}.png" for i in range(len(labels))],
    }


def ten() -> dict[str, dict]:
    train = {f"data_batch_{i}": batch(i, [(i + j) % 10 for j in range(4)]) for i in range(1, 6)}
    meta = {"num_cases_per_batch": 4, "label_names": list(archive_classes("cifar10")), "num_vis": 3072}
    return train | {"test_batch": batch(6, list(range(10))), "batches.meta": meta}


def hundred() -> dict[str, dict]:
    meta = {"fine_label_names": list(archive_classes("cifar100")), "coarse_label_names": ["x"] * 20}
    coarse = {"coarse_labels": [0] * 100}
    labels = np.random.default_rng(0).permutation(100).tolist()
    return {
        "train": batch(1, labels, "fine_labels") | coarse,
        "test": batch(2, labels[::-1], "fine_labels") | coarse,
        "meta": meta,
    }


MINIATURES = {"cifar10": ten, "cifar100": hundred}


def python2(value) -> bytes:
    """`value` as a pickle that Python 2 might have written, protocol 2: texts and bytes are both its byte strings."""

    def text(raw: bytes) -> bytes:
        return b"T" + struct.pack("<i", len(raw)) + raw

    def put(value) -> bytes:
        if isinstance(value, dict):
            return b"}(" + b"".join(put(k) + put(v) for k, v in value.items()) + b"u"
        if isinstance(value, list):
            return b"](" + b"".join(map(put, value)) + b"e"
        if isinstance(value, int):
            return b"J" + struct.pack("<i", value)
        if isinstance(value, str):
            return text(value.encode())
        empty = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n" + put(0) + b"\x85" + text(b"b") + b"\x87R"
        kind = b"cnumpy\ndtype\n" + text(b"u1") + put(0) + put(1) + b"\x87R"
        kind += b"(" + put(3) + text(b"|") + b"NNN" + put(-1) + put(-1) + put(0) + b"tb"
        shape = put(value.shape[0]) + put(value.shape[1]) + b"\x86"
        return empty + b"(" + put(1) + shape + kind + b"\x89" + text(value.tobytes()) + b"tb"

    return b"\x80\x02" + put(value) + b"."


WRITERS = {"python 2": python2, "python 3": lambda value: pickle.dumps(value, protocol=2), "new": pickle.dumps}


def unpacked(root: Path, kind: str, write=python2, **spoilt: bytes) -> Path:
    folder = root / ARCHIVES[kind].folder
    folder.mkdir(parents=True)
    for name, content in MINIATURES[kind]().items():
        (folder / name).write_bytes(spoilt.get(name) or write(content))
    return folder


def packed(root: Path, kind: str, write=python2, **spoilt: bytes) -> Path:
    path = root / ARCHIVES[kind].file
    with tarfile.open(path, "w:gz") as archive:
        folder = unpacked(root / "unpacked", kind, write, **spoilt)
        archive.add(folder, folder.name)
    return path


def exported(plan, folder: Path) -> Path:
    export_images(str(folder), plan.dataset.layout(), plan.classes)
    return folder


def stored(folder: Path) -> dict[str, np.ndarray]:
    return {str(p.relative_to(folder)): np.asarray(Image.open(p)) for p in sorted(folder.rglob("*.png"))}


# ---------------------------------------------------------------- CIFAR


@pytest.mark.parametrize("written_by", WRITERS)
@pytest.mark.parametrize(("kind", "stock"), [("cifar10", CIFAR10), ("cifar100", CIFAR100)])
def test_cifar_is_written_out_as_torchvision_reads_it(tmp_path, monkeypatch, kind, stock, written_by):
    path = packed(tmp_path, kind, WRITERS[written_by])
    images = stored(exported(planned(kind, path), tmp_path / "images"))
    monkeypatch.setattr(stock, "_check_integrity", lambda self: True)
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda *whatever: True)
    expected = {}
    for split in ("train", "val"):
        reference = stock(tmp_path / "unpacked", train=split == "train")
        for row, (pixels, label) in enumerate(zip(reference.data, reference.targets, strict=True)):
            expected[f"{split}/{reference.classes[label]}/{row:05d}.png"] = pixels
    assert images.keys() == expected.keys()
    assert all(np.array_equal(images[name], expected[name]) for name in expected)


@pytest.mark.parametrize("make", [packed, unpacked])
@pytest.mark.parametrize("named", ["itself", "by what holds it"])
def test_archive_and_folder_may_be_named_themselves_or_by_what_holds_them(tmp_path, make, named):
    (tmp_path / "x").mkdir()
    path = make(tmp_path / "x", "cifar10")
    plan = planned("cifar10", path if named == "itself" else path.parent)
    assert len(stored(exported(plan, tmp_path / "images"))) == 30
    assert plan.contents_stamp()


def test_cifar_goes_all_the_way_to_a_manifest_in_the_archives_order(tmp_path):
    plan = planned("cifar100", packed(tmp_path, "cifar100"))
    images = built(plan, tmp_path / "out", exported(plan, tmp_path / "images"))
    assert images.groupby("split").size().to_dict() == {"train": 100, "val": 100}
    assert classes_of(tmp_path / "out")[:2] == [("0", "apple", "apple"), ("1", "aquarium_fish", "aquarium fish")]
    assert images["class_id"].tolist() == list(archive_classes("cifar100")) * 2


def test_some_classes_of_cifar_are_the_same_files(tmp_path):
    path = packed(tmp_path, "cifar10")
    every = stored(exported(planned("cifar10", path), tmp_path / "all"))
    some = stored(exported(planned("cifar10", path, classes=["truck", "cat"]), tmp_path / "some"))
    assert list(some) == [name for name in every if name.split("/")[1] in ("cat", "truck")]
    with pytest.raises(RetortError, match=r"cifar10 has no class lorry; it has airplane, .* and 2 more"):
        planned("cifar10", path, classes=["truck", "lorry"])


def test_labels_follow_the_names_in_the_archive_not_their_order(tmp_path):
    """Were an archive to list its classes otherwise, its own list would count."""
    names = list(archive_classes("cifar10"))[::-1]
    path = packed(tmp_path, "cifar10", **{"batches.meta": python2({"label_names": names})})
    images = stored(exported(planned("cifar10", path), tmp_path / "images"))
    assert [name for name in images if name.startswith("val/")] == sorted(
        f"val/{name}/{row:05d}.png" for row, name in enumerate(names)
    )


def test_archive_that_differs_from_the_published_one_is_used_with_a_warning(tmp_path, capsys):
    exported(planned("cifar10", packed(tmp_path, "cifar10")), tmp_path / "images")
    assert "the published cifar-10-python.tar.gz c58f30108f718f92721af3b95e74349a" in capsys.readouterr().out


def test_published_digests_and_members_are_those_of_torchvision():
    for kind, stock in (("cifar10", CIFAR10), ("cifar100", CIFAR100)):
        archive = ARCHIVES[kind]
        assert (archive.file, archive.folder, archive.md5) == (stock.filename, stock.base_folder, stock.tgz_md5)
        assert list(archive.train) == [name for name, _ in stock.train_list]
        assert [archive.val] == [name for name, _ in stock.test_list]
        assert (archive.meta, archive.names) == (stock.meta["filename"], stock.meta["key"])


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9, 0.99])
def test_archive_that_was_cut_off_is_refused_and_leaves_nothing(tmp_path, kept):
    path = packed(tmp_path, "cifar10")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(RetortError, match=r"cifar-10-python\.tar\.gz (is corrupt or cut off|lacks)"):
        exported(planned("cifar10", path), tmp_path / "images")
    assert not (tmp_path / "images").exists()


@pytest.mark.parametrize(
    ("member", "content", "message"),
    [
        ("data_batch_2", python2({"labels": [0]}), r"data_batch_2 holds no rows of 3072 bytes"),
        ("data_batch_2", python2(batch(0, [0]) | {"labels": [0, 1]}), r"data_batch_2 does not hold one label an image"),
        ("test_batch", python2(batch(0, [0, 10])), r"test_batch has labels that are no class: 10"),
        ("test_batch", python2(batch(0, [0, -1])), r"test_batch has labels that are no class: -1"),
        ("test_batch", python2([1]), r"test_batch holds no table"),
        ("test_batch", python2(batch(0, [0]))[:-50], r"test_batch is corrupt"),
        ("batches.meta", python2({"label_names": ["../x", "y"]}), r"classes in batches\.meta are not those of cifar10"),
        ("batches.meta", python2({}), r"classes in batches\.meta are not those of cifar10"),
    ],
)
def test_batches_that_are_not_what_they_should_be_are_named(tmp_path, member, content, message):
    path = packed(tmp_path, "cifar10", **{member: content})
    with pytest.raises(RetortError, match=message):
        exported(planned("cifar10", path), tmp_path / "images")


def test_missing_archive_and_missing_batches_are_named(tmp_path):
    with pytest.raises(RetortError, match=r"dataset\.path: there is no .*nowhere; give cifar-10-python\.tar\.gz"):
        exported(planned("cifar10", tmp_path / "nowhere"), tmp_path / "images")
    folder = unpacked(tmp_path, "cifar10")
    (folder / "data_batch_3").unlink()
    with pytest.raises(RetortError, match=r"cifar-10-batches-py has no data_batch_3"):
        exported(planned("cifar10", folder), tmp_path / "images")
    (tmp_path / "y").mkdir()
    wrong = packed(tmp_path / "y", "cifar10")
    with pytest.raises(RetortError, match=r"lacks train, test, meta; it is cut off, or not cifar-100-python"):
        exported(planned("cifar100", wrong), tmp_path / "images")


def test_names_in_an_archive_never_become_paths_and_links_are_not_followed(tmp_path):
    path, secret = packed(tmp_path, "cifar10"), tmp_path / "secret"
    secret.write_bytes(python2(batch(0, [0])))
    with tarfile.open(path, "w:gz") as archive:
        for name in ("../escaped", f"{tmp_path}/escaped", "cifar-10-batches-py/../../escaped"):
            archive.addfile(tarfile.TarInfo(name))
        for name in ARCHIVES["cifar10"].members:
            link = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, str(secret)
            archive.addfile(link)
    with pytest.raises(RetortError, match=r"lacks data_batch_1"):
        exported(planned("cifar10", path), tmp_path / "images")
    assert not list(tmp_path.rglob("escaped"))


# ---------------------------------------------------------------- pickles


class Evil:
    def __init__(self, call, *arguments):
        self.reduced = call, arguments

    def __reduce__(self):
        return self.reduced


def evil_pickles(touched: Path) -> dict[str, bytes]:
    import os

    return {
        "os.system": pickle.dumps(Evil(os.system, f"touch {touched}")),
        "eval": pickle.dumps(Evil(eval, f"open({str(touched)!r}, 'w')")),
        "getattr": pickle.dumps(Evil(getattr, np.ndarray, "tofile")),
        "numpy.load": b"cnumpy\nload\n(Vx\ntR.",
        "nested": pickle.dumps({"labels": [0], "data": [Evil(os.system, f"touch {touched}")]}),
        "dotted": b"\x80\x04\x8c\x05numpy\x8c\x11ndarray.__class__\x93.",
        "instance": f"(cos\nsystem\n(Vtouch {touched}\nios\nsystem\n.".encode(),
        "outside": b"Px\n.",
        "extension": b"\x80\x02\x82\x01.",
        "encode": b"c_codecs\nencode\n(Vx\nVrot13\ntR.",
    }


@pytest.mark.parametrize("how", evil_pickles(Path("x")))
def test_pickles_that_ask_for_anything_but_plain_data_are_refused_before_it_runs(tmp_path, how):
    with pytest.raises(RetortError, match=r"batch is corrupt, or no batch of images: "):
        read_plain_pickle(evil_pickles(tmp_path / "touched")[how], "batch")
    assert not (tmp_path / "touched").exists()


def test_evil_pickle_inside_an_archive_is_refused(tmp_path):
    evil = evil_pickles(tmp_path / "touched")["os.system"]
    with pytest.raises(RetortError, match=r"data_batch_1 is corrupt.*it asks for \w+\.system"):
        exported(planned("cifar10", packed(tmp_path, "cifar10", data_batch_1=evil)), tmp_path / "images")
    assert not (tmp_path / "touched").exists()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_data_are_read_from_every_protocol(protocol):
    value = {"data": np.arange(12, dtype=np.uint8).reshape(3, 4), "labels": [1, 2], "raw": b"\x00\xff", "name": "ä"}
    if protocol == 5:  # numpy hands its memory over by a function of its own there; no published archive is so new
        value.pop("data")
    found = read_plain_pickle(pickle.dumps(value, protocol=protocol), "batch")
    assert found.keys() == value.keys()
    assert all(np.array_equal(found[key], value[key]) for key in value)


# ---------------------------------------------------------------- Parquet


def encoded(shade: int, kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (shade,) * 3).save(buffer, kind)
    return buffer.getvalue()


KINDS = {"PNG": ".png", "JPEG": ".jpg", "WEBP": ".webp", "GIF": ".gif", "BMP": ".bmp", "TIFF": ".tif"}
NAMES = ["tench", "crane / bird", "crane"]


def shard(path: Path, rows: list[tuple[bytes | None, int]], names: list[str] = NAMES, **more) -> None:
    """A shard as the hub writes it: a struct of bytes and path, an integer, and what they are in the metadata."""
    path.parent.mkdir(parents=True, exist_ok=True)
    images = [content if content is None else {"bytes": content, "path": "../../evil.png"} for content, _ in rows]
    columns = {
        "label": pa.array([label for _, label in rows], pa.int64()),
        "image": pa.array(images, pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
    }
    features = {"image": {"_type": "Image"}, "label": {"names": names, "_type": "ClassLabel"}} | more
    for extra in more:
        columns[extra] = columns["label"]
    table = pa.table(columns)
    about = {"huggingface": json.dumps({"info": {"features": features}})}
    pq.write_table(table.replace_schema_metadata(about), path, row_group_size=2)


TRAIN_ROWS = [(encoded(i, kind), i % 3) for i, kind in enumerate([*KINDS, "PNG"])]
VAL_ROWS = [(encoded(100 + i, "PNG"), 2 - i % 3) for i in range(4)]


def hub(root: Path, val: str | None = "validation", names: list[str] = NAMES, **more) -> Path:
    shard(root / "data/train-00000-of-00002.parquet", TRAIN_ROWS[:4], names, **more)
    shard(root / "data/train-00001-of-00002.parquet", TRAIN_ROWS[4:], names, **more)
    if val:
        shard(root / f"data/{val}-00000-of-00001.parquet", VAL_ROWS, names, **more)
    return root


@pytest.mark.parametrize("val", ["validation", "test"])
def test_shards_are_written_out_byte_for_byte_under_the_labels_names(tmp_path, val):
    plan = planned("huggingface", hub(tmp_path / "data", val))
    assert plan.classes == ["tench", "crane - bird", "crane"]
    folder = exported(plan, tmp_path / "images")
    expected = {
        f"train/{plan.classes[label]}/{row:08d}{KINDS[kind]}": content
        for row, ((content, label), kind) in enumerate(zip(TRAIN_ROWS, [*KINDS, "PNG"], strict=True))
    } | {f"val/{plan.classes[label]}/{row:08d}.png": content for row, (content, label) in enumerate(VAL_ROWS)}
    found = {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    assert found == expected
    images = built(plan, tmp_path / "out", folder)
    assert len(images) == 11
    assert classes_of(tmp_path / "out")[1] == ("1", "crane - bird", "crane / bird")
    assert not list(tmp_path.rglob("evil*"))


def test_shards_without_a_validation_split_hold_some_images_out(tmp_path):
    plan = planned("huggingface", hub(tmp_path / "data", None))
    images = built(plan, tmp_path / "out", exported(plan, tmp_path / "images"))
    assert len(images) == 7
    assert set(images[images["split"] == "val"]["class_id"]) == set(plan.classes)


def test_imagenet_from_the_hub_takes_its_wnids_label_by_label(tmp_path):
    """The n-th label is the n-th of the sorted wnids, as on the hub."""
    names = [f"name {i}" for i in range(10)]
    plan = planned("huggingface", hub(tmp_path / "data", names=names), label_ids="imagenette")
    assert plan.classes[:2] == ["n01440764", "n02102040"]
    images = stored_ids(exported(plan, tmp_path / "images"))
    assert images == {f"train/{plan.classes[i]}" for i in range(10)} | {f"val/{plan.classes[i]}" for i in range(10)}
    with pytest.raises(RetortError, match=r"dataset\.label_ids: imagenet-100 has 100 classes, but .* 10"):
        planned("huggingface", tmp_path / "data", label_ids="imagenet-100")


WOOF = subset_classes("imagewoof")  # which the papers do not sort
LABELS = {
    "nothing": [f"name {i}" for i in range(10)],
    "a word": [imagenet_names()[wnid].split(", ")[0] for wnid in sorted(WOOF)],
    "a word, in another order": [imagenet_names()[wnid].split(", ")[-1].upper() for wnid in WOOF],
    "the wnid, in another order": list(reversed(WOOF)),
}


@pytest.mark.parametrize("told", LABELS)
def test_the_label_of_an_unsorted_subset_is_what_it_says_and_else_a_sorted_wnid(tmp_path, told):
    names = LABELS[told]
    plan = planned("huggingface", hub(tmp_path / "data", names=names), label_ids="imagewoof")
    assert plan.classes == list(WOOF)
    exported(plan, tmp_path / "images")
    wnids = {"a word, in another order": list(WOOF), "the wnid, in another order": names}.get(told, sorted(WOOF))
    rows = [(f"train/{wnids[label]}", f"{row:08d}") for row, (_, label) in enumerate(TRAIN_ROWS)]
    found = {(f"train/{p.parent.name}", p.stem) for p in (tmp_path / "images" / "train").glob("*/*")}
    assert found == set(rows)


@pytest.mark.parametrize(
    "names",
    [
        ["beagle", *(f"name {i}" for i in range(9))],
        ["n02096294", *(f"name {i}" for i in range(9))],
        ["n01440764", *(f"name {i}" for i in range(9))],
    ],
    ids=["another class", "another wnid", "a wnid of no class"],
)
def test_a_label_that_says_it_is_another_class_is_refused(tmp_path, names):
    with pytest.raises(RetortError, match=f"calls a label '{names[0]}', which is not {sorted(WOOF)[0]}"):
        planned("huggingface", hub(tmp_path / "data", names=names), label_ids="imagewoof")


@pytest.mark.parametrize("other", ["train-00000-of-00002-0123456789abcdef", "train-00000-of-00001", "train-new"])
def test_shards_of_two_versions_are_refused_by_name(tmp_path, other):
    plan = planned("huggingface", hub(tmp_path / "data"))
    shard(tmp_path / f"data/data/{other}.parquet", TRAIN_ROWS[:4], NAMES)
    with pytest.raises(RetortError, match=f"more than one version.*{other}"):
        exported(plan, tmp_path / "images")


def stored_ids(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.glob("*/*")}


def test_some_labels_in_another_order_are_still_the_same_images(tmp_path):
    plan = planned("huggingface", hub(tmp_path / "data"), classes=["crane", "tench"])
    folder = exported(plan, tmp_path / "images")
    assert {p.parent.name for p in folder.rglob("*.*")} == {"crane", "tench"}
    assert (folder / "val/crane/00000000.png").read_bytes() == VAL_ROWS[0][0]
    built(plan, tmp_path / "out", folder)
    assert [row["id"] for row in read_rows(tmp_path / "out/classes.csv")] == ["crane", "tench"]


def test_of_several_label_columns_one_must_be_named(tmp_path):
    root = hub(tmp_path / "data", coarse={"names": ["fish", "bird", "machine"], "_type": "ClassLabel"})
    with pytest.raises(RetortError, match=r"several label columns; set dataset\.label_column to one of label, coarse"):
        planned("huggingface", root)
    assert planned("huggingface", root, label_column="coarse").classes == ["fish", "bird", "machine"]
    with pytest.raises(RetortError, match=r"dataset\.label_column: .* no label column 'fine'; it has label, coarse"):
        planned("huggingface", root, label_column="fine")


def test_bytes_that_are_no_image_are_left_to_the_check_of_all_images(tmp_path):
    root = hub(tmp_path / "data")
    shard(root / "data/train-00001-of-00002.parquet", [(b"no image", 0), *TRAIN_ROWS[4:]])
    plan = planned("huggingface", root)
    with pytest.raises(RetortError, match=r"1 of 12 images cannot be read"):
        built(plan, tmp_path / "out", exported(plan, tmp_path / "images"))


def broken(name: str, rows: list, **keys):
    return lambda root: shard(root / "data" / name, rows, **keys)


LAST = "train-00001-of-00002.parquet"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda root: (root / "data" / LAST).unlink(), r"lacks train-00001-of-00002\.parquet; fetch the rest"),
        (broken(LAST, [(encoded(0, "PNG"), -1)]), rf"{LAST}, row 0: the label -1 is none of the 3 classes"),
        (broken(LAST, [(encoded(0, "PNG"), 0), (encoded(0, "PNG"), 3)]), rf"{LAST}, row 1: the label 3 is none"),
        (broken(LAST, [(encoded(0, "PNG"), None)]), rf"{LAST}, row 0: the label None is none"),
        (broken(LAST, [(b"", 0)]), rf"{LAST}, row 0: no bytes of an image"),
        (broken(LAST, [(None, 0)]), rf"{LAST}, row 0: no bytes of an image"),
        (broken(LAST, TRAIN_ROWS, names=NAMES[::-1]), rf"{LAST} has other columns or other names of labels"),
        (
            broken("validation-00000-of-00001.parquet", VAL_ROWS, names=[*NAMES, "x"]),
            r"validation.* other names of lab",
        ),
        (lambda root: (root / "data" / LAST).write_bytes(b"PAR1 no"), rf"{LAST} cannot be read as Parquet"),
    ],
)
def test_shards_that_do_not_fit_are_named(tmp_path, change, message):
    root = hub(tmp_path / "data")
    change(root)
    plan = planned("huggingface", root)
    with pytest.raises(RetortError, match=message):
        exported(plan, tmp_path / "images")
    assert not (tmp_path / "images").exists()


def test_shard_damaged_in_the_middle_is_named(tmp_path):
    root = hub(tmp_path / "data")
    path = root / "data" / LAST
    content = bytearray(path.read_bytes())
    content[8:60] = bytes(52)
    path.write_bytes(content)
    with pytest.raises(RetortError, match=rf"{LAST} is corrupt after row 0"):
        exported(planned("huggingface", root), tmp_path / "images")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["cat", "cat", "dog"], r"names of the labels in .*: classes named twice: cat"),
        (["cat", "a/b", "a-b"], r"classes named twice: a-b"),
        (["cat", "..", "dog"], r"'\.\.' cannot name a folder"),
        (["cat", "", "dog"], r"'' cannot name a folder"),
        (["cat", "a\nb", "dog"], r"'a\\nb' cannot name a folder"),
    ],
)
def test_labels_whose_names_cannot_be_ids_are_refused(tmp_path, names, message):
    with pytest.raises(RetortError, match=message):
        planned("huggingface", hub(tmp_path / "data", names=names))


def test_folder_without_shards_or_without_their_description_is_refused(tmp_path):
    with pytest.raises(RetortError, match=r"has no Parquet shards of a train split.*format: imagefolder"):
        planned("huggingface", tmp_path)
    pq.write_table(pa.table({"image": ["x"], "label": [0]}), tmp_path / "train-00000-of-00001.parquet")
    with pytest.raises(RetortError, match=r"expected one column of images and one of class labels.*found images: none"):
        planned("huggingface", tmp_path)
    with pytest.raises(RetortError, match=r"the shards in .* have no class cow; they have tench"):
        planned("huggingface", hub(tmp_path / "more"), classes=["tench", "cow"])


# ---------------------------------------------------------------- copies that lie or are described otherwise

TEXTS = ["cat", "dog", "ant / bee"]


def plain(path: Path, labels: list, val: bool = False, described: bool = True, **more: list) -> None:
    """A shard whose labels are values of a column and no numbers of classes; `more` are columns of images."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    first = 100 if val else 0
    images = [{"bytes": encoded(first + i, "PNG"), "path": None} for i in range(len(labels))]
    columns = {"image": pa.array(images, kind), "label": pa.array(labels)}
    columns |= {name: pa.array([{"bytes": b"mask", "path": None}] * len(labels), kind) for name in more}
    features = {"image": {"_type": "Image"}, "label": {"dtype": "string", "_type": "Value"}}
    features |= {name: {"_type": "Image"} for name in more}
    about = {"huggingface": json.dumps({"info": {"features": features}})} if described else {}
    pq.write_table(pa.table(columns).replace_schema_metadata(about), path)


def moved(root: Path, into: str, name: str = "{split}-00000-of-00001.parquet") -> Path:
    """Shards as the hub lays them out for configurations: a folder deeper."""
    for split, rows in (("train", TRAIN_ROWS), ("test", VAL_ROWS)):
        shard(root / into / name.format(split=split), rows)
    return root


@pytest.mark.parametrize(
    ("into", "name"),
    [
        ("plain_text", "{split}-00000-of-00001.parquet"),
        ("default", "{split}/0000.parquet"),
        ("fine labels", "{split}.parquet"),
        ("data", "{split}/0000.parquet"),
    ],
)
def test_the_one_folder_of_a_configuration_is_looked_into_and_named(tmp_path, capsys, into, name):
    plan = planned("huggingface", moved(tmp_path / "copy", into, name))
    assert plan.classes == ["tench", "crane - bird", "crane"]
    assert plan.contents_stamp()
    folder = exported(plan, tmp_path / "images")
    assert len(list(folder.rglob("*.*"))) == len(TRAIN_ROWS) + len(VAL_ROWS)
    assert (f"the shards lie in {tmp_path}/copy/{into}" in capsys.readouterr().out) == (into != "data")


def test_of_several_configurations_one_must_be_named(tmp_path):
    moved(moved(tmp_path, "en"), "fr")
    with pytest.raises(RetortError, match=r"holds several configurations of a data set; name one: .*/en, .*/fr"):
        planned("huggingface", tmp_path)
    assert planned("huggingface", tmp_path / "fr").classes == ["tench", "crane - bird", "crane"]


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ("train/data-00000-of-00001.arrow", "Arrow files of save_to_disk; write the splits with to_parquet"),
        ("snapshots/0123abc/data/train-00000-of-00001.parquet", "the snapshots of the hub's cache"),
        ("default/partial-train/0000.parquet", "partial-train, a part of the split"),
        ("train/00000.tar", "tar files of WebDataset"),
    ],
)
def test_what_there_is_in_the_place_of_shards_is_said(tmp_path, made, said):
    (tmp_path / made).parent.mkdir(parents=True)
    (tmp_path / made).touch()
    with pytest.raises(RetortError, match=f"has no Parquet shards of a train split.*; it has {said}"):
        planned("huggingface", tmp_path)


@pytest.mark.parametrize("described", [True, False])
def test_labels_of_text_are_the_classes_once_their_column_is_named(tmp_path, described):
    plain(tmp_path / "hub/train-00000-of-00001.parquet", ["dog", "cat", "ant / bee", "cat"], described=described)
    plain(tmp_path / "hub/test-00000-of-00001.parquet", TEXTS, val=True, described=described)
    with pytest.raises(RetortError, match=r"found labels: none; set dataset\.label_column to the one of label that"):
        planned("huggingface", tmp_path / "hub")
    plan = planned("huggingface", tmp_path / "hub", label_column="label")
    assert plan.classes == ["ant - bee", "cat", "dog"]
    folder = exported(plan, tmp_path / "images")
    assert stored_names(folder / "train") == {"dog/00000000", "cat/00000001", "ant - bee/00000002", "cat/00000003"}
    assert stored_names(folder / "val") == {"cat/00000000", "dog/00000001", "ant - bee/00000002"}
    built(plan, tmp_path / "out", folder)
    assert classes_of(tmp_path / "out")[0] == ("0", "ant - bee", "ant / bee")


def stored_names(folder: Path) -> set[str]:
    return {f"{p.parent.name}/{p.stem}" for p in folder.glob("*/*")}


def test_whole_numbers_without_names_are_classes_in_the_order_of_the_numbers(tmp_path):
    plain(tmp_path / "hub/train.parquet", [10, 9, 2, 2, 10, 9])
    plan = planned("huggingface", tmp_path / "hub", label_column="label")
    assert plan.classes == ["2", "9", "10"]
    folder = exported(plan, tmp_path / "images")
    assert stored_names(folder) == {f"{c}/{i:08d}" for i, c in enumerate([10, 9, 2, 2, 10, 9])}


def test_a_text_that_only_the_held_out_images_have_is_refused(tmp_path):
    plain(tmp_path / "hub/train.parquet", ["cat", "dog", "cat"])
    plain(tmp_path / "hub/test.parquet", ["cat", "cow"], val=True)
    plan = planned("huggingface", tmp_path / "hub", label_column="label")
    with pytest.raises(
        RetortError, match=r"test\.parquet, row 1: the label cow is none of the 2 classes, which no train"
    ):
        exported(plan, tmp_path / "images")


def test_a_column_of_other_texts_is_no_column_of_classes(tmp_path, monkeypatch):
    monkeypatch.setattr("retort.data.layouts.huggingface.MOST_TEXTS", 3)
    plain(tmp_path / "train.parquet", ["a caption", "another", "a third", "a fourth"])
    with pytest.raises(RetortError, match=r"more than 3 different values in 'label', which are no classes"):
        planned("huggingface", tmp_path, label_column="label")


def test_of_images_and_masks_one_column_must_be_named(tmp_path):
    plain(tmp_path / "hub/train.parquet", ["cat", "dog", "cat", "dog"], mask=[])
    with pytest.raises(RetortError, match=r"several image columns; set dataset\.image_column to one of image, mask"):
        planned("huggingface", tmp_path / "hub", label_column="label")
    with pytest.raises(RetortError, match=r"no image column 'masks', did you mean 'mask'\?; it has image, mask"):
        planned("huggingface", tmp_path / "hub", label_column="label", image_column="masks")
    plan = planned("huggingface", tmp_path / "hub", label_column="label", image_column="image")
    assert len(stored(exported(plan, tmp_path / "images"))) == 4


def withheld(root: Path) -> Path:
    shard(root / "train.parquet", TRAIN_ROWS)
    shard(root / "test.parquet", [(content, -1) for content, _ in VAL_ROWS])
    return root


def test_withheld_labels_of_a_split_are_said_with_the_way_out(tmp_path):
    plan = planned("huggingface", withheld(tmp_path / "hub"))
    with pytest.raises(RetortError, match=r"row 0: the label -1 .*withheld; give dataset\.val_split another .* none"):
        exported(plan, tmp_path / "images")


def test_a_split_is_left_out_or_taken_by_name(tmp_path):
    root = withheld(tmp_path / "hub")
    plan = planned("huggingface", root, val_split="none")
    images = built(plan, tmp_path / "out", exported(plan, tmp_path / "images"))
    assert images.groupby("split").size().to_dict() == {"train": 4, "val": 3}
    shard(root / "extra.parquet", VAL_ROWS)
    plan = planned("huggingface", root, val_split="extra")
    folder = exported(plan, tmp_path / "others")
    assert len(list((folder / "val").glob("*/*"))) == len(VAL_ROWS)
    with pytest.raises(RetortError, match=r"has no split extras, did you mean 'extra'\?; it has extra, test, train"):
        planned("huggingface", root, val_split="extras")


def test_a_split_of_folders_is_left_out_or_taken_by_name(tmp_path):
    folders = {"train": 6, "test": 2, "held": 3}
    for split, count in folders.items():
        for path in (tmp_path / "hub" / split / c / f"{i}.png" for c in ("cat", "dog") for i in range(count)):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encoded(1, "PNG"))
    sizes = {}
    for name in (None, "held", "none"):
        plan = planned("huggingface", tmp_path / "hub", format="imagefolder", val_split=name)
        sizes[name] = built(plan, tmp_path / f"{name}").groupby("split").size().to_dict()
    assert sizes == {
        None: {"train": 12, "val": 4},
        "held": {"train": 12, "val": 6},
        "none": {"train": 10, "val": 2},
    }
    with pytest.raises(RetortError, match=r"dataset\.val_split: .*hub has no folder other"):
        planned("huggingface", tmp_path / "hub", format="imagefolder", val_split="other")
