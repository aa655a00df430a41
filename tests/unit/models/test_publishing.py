"""Trained models made ready to be given away, and taken from there as any published ones."""

import shutil
from pathlib import Path

import pytest
import torch
import yaml
from diffusers import AutoencoderKL
from safetensors.torch import load_file
from tests.helpers.tiny_models import CLASSES, SIDE, save_models, save_untrained_teacher

from retort.base import paths
from retort.base.errors import RetortError
from retort.base.files import read_json, read_rows, write_rows
from retort.models import publishing
from retort.models.contents import read_contents
from retort.models.publishing import curve_of, facts_of, faults_of, main
from retort.models.sources import model_files, packaged_stamp
from retort.stages.models.fetch_model import fetch_model
from retort.stages.models.fetch_teacher import fetch_teacher

CONFIG = {
    "seed": 7,
    "dataset": {"kind": "fashion-mnist", "name": "toy", "resolution": SIDE},
    "models": {
        "vae": {"kind": "vae", "train": {"channels": [8, 8], "norm_groups": 4, "steps": 30}},
        "dit": {"kind": "dit", "encoder": "vae", "train": {"layers": 2, "steps": 40}},
        "spare": {"kind": "vae", "source": "owner/vae"},
    },
    "teachers": {"judge": {"arch": "resnet8", "train": {"steps": 50}}},
    "methods": {"dit": {"generate": {"model": "dit"}}},
    "protocols": {"hard": {"preset": "hard-10"}},
    "runs": [{"methods": ["dit"], "ipc": [1], "protocols": ["hard"], "students": ["resnet8"], "seeds": 1}],
}
STAGES = {"vae": "train_vae", "dit": "train_dit", "judge": "train_teacher"}
QUALITY = {"vae": ("PSNR in dB, validation", 28.25), "dit": ("share recognised", 0.84), "judge": ("top-1", 0.91)}


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """The results of a run of CONFIG, and CONFIG beside them."""
    folder = tmp_path_factory.mktemp("trained")
    home = folder / "results" / "toy"
    save_models(home / "models")
    shutil.copytree(home / "models/vae", home / "models/dit/vae")
    (home / "models/vae/quality.json").write_text("{}")
    save_untrained_teacher(home / "teachers/judge", CLASSES)
    for name in ("models/vae", "models/dit", "teachers/judge"):
        (home / name / ".snakemake_timestamp").touch()
    for name, stage in STAGES.items():
        log, benchmark = home / "logs" / stage / f"{name}.log", home / "benchmarks" / stage / f"{name}.tsv"
        log.parent.mkdir(parents=True)
        log.write_text(
            f"retort: {stage} model={name}\ntraining: 2%|2  | 1/40 [00:13<10:57:47, 13.16s/step, loss=0.8124]\n"
            "training: 25%|## | 10/40 [01:13<0:57:47, 1.16s/step, loss=2.5e-05]\n"
            "resuming from step 9 of x\ntraining: 25%|## | 10/40 [00:01<0:57:47, 1.16step/s, loss=0.0300]\n"
            "measuring: 25%|## | 3/40 [01:13<0:57:47, 1.16batch/s]\n"
        )
        benchmark.parent.mkdir(parents=True)
        benchmark.write_text("s\th:m:s\tmax_rss\n600.5\t0:10:00\t779.21\n")
    rows = [{"model": m, "kind": "x", "measure": what, "value": value} for m, (what, value) in QUALITY.items()]
    write_rows(folder / "results/models.csv", ["model", "kind", "measure", "value"], rows)
    (folder / "config.yaml").write_text(yaml.safe_dump(CONFIG, sort_keys=False))
    return folder


def published(trained: Path, target: Path) -> Path:
    assert main([str(trained / "config.yaml"), str(target), "--results", str(trained / "results")]) == 0
    return target


def test_each_trained_model_has_half_precision_weights_a_card_a_curve_and_checksums(trained, tmp_path):
    target = published(trained, tmp_path / "given")
    assert sorted(path.name for path in target.iterdir()) == ["dit", "judge", "vae"]
    for name in STAGES:
        listed = read_json(target / name / "files.json")
        assert listed == facts_of(target / name) != {}
        assert "curve.csv" in listed
        assert not [file for file in listed if Path(file).name.startswith(".")]
        assert faults_of(target / name) == []
        weights = [file for file in listed if file.endswith(".safetensors")]
        assert len(weights) == 1
        kinds = {t.dtype for t in load_file(target / name / weights[0]).values() if t.is_floating_point()}
        assert kinds == {torch.float16}
        text = (target / name / "README.md").read_text()
        what, value = QUALITY[name]
        for words in (
            f"| {what} | {value} |",
            "Seed 7;",
            "license:",
            "(c) 2017 Zalando SE",
            f"torch {torch.__version__.partition('+')[0]}",
        ):
            assert words in text, (name, words)
        train = (CONFIG["models"] | CONFIG["teachers"])[name]["train"]
        assert yaml.safe_load(text.split("```yaml\n")[1].split("```")[0]) == train
        rows = read_rows(target / name / "curve.csv")
        assert rows == [{"step": "1", "loss": "0.8124"}, {"step": "10", "loss": "0.0300"}]


