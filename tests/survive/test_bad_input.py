"""Bad images, models and sets: one clear error each (what, where, what would be right), nothing lost."""

import os
import shutil
import struct
import zlib
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import load_file, save_file

from retort.base.errors import RetortError
from retort.base.files import read_rows
from retort.data.manifest import read_split
from retort.running.call import call
from tests.helpers import foreign_sets as foreign
from tests.helpers.fake_jobs import Named, Table, fake_job
from tests.helpers.small_datasets import plan_of
from tests.helpers.workspace import REPOSITORY, smoke_config

from .messages import Answer, check, said_by_job, without_machine

# ---------------------------------------------------------------- images


def painted(folder: Path, mode: str = "RGB", **options) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, (9, 8), 3 if mode in ("L", "P", "I;16", "I") else None or 0).save(folder, **options)


@pytest.fixture
def images(tmp_path) -> Path:
    """Two classes, of three images each."""
    for name in ("cat/a.png", "cat/b.png", "cat/c.png", "dog/d.png", "dog/e.png", "dog/f.png"):
        painted(tmp_path / "images" / name)
    return tmp_path / "images"


def look_at(images: Path, out: Path, capsys, **changes) -> tuple[int, str]:
    """Run `build_manifest` on a folder, as Snakemake does: its exit status, and what it said at last."""
    out.mkdir(exist_ok=True)
    raw = {"kind": "folder", "name": "mine", "path": str(images), "resolution": 8} | changes
    try:
        plan = plan_of(smoke_config() | {"dataset": raw})
    except RetortError as error:
        return 1, str(error)
    outputs = {"manifest": out / "m.parquet", "class_table": out / "classes.csv", "bad_images": out / "bad.csv"}
    params = {"arguments": plan.manifest_settings(), "class_ids": plan.classes, "made_of": {}}
    described = fake_job(
        out / "log.txt",
        "build_manifest",
        output=Named(**outputs),
        params=Table(code="build_manifest 0", **params),
    )
    status = 0
    try:
        call(described)
    except SystemExit as end:
        status = end.code
    said = capsys.readouterr()
    return status, said.out + said.err


def bomb(file: Path) -> None:
    """A PNG of few bytes that would be 900 million pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b""))


def truncated(file: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(file)
    file.write_bytes(file.read_bytes()[:2000])


def wide(file: Path) -> None:
    Image.fromarray(np.ones((8, 8), dtype=np.float32)).save(file, "TIFF")


SKIP = "Repair or remove them, or set dataset.on_bad_image: skip"
IMAGES = {
    "truncated": (truncated, Answer("cat/a.png", "truncated", SKIP)),
    "of 32 bits": (wide, Answer("cat/a.png", "32 bits a pixel", "save it with 8 or 16")),
    "of no bytes": (lambda file: file.write_bytes(b""), Answer("cat/a.png", "empty file", SKIP)),
    "a bomb": (bomb, Answer("cat/a.png", "900000000 pixels", SKIP)),
    "a text": (lambda file: file.write_text("no image"), Answer("cat/a.png", "cannot identify", SKIP)),
    "a phone's format under another name": (
        lambda file: file.write_bytes(b"\0\0\0\x18ftypheic" + bytes(99)),
        Answer("cat/a.png", "it is HEIC", "convert it to JPEG or PNG, for instance with pillow-heif"),
    ),
    "a pointer of Git LFS": (
        lambda file: file.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"),
        Answer("cat/a.png", "it is a Git LFS pointer", "git lfs pull"),
    ),
    "a download that failed": (
        lambda file: file.write_text("\n<!DOCTYPE html><title>404</title>"),
        Answer("cat/a.png", "it is a web page", "download it again"),
    ),
    "random bytes": (
        lambda file: file.write_bytes(bytes(range(256)) * 9),
        Answer("cat/a.png", "cannot identify", SKIP),
    ),
    "a folder": (lambda file: (file.unlink(), file.mkdir()), Answer("cat/a.png", "directory", SKIP)),
    "a link to nowhere": (
        lambda file: (file.unlink(), file.symlink_to("nowhere")),
        Answer("cat/a.png", "gone", "put it back, or run again"),
    ),
}
UNREADABLE = Answer("cat/a.png", "Permission denied", SKIP)


@pytest.mark.parametrize("case", IMAGES)
def test_a_bad_image_is_named_and_what_was_made_before_is_kept(images, tmp_path, capsys, case, count):
    spoil, answer = IMAGES[case]
    out = tmp_path / "out"
    assert look_at(images, out, capsys)[0] == 0
    before = {path.name: path.read_bytes() for path in out.iterdir() if path.name != "log.txt"}
    spoil(images / "cat" / "a.png")
    status, said = look_at(images, out, capsys)
    assert status == 1
    check("images", case, without_machine(said_by_job(said), images=images, out=out), answer)
    assert {path.name: path.read_bytes() for path in out.iterdir() if path.name != "log.txt"} == before
    status, said = look_at(images, out, capsys, on_bad_image="skip")
    assert status == 0, said
    assert [Path(row["path"]).name for row in read_rows(out / "bad.csv")] == ["a.png"]
    count("bad input: images, answered")


@contextmanager
def as_nobody():
    """Root may read everything, so it steps down; anybody else stays who they are."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def test_an_unreadable_image_is_named_with_its_reason(images, tmp_path, capsys, count):
    (images / "cat" / "a.png").chmod(0)
    for folder in (tmp_path, tmp_path / "out"):
        folder.mkdir(exist_ok=True)
        folder.chmod(0o777)
    for parent in tmp_path.parents[:3]:
        if parent.stat().st_uid == os.getuid():
            parent.chmod(parent.stat().st_mode | 0o111)
    with as_nobody():
        status, said = look_at(images, tmp_path / "out", capsys)
    assert status == 1
    message = without_machine(said_by_job(said), images=images, out=tmp_path / "out")
    check("images", "unreadable", message, UNREADABLE)
    count("bad input: images, answered")


