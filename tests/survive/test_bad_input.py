"""Bad configs, images and model directories: one clear error each (what, where, what would be right), nothing lost."""

import os
import runpy
import shutil
import struct
import zlib
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import load_file, save_file

from retort.base.errors import RetortError
from retort.base.files import read_rows
from retort.config.load import load_config
from retort.data.classes import class_list
from retort.data.manifest import read_split
from retort.plan.plan import Plan

from ..end_to_end.workspace import REPOSITORY, Workspace, smoke_config
from ..unit.fake_jobs import Named, fake_job

# ---------------------------------------------------------------- configs


def setting(path: str, value) -> Callable[[dict], None]:
    def edit(config: dict) -> None:
        *tables, key = path.split("/")
        for name in tables:
            config = config[int(name) if name.isdigit() and isinstance(config, list) else name]
        config[key] = value

    return edit


CONFIGS = {
    "a text for a number": (setting("inversions/ddim/steps", "many"), ["inversions.ddim.steps", "a whole number"]),
    "a list for a table": (setting("models", []), ["models", "must be a table", "found []"]),
    "steps out of range": (setting("inversions/ddim/steps", 1), ["inversions.ddim.steps", "at least 2", "found 1"]),
    "a share above one": (setting("typicalities/default/high", 7), ["typicalities.default.high", "at most 1"]),
    "not a number": (setting("protocols/hard/optimizer/lr", float("nan")), ["protocols.hard.optimizer.lr", "finite"]),
    "an unknown key": (setting("methods/d3hr/generate/guidence", 3), ["'guidence'", "did you mean 'guidance'?"]),
    "an unknown kind of data": (setting("dataset/kind", "cifar"), ["dataset.kind", "found 'cifar'"]),
    "an unknown teacher": (setting("protocols/soft/labels/teacher", "resent"), ["no teacher is called 'resent'"]),
    "an unknown model": (setting("methods/dit/generate/model", "dti"), ["no diffusion model is called 'dti'"]),
    "an unknown architecture": (setting("runs/0/students", ["resnet7"]), ["no architecture is called 'resnet7'"]),
    "an unknown class": (setting("dataset/classes", ["0", "ten"]), ["dataset.classes", "no class ten"]),
    "a class twice": (setting("dataset/classes", ["0", "0"]), ["dataset.classes", "named twice: 0"]),
    "a path for a class": (
        setting("dataset/classes", ["0", "../1"]),
        ["dataset.classes", "'../1' cannot name a folder"],
    ),
    "a path for a name": (setting("dataset/name", "../elsewhere"), ["dataset.name", "letters, digits"]),
    "a path for a method": (setting("methods/..%2Fx", {"select": "all"}), ["methods", "the name '..%2Fx'"]),
    "a method called like a target": (setting("methods/all", {"select": "all"}), ["methods.all", "taken by a target"]),
    "no runs": (setting("runs", []), ["runs", "must not be empty"]),
    "no seeds": (setting("runs/0/seeds", 0), ["runs[0].seeds", "at least 1"]),
    "no images per class": (setting("runs/0/ipc", [0]), ["runs[0].ipc[0]", "at least 1"]),
    # A pool is counted in sets, so it cannot be smaller than one.
    "a pool smaller than the set": (setting("methods/cao2/generate/pool", 0), ["cao2.generate.pool", "at least 1"]),
    "a pool of half a set": (setting("methods/cao2/generate/pool", 0.5), ["cao2.generate.pool", "a whole number"]),
    "an inversion past its end": (setting("inversions/ddim/stop", 10), ["inversions.ddim", "less than steps 10"]),
    "a start of another model": (setting("methods/d3hr/generate/start/inversion", "x"), ["no inversion is called 'x'"]),
    "a stage without settings": (setting("methods/cao2/refine", None), ["methods.cao2.refine", "nothing follows"]),
    "yes for a number": (setting("runs/0/seeds", True), ["runs[0].seeds", "must be a number"]),
    "extends a missing file": (setting("extends", "nowhere.yaml"), ["extends", "no file 'nowhere.yaml'"]),
}


def planned(config: dict) -> Plan:
    checked = load_config(config)
    return Plan(checked, class_list(checked.dataset))


@pytest.mark.parametrize("case", CONFIGS)
def test_a_bad_config_is_told_before_anything_runs(case, count):
    edit, words = CONFIGS[case]
    config = smoke_config()
    edit(config)
    with pytest.raises(RetortError) as error:
        planned(config)
    assert [word for word in words if word not in str(error.value)] == [], str(error.value)
    count("bad input: configs, answered")


FILES = {
    "a key twice": ("seed: 0\nmethods:\n  a: {select: all}\n  a: {select: random}\n", ["line 4", "'a'", "line 3"]),
    "no YAML": ("seed: [1\n", ["not valid JSON or YAML"]),
    "no table": ("- 1\n- 2\n", ["keys at top level"]),
    "a circle": ("extends: mine.yaml\n", ["is a circle"]),
}


