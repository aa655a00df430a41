"""CIFAR, which comes as pickles in an archive: read without running anything."""

import pickle
import struct
import tarfile
from pathlib import Path

import numpy as np
import pytest
from tests.helpers.hub_shards import exported, stored
from tests.helpers.small_datasets import built, classes_of, planned
from torchvision.datasets import CIFAR10, CIFAR100

from retort.base.errors import RetortError
from retort.data.layouts.cifar import ARCHIVES, archive_classes
from retort.data.unpickle import read_plain_pickle

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