def split_in_part(root: Path) -> None:
    (root / "train").mkdir()
    for class_id in ("cat", "dog"):
        shutil.move(root / class_id, root / "train")


def deeper(root: Path, *names: str) -> None:
    """What lies in `root`, moved into a folder of it for each name; all but the first are copies."""
    held = [path.name for path in root.iterdir()]
    for name in names:
        (root / name).mkdir()
    for name in held:
        for copy in names[1:]:
            shutil.copytree(root / name, root / copy / name)
        shutil.move(root / name, root / names[0])


def only_heic(root: Path) -> None:
    for file in (root / "dog").iterdir():
        file.rename(file.with_suffix(".heic"))


FOLDERS = {
    "splits called otherwise": (
        lambda root: deeper(root, "Train", "Val"),
        Answer("dataset.path", "Train and Val look like splits", "call them train and val"),
    ),
    "a level deeper": (
        lambda root: deeper(root, "photos"),
        Answer("dataset.path", "photos in it has 2 (cat, dog)", "give dataset.path: <images>/photos"),
    ),
    "images inside a folder": (
        lambda root: deeper(root / "dog", "images"),
        Answer("<images>/dog", "0 images, but a folder images with 3 images", "at least two are needed"),
    ),
    "a format that is not read": (
        only_heic,
        Answer("<images>/dog", "3 files of .heic", "convert them to JPEG or PNG, for instance with pillow-heif"),
    ),
    "a class without images": (
        lambda root: [f.unlink() for f in (root / "dog").iterdir()],
        Answer("<images>/dog", "0 images", "at least two are needed"),
    ),
    "one class": (
        lambda root: shutil.rmtree(root / "dog"),
        Answer("dataset.path", "1 class folder (cat)", "at least two are needed"),
    ),
    "no folder": (
        shutil.rmtree,
        Answer("dataset.path", "there is no folder <images>", "give the folder that holds one folder per class"),
    ),
    "train without val": (split_in_part, Answer("<images>", "has train/ but no val/", "add val/, or put")),
    "a line break in a class": (
        lambda root: (root / "dog").rename(root / "do\ng"),
        Answer("dataset.path", "'do\\ng' cannot name a folder", "no line break"),
    ),
}