@pytest.mark.parametrize("case", FILES)
def test_a_bad_config_file_ends_snakemake_with_its_line(tmp_path, case, count):
    text, words = FILES[case]
    workspace = Workspace.fresh(tmp_path / "workspace", smoke_config())
    (workspace.folder / "mine.yaml").write_text(text)
    (workspace.folder / "experiment.yaml").write_text(text)
    output = workspace.run("--dry-run", "--cores", "1", succeeds=False)
    assert [word for word in words if word not in output] == [], output
    assert "Traceback" not in output
    assert not workspace.results().exists()
    count("bad input: configs, answered")


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
    """Run the script of `build_manifest` on a folder, as Snakemake does: its exit status, and what it said at last."""
    out.mkdir(exist_ok=True)
    raw = {"kind": "folder", "name": "mine", "path": str(images), "resolution": 8} | changes
    try:
        plan = planned(smoke_config() | {"dataset": raw})
    except RetortError as error:
        return 1, str(error)
    outputs = {"manifest": out / "m.parquet", "classes": out / "classes.csv", "bad_images": out / "bad.csv"}
    params = {"settings": plan.manifest_settings(), "classes": plan.classes, "dataset": "mine", "seed": 0}
    described = fake_job(
        out / "log.txt",
        "build_manifest",
        output=Named(**outputs),
        params=SimpleNamespace(**params, made_of={}),
    )
    status = 0
    try:
        runpy.run_path(str(REPOSITORY / "workflow/scripts/build_manifest.py"), {"snakemake": described})
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


IMAGES = {
    "truncated": (truncated, ["cat/a.png", "truncated"]),
    "of 32 bits": (wide, ["cat/a.png: 32 bits a pixel"]),
    "of no bytes": (lambda file: file.write_bytes(b""), ["cat/a.png: empty file"]),
    "a bomb": (bomb, ["cat/a.png", "900000000 pixels"]),
    "a text": (lambda file: file.write_text("no image"), ["cat/a.png", "cannot identify"]),
    "random bytes": (lambda file: file.write_bytes(bytes(range(256)) * 9), ["cat/a.png", "cannot identify"]),
    "a folder": (lambda file: (file.unlink(), file.mkdir()), ["cat/a.png", "directory"]),
    "a link to nowhere": (lambda file: (file.unlink(), file.symlink_to("nowhere")), ["cat/a.png", "gone"]),
}


@pytest.mark.parametrize("case", IMAGES)
def test_a_bad_image_is_named_and_what_was_made_before_is_kept(images, tmp_path, capsys, case, count):
    spoil, words = IMAGES[case]
    out = tmp_path / "out"
    assert look_at(images, out, capsys)[0] == 0
    before = {path.name: path.read_bytes() for path in out.iterdir() if path.name != "log.txt"}
    spoil(images / "cat" / "a.png")
    status, said = look_at(images, out, capsys)
    assert status == 1
    assert [word for word in [*words, "on_bad_image: skip"] if word not in said] == [], said
    assert "Traceback" not in said
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
    assert "cat/a.png" in said
    assert "Permission denied" in said
    assert "Traceback" not in said
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
    "splits called otherwise": (lambda root: deeper(root, "Train", "Val"), ["Train and Val look like splits"]),
    "a level deeper": (
        lambda root: deeper(root, "photos"),
        ["photos in it has 2 (cat, dog): give dataset.path"],
    ),
    "images inside a folder": (lambda root: deeper(root / "dog", "images"), ["a folder images with 3 images"]),
    "a format that is not read": (only_heic, ["3 files of .heic", "pillow-heif"]),
    "a class without images": (lambda root: [f.unlink() for f in (root / "dog").iterdir()], ["dog", "0 images"]),
    "one class": (lambda root: shutil.rmtree(root / "dog"), ["1 class folders", "at least two"]),
    "no folder": (shutil.rmtree, ["there is no folder", "one folder per class"]),
    "train without val": (split_in_part, ["train/ but no val/"]),
    "a line break in a class": (lambda root: (root / "dog").rename(root / "do\ng"), ["'do\\ng' cannot name a folder"]),
}


@pytest.mark.parametrize("case", FOLDERS)
def test_a_bad_folder_of_images_is_told(images, tmp_path, capsys, case, count):
    spoil, words = FOLDERS[case]
    spoil(images)
    status, said = look_at(images, tmp_path / "out", capsys)
    assert status == 1
    assert [word for word in words if word not in said] == [], said
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


MODELS = {
    "without its config": (lambda vae: (vae / "config.json").unlink(), ["lacks config.json"]),
    "without weights": (lambda vae: (vae / WEIGHTS).unlink(), ["no .safetensors weights"]),
    "with a config that is none": (lambda vae: (vae / "config.json").write_text("{"), ["config.json", "is no JSON"]),
    "with weights cut short": (cut_short, ["bytes where its header says"]),
    "with weights of another shape": (of_another_shape, ["latent channels"]),
    "with weights that are only pickled": (only_pickled, ["allow_pickle: true"]),
}


@pytest.mark.parametrize("case", MODELS)
def test_a_bad_model_is_refused_when_it_is_fetched(tmp_path, capsys, case, count):
    spoil, words = MODELS[case]
    vae = Path(shutil.copytree(PIPELINE / "vae", tmp_path / "vae"))
    spoil(vae)
    origin = {"kind": "vae", "source": str(vae), "revision": None, "heads": None, "allow_pickle": False}
    described = fake_job(
        tmp_path / "log.txt",
        "fetch_model",
        output=Named(model=tmp_path / "out" / "vae"),
        wildcards=SimpleNamespace(model="vae", items=lambda: [("model", "vae")]),
        params=SimpleNamespace(origin=origin),
    )
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(REPOSITORY / "workflow/scripts/fetch_model.py"), {"snakemake": described})
    said = capsys.readouterr().err
    assert end.value.code == 1
    assert [word for word in [*words, "models.vae.source"] if word not in said] == [], said
    assert "Traceback" not in said
    assert not (tmp_path / "out" / "vae").exists()
    count("bad input: models, answered")
