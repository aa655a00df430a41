"""What the config says of backbones: what is refused, and what of it is a parameter of which rule."""

import pytest
import yaml
from tests.unit.config.test_config import mistakes, put

from retort.base.running import Running
from retort.config.load import load_config
from retort.models.load import CodecFiles, ModelFiles, RefinerFiles
from retort.plan.jobs import jobs_behind
from retort.plan.plan import Plan

CONFIG = """
dataset: {kind: digits}
models:
  vae: {kind: vae, source: some/vae, store: float16, run: {slicing: true}}
  dit: {kind: dit, source: some/dit, encoder: vae, classes: imagenet1k}
  made: {kind: dit, encoder: vae, train: {}}
  sd: {kind: sd, source: some/sd, encoder: vae}
  base: {kind: sdxl, source: some/sdxl, encoder: vae, refiner: {model: refiner, from: 0.7}}
  refiner: {kind: sdxl-refiner, source: some/refiner, dtype: float16}
  idle: {kind: sdxl-refiner, source: some/other}
  ideal: {kind: optimal, encoder: vae}
methods:
  dit: {generate: {model: dit}}
  sdxl: {generate: {model: base}}
protocols:
  hard: {labels: hard, views: {steps: 5}, optimizer: {kind: sgd, lr: 0.1, schedule: constant}}
runs:
  - {methods: [sdxl], ipc: [1], protocols: [hard], students: [resnet8]}
"""


def edited(*edits: tuple[str, object]) -> dict:
    config = yaml.safe_load(CONFIG)
    for path, value in edits:
        put(config, path.split("."), value)
    return config


def plan_of(*edits: tuple[str, object]) -> Plan:
    return Plan(load_config(edited(*edits)), ["a", "b"])


def test_settings_of_a_model_are_what_changes_its_predictions():
    plan = plan_of()
    assert plan.model_settings("dit") == {
        "kind": "dit",
        "dtype": "float32",
        "timestep_embedding": "diffusers",
        "classes": "imagenet1k",
    }
    assert plan.model_settings("sd") == {"kind": "sd", "dtype": "float32", "prompt": "{name}"}
    assert plan.model_settings("base") == {
        "kind": "sdxl",
        "dtype": "float32",
        "prompt": "{name}",
        "refiner": {"dtype": "float16", "start": 0.7},
    }


def test_an_optimal_denoiser_is_made_of_latents_neither_trained_nor_fetched():
    plan = plan_of(("methods.ideal", {"generate": {"model": "ideal"}})).with_every_method().only("ideal")
    assert plan.memorised_models() == plan.used_models() == ["ideal"]
    assert plan.used_latents() == plan.fetched_models() == ["vae"]
    assert "ideal" not in [*plan.model_names(trained=True), *plan.model_names(trained=False)]
    assert plan.model_settings("ideal") == {"kind": "optimal"}
    stages = jobs_behind(plan)
    assert stages["memorise_latents"] == [{"model": "ideal"}]
    assert not stages.keys() & {"train_dit", "train_vae"}
    files = ModelFiles.from_rule("models/ideal", plan.model_settings("ideal"), Running())
    assert (files.kind, files.decoder) == ("optimal", None)


@pytest.mark.parametrize(
    ("source", "given", "embedding"),
    [
        ("DiT-XL-2-256x256.pt", {}, "original"),
        ("some/dit", {}, "diffusers"),
        ("DiT.pth", {"timestep_embedding": "diffusers"}, "diffusers"),
    ],
)
def test_a_checkpoint_of_the_original_code_runs_with_its_embedding(source, given, embedding):
    model = {"kind": "dit", "encoder": "vae", "source": source} | given
    assert plan_of(("models.dit", model)).model_settings("dit")["timestep_embedding"] == embedding


@pytest.mark.parametrize("model", ["dit", "base"])
def test_how_a_model_is_run_is_no_parameter(model):
    run = {"device": "cuda", "compile": True, "offload": True}
    plan, spared = plan_of(), plan_of((f"models.{model}.run", run))
    assert (plan.running_of(model), spared.running_of(model)) == ("auto", "cuda+compile+offload")
    assert plan.running_of("vae") == "auto+slicing"
    assert plan_of((f"models.{model}.run", run | {"load": "mmap"})).running_of(model) == "cuda+compile+offload+mmap"
    assert plan.model_settings(model) == spared.model_settings(model)
    assert plan.codec_settings("vae") == plan_of(("models.vae.run", run)).codec_settings("vae")
    for method in ("dit", "sdxl"):
        assert plan.provenance_of(method) == spared.provenance_of(method)