@pytest.mark.parametrize("case", FOLDERS)
def test_a_bad_folder_of_images_is_told(images, tmp_path, capsys, case, count):
    spoil, answer = FOLDERS[case]
    spoil(images)
    status, said = look_at(images, tmp_path / "out", capsys)
    assert status == 1
    said = said_by_job(said) if "retort: " in said else said  # refused while the run is planned
    check("folders", case, without_machine(said, images=images, out=tmp_path / "out"), answer)
    count("bad input: folders, answered")


@pytest.mark.parametrize(
    "name", ["with space.png", "ünïcödé 猫.png", "line\nbreak.png", "quote'\"comma,.png", "-rf.png"]
)
def test_odd_names_of_files_are_read_and_kept(images, tmp_path, capsys, name):
    painted(images / "cat" / name)
    assert look_at(images, tmp_path / "out", capsys)[0] == 0
    rows = [read_split(tmp_path / "out" / "m.parquet", split) for split in ("train", "val")]
    found = [path for table in rows for path in table["path"]]
    assert str(images / "cat" / name) in found


@pytest.mark.parametrize("mode", ["CMYK", "I;16", "L", "LA", "RGBA", "P", "1", "YCbCr"])
def test_images_of_every_mode_are_read(images, tmp_path, capsys, mode):
    painted(images / "cat" / "odd.tiff", mode)
    status, said = look_at(images, tmp_path / "out", capsys)
    assert status == 0, said


# ---------------------------------------------------------------- models from elsewhere

PIPELINE = REPOSITORY / "tests/fixtures/parity/d3hr_sample/pipeline"
WEIGHTS = "diffusion_pytorch_model.safetensors"


def only_pickled(vae: Path) -> None:
    weights = {name: torch.from_numpy(array) for name, array in load_file(vae / WEIGHTS).items()}
    torch.save(weights, vae / "diffusion_pytorch_model.bin")
    (vae / WEIGHTS).unlink()


def cut_short(vae: Path) -> None:
    (vae / WEIGHTS).write_bytes((vae / WEIGHTS).read_bytes()[:-9])


def of_another_shape(vae: Path) -> None:
    held = {name: array.copy() for name, array in load_file(vae / WEIGHTS).items()}
    held["decoder.conv_in.weight"] = held["decoder.conv_in.weight"][:, :-1].copy()
    save_file(held, vae / WEIGHTS, {"format": "pt"})


PLACE = "models.vae.source"
MODELS = {
    "without its config": (
        lambda vae: (vae / "config.json").unlink(),
        Answer(PLACE, "lacks config.json", "give the directory that save_pretrained wrote"),
    ),
    "without weights": (
        lambda vae: (vae / WEIGHTS).unlink(),
        Answer(PLACE, "no .safetensors weights", "fetch it whole, or save it again as safetensors"),
    ),
    "with a config that is none": (
        lambda vae: (vae / "config.json").write_text("{"),
        Answer(PLACE, "config.json is no JSON", "give a directory that diffusers saved"),
    ),
    "with a config of something else": (
        lambda vae: (vae / "config.json").write_text("{}"),
        Answer(PLACE, "'latent_channels'", "give a directory that diffusers saved"),
    ),
    "with weights cut short": (cut_short, Answer(PLACE, "bytes where its header says", "fetch it again")),
    "with weights of another shape": (
        of_another_shape,
        Answer(PLACE, "config.json says 4 latent channels", "take both from one place"),
    ),
    "with weights that are only pickled": (
        only_pickled,
        Answer(PLACE, "it has diffusion_pytorch_model.bin", "say allow_pickle: true"),
    ),
}