def test_they_are_taken_as_any_published_model(trained, tmp_path):
    target = published(trained, tmp_path / "given")
    for name in ("vae", "dit"):
        fetch_model(str(tmp_path / name), name=name, kind=name, source=str(target / name), revision=None)
    assert read_contents(tmp_path / "dit", "dit").channels == 4
    assert read_json(tmp_path / "vae/origin.json")["licence"] == "apache-2.0"
    own, taken = (AutoencoderKL.from_pretrained(p) for p in (trained / "results/toy/models/vae", tmp_path / "vae"))
    for (name, tensor), other in zip(own.state_dict().items(), taken.state_dict().values(), strict=True):
        assert torch.equal(tensor.half().float(), other.float()), name
    settings = dict.fromkeys(("revision", "classes", "resolution", "mean", "std"))
    given = {"source": str(target / "judge"), "dataset_classes": CLASSES, "side": SIDE, **settings}
    fetch_teacher(str(tmp_path / "judge"), name="judge", arch="resnet8", **given)
    own = load_file(trained / "results/toy/teachers/judge/model.safetensors")
    for name, tensor in load_file(tmp_path / "judge/model.safetensors").items():
        rounded = own[name].half().float() if tensor.is_floating_point() else own[name]
        assert torch.equal(tensor.float(), rounded.float()), name


def test_those_that_come_with_retort_are_found_wherever_it_lies(trained, tmp_path, monkeypatch):
    for home in ("here", "there"):
        published(trained, tmp_path / home / "toy")
    stamps = []
    for home in ("here", "there"):
        monkeypatch.setattr(paths, "SHIPPED", tmp_path / home)
        monkeypatch.chdir(tmp_path / home)
        assert {file.name for file in model_files("retort:toy/vae", "vae", False)} >= {"config.json", "files.json"}
        fetch_model("fetched", name="vae", kind="vae", source="retort:toy/vae", revision=None)
        settings = dict.fromkeys(("revision", "classes", "resolution", "mean", "std"))
        fetch_teacher("judge", name="judge", arch="resnet8", source="retort:toy/judge", **settings)
        sources = [read_json(tmp_path / home / folder / "origin.json")["source"] for folder in ("fetched", "judge")]
        assert sources == ["retort:toy/vae", "retort:toy/judge"]  # and no path of this machine
        stamps.append([packaged_stamp(source) for source in sources])
    assert stamps[0] == stamps[1]
    assert None not in stamps[0]
    listed = tmp_path / "there/toy/vae/files.json"
    listed.write_text(listed.read_text() + " ")
    assert packaged_stamp("retort:toy/vae") != stamps[0][0]
    assert packaged_stamp(str(listed.parent)) is None  # its owner may edit it in place


def test_a_name_of_which_nothing_comes_with_retort_is_refused_with_those_that_do(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "SHIPPED", tmp_path)
    known = r"comes with Retort \(there are: retort:toy/dit, retort:toy/judge, retort:toy/vae\)"
    published(trained, tmp_path / "toy")
    with pytest.raises(RetortError, match=rf"models\.mine\.source: no retort:toy/vea {known}"):
        fetch_model(str(tmp_path / "m"), name="mine", kind="vae", source="retort:toy/vea", revision=None)
    settings = dict.fromkeys(("revision", "classes", "resolution", "mean", "std"))
    with pytest.raises(RetortError, match=rf"teachers\.mine: no retort:judge {known}"):
        fetch_teacher(str(tmp_path / "t"), name="mine", arch="resnet8", source="retort:judge", **settings)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda f: (f / "config.json").write_text("{}"), "config.json has changed"),
        (lambda f: (f / "curve.csv").unlink(), "curve.csv is gone"),
        (lambda f: (f / "more.txt").write_text("x"), "more.txt is not listed"),
        (lambda f: (f / "README.md").write_text("# another"), "the card lacks the checksum of config.json"),
    ],
)
def test_what_was_changed_afterwards_is_found(trained, tmp_path, change, fault):
    folder = published(trained, tmp_path / "given") / "vae"
    change(folder)
    assert fault in faults_of(folder)


def test_what_cannot_be_given_away_is_refused_and_leaves_nothing(trained, tmp_path, monkeypatch, capsys):
    words = [str(trained / "config.yaml"), str(tmp_path / "given"), "--results"]
    assert main([*words, str(tmp_path)]) == 1
    assert "has no vae, dit, judge; run snakemake tabulate_models" in capsys.readouterr().err
    monkeypatch.setattr(publishing, "MOST_BYTES", 1000)
    assert main([*words, str(trained / "results")]) == 1
    assert "vae: diffusion_pytorch_model.safetensors has more than 1,000 bytes" in capsys.readouterr().err
    assert not (tmp_path / "given/vae").exists()


def test_a_curve_has_each_step_once(tmp_path):
    log = tmp_path / "log"
    log.write_bytes(b"x: 1%| | 3/9 [00:1<0, 1s/step, loss=nan]\rx: 1%| | 2/9 [00:1<0, 1s/step, loss=0.5]\n\xff")
    assert curve_of(log) == [{"step": 2, "loss": "0.5"}, {"step": 3, "loss": "nan"}]