@pytest.mark.parametrize(
    ("dtype", "stored"), [("float64", None), ("float32", None), ("float16", "float16"), ("bfloat16", "bfloat16")]
)
@pytest.mark.parametrize("model", ["vae", "dit", "base", "refiner"])
def test_weights_are_stored_in_a_narrow_dtype_that_a_model_runs_in(model, dtype, stored):
    assert plan_of((f"models.{model}.dtype", dtype)).stored_dtype(model) == stored


def test_weights_that_a_training_starts_from_are_stored_as_they_come():
    tuned = {"kind": "dit", "encoder": "vae", "train": {"from": "dit"}}
    plan = plan_of(("models.dit.dtype", "float16"), ("models.tuned", tuned))
    assert plan.stored_dtype("dit") is None


def test_a_refiner_stands_behind_the_sets_of_its_base_and_is_fetched_with_it():
    plan = plan_of()
    assert plan.models_of("sdxl") == ["base", "refiner", "vae"]
    assert plan.models_of("dit") == ["dit", "vae"]
    assert plan.fetched_models() == ["vae", "base", "refiner"]
    assert plan.used_models() == ["base"]
    assert plan.provenance_of("sdxl")["models"]["refiner"]["source"] == "some/refiner"


def test_a_job_knows_its_models_by_inputs_parameters_and_one_resource():
    plan = plan_of(("models.base.run", {"device": "cpu", "offload": True}))
    run = Running.parse(plan.running_of("base"))
    assert run == Running("cpu", offload=True)
    codec = CodecFiles.from_rule("models/vae", plan.codec_settings("vae"), run)
    assert codec == CodecFiles("models/vae", "float32", 32, run)
    refiner = RefinerFiles("models/refiner", "float16", 0.7)
    base = ModelFiles.from_rule("models/base", plan.model_settings("base"), run, refiner="models/refiner")
    assert base == ModelFiles("models/base", "float32", kind="sdxl", refiner=refiner, run=run)
    dit = ModelFiles.from_rule("models/dit", plan.model_settings("dit"), run)
    assert dit == ModelFiles("models/dit", "float32", classes="imagenet1k", run=run)
    decodes = ModelFiles.from_rule(
        "m", {"dtype": "float32"}, run, decoder="d", decoder_settings={"dtype": "float16", "resolution": 8}
    )
    assert decodes.decoder == CodecFiles("d", "float16", 8, run)


MISTAKES = [
    (
        "models.dit.classes",
        "imagenet2k",
        "models.dit.classes",
        ["'imagenet2k'", "did you mean 'imagenet1k'", "dataset"],
    ),
    ("models.made.classes", "imagenet1k", "models.made", ["classes: goes with source, not with train"]),
    ("models.made.heads", 6, "models.made", ["heads: goes with source, not with train"]),
    ("models.base.refiner.model", "refine", "models.base.refiner.model", ["did you mean 'refiner'", "refiner, idle"]),
    ("models.base.refiner.model", "vae", "models.base.refiner.model", ["no sdxl-refiner model is called 'vae'"]),
    ("models.base.refiner.from", 1.0, "models.base.refiner.from", ["must be less than 1; found 1.0"]),
    ("models.base.refiner.form", 0.8, "models.base.refiner", ["'form'", "did you mean 'from'", "model, from"]),
    ("models.ideal.source", "some/dit", "models.ideal", ["unknown key 'source'", "allowed: kind, encoder, decoder"]),
    ("models.ideal.encoder", "dit", "models.ideal.encoder", ["no vae model is called 'dit'"]),
    ("models.sd.refiner", {"model": "refiner"}, "models.sd", ["refiner: goes with kind sdxl"]),
    ("models.base.encoder", "refiner", "models.base.encoder", ["no vae model is called 'refiner'"]),
    ("models.refiner.encoder", "vae", "models.refiner", ["unknown key 'encoder'", "allowed: kind, source, revision"]),
    ("methods.dit.generate.model", "refiner", "methods.dit.generate.model", ["no diffusion model is called"]),
    ("models.dit.run", {"device": "gpu"}, "models.dit.run.device", ["'auto', 'cpu' or 'cuda'; found 'gpu'"]),
    ("models.dit.run", {"compil": True}, "models.dit.run", ["did you mean 'compile'"]),
    ("models.dit.run", {"compile": "maybe"}, "models.dit.run.compile", ["must be true or false"]),
    ("models.vae.store", "bfloat16", "models.vae.store", ["'float32' or 'float16'; found 'bfloat16'"]),
]


@pytest.mark.parametrize(("path", "value", "place", "told"), MISTAKES)
def test_a_mistake_is_told(path, value, place, told):
    ((found, text),) = mistakes(edited((path, value)))
    assert found == place
    for part in told:
        assert part in text