@pytest.mark.parametrize("case", MODELS)
def test_a_bad_model_is_refused_when_it_is_fetched(tmp_path, capsys, case, count):
    spoil, answer = MODELS[case]
    vae = Path(shutil.copytree(PIPELINE / "vae", tmp_path / "vae"))
    spoil(vae)
    origin = {"kind": "vae", "source": str(vae), "revision": None, "heads": None, "allow_pickle": False}
    described = fake_job(
        tmp_path / "log.txt",
        "fetch_model",
        output=Named(model=tmp_path / "out" / "vae"),
        wildcards=Table(model="vae"),
        params=Table(code="fetch_model 0", name="vae", arguments=origin),
    )
    with pytest.raises(SystemExit) as end:
        call(described)
    said = capsys.readouterr().err
    assert end.value.code == 1
    check("models", case, without_machine(said_by_job(said), vae=vae), answer)
    assert not (tmp_path / "out" / "vae").exists()
    count("bad input: models, answered")


# ---------------------------------------------------------------- sets that were made elsewhere

THEIRS = "methods.theirs.images"


def lacking(root: Path, *names: str) -> Path:
    foreign.folders(root, foreign.IDS)
    for name in names:
        (root / name).unlink()
    return root


def noise(root: Path, scale: float) -> Path:
    return foreign.tensors(root / "x.npz", foreign.rows()[0].astype(np.float32) * scale - 1)


SETS = {
    "nothing": (lambda home: home / "nowhere", Answer(THEIRS, "there is no <home>/nowhere", "give a folder")),
    "an empty folder": (
        lambda home: (home / "x").mkdir() or home / "x",
        Answer(THEIRS, "holds nothing", "give a folder with one folder per class"),
    ),
    "too few images": (
        lambda home: lacking(home / "x", "n03/0.png", "n01/0.png"),
        Answer(THEIRS, "n03 has 2, n01 has 2", "ask for ipc 2 in runs"),
    ),
    "no images of a class": (
        lambda home: lacking(home / "x", "n02/0.png", "n02/1.png", "n02/2.png"),
        Answer(THEIRS, "no image of 1 of the 3 classes: n02", "add them"),
    ),
    "a class that is none": (
        lambda home: foreign.folders(home / "x", ["n03", "n01", "n04"]),
        Answer(THEIRS, "classes that the data set does not have, read as class ids: n04", "name each of its classes"),
    ),
    "a label beyond the classes": (
        lambda home: foreign.parquet(home / "x.parquet", (foreign.rows()[1] + 1).tolist()),
        Answer(THEIRS, "has labels 3, and the data set's are 0 to 2", "name each of its classes"),
    ),
    "values that do not say what they mean": (
        lambda home: noise(home, 2 / 250),
        Answer(THEIRS, "from -1 to 1.04, which do not show what they mean", "state values: unit (0 to 1)"),
    ),
    "a tensor file cut off": (
        lambda home: cut_in_half(foreign.tensors(home / "x.safetensors", foreign.rows()[0])),
        Answer(THEIRS, "is no whole safetensors file", "fetch it again"),
    ),
    "an image cut off": (
        lambda home: cut_in_half(foreign.folders(home / "x", foreign.IDS) / "n01" / "1.png").parents[1],
        Answer("n01/1.png", "truncated", "make it again"),
    ),
}


def cut_in_half(file: Path) -> Path:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    return file


@pytest.mark.parametrize("case", SETS)
def test_a_bad_set_made_elsewhere_is_told_and_nothing_is_left_of_it(tmp_path, capsys, case, count):
    make, answer = SETS[case]
    (tmp_path / "home").mkdir()
    asked = {"path": str(make(tmp_path / "home")), "fewer": False, "classes": None, "values": None}
    described = fake_job(
        tmp_path / "log.txt",
        "import_set",
        input=Named(class_table=foreign.class_table(tmp_path)),
        output=Named(imported=tmp_path / "out" / "theirs"),
        wildcards=Table(method="theirs", ipc="3"),
        params=Table(code="import_set 0", asked=asked, made_of="now", side=foreign.SIDE, fit="crop"),
    )
    with pytest.raises(SystemExit) as end:
        call(described)
    assert end.value.code == 1
    message = without_machine(said_by_job(capsys.readouterr().err), home=tmp_path / "home")
    check("sets made elsewhere", case, message, answer)
    assert not (tmp_path / "out" / "theirs").exists()
    count("bad input: sets made elsewhere, answered")
