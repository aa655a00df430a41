"""The plan: shards, who owns what methods and protocols share, and only what the runs need."""

import json
from pathlib import Path

import pytest
import yaml

from retort.base.errors import RetortError
from retort.config.load import load_config
from retort.evaluation.views import ViewSettings
from retort.plan.plan import Plan

CONFIG = """
dataset: {kind: digits, shard_classes: 4}
models:
  vae: {kind: vae, train: {}}
  idle-vae: {kind: vae, source: some/vae, resolution: 256}
  dit: {kind: dit, encoder: vae, train: {}}
  hub: {kind: dit, encoder: vae, source: some/dit}
  idle: {kind: dit, encoder: idle-vae, source: some/other}
teachers:
  resnet: {arch: resnet8, train: {}}
  idle: {arch: resnet8, train: {}}
inversions:
  ddim: {model: dit, steps: 40, stop: 20, guidance: 2.0}
  twin: {model: dit, steps: 40, stop: 20, guidance: 2.0}
methods:
  random: {select: random}
  full: {select: all}
  noise: {generate: {model: hub, guidance: 3.0}}
  short: {generate: {model: dit, steps: 10}}
  d3hr: {generate: {model: dit, start: {inversion: ddim}, guidance: 4.0}}
  weak: {generate: {model: dit, start: {inversion: ddim}, guidance: 1.0}}
  matched: {generate: {model: dit, start: {inversion: ddim, first_step: matched}}}
  fewer: {generate: {model: dit, start: {inversion: ddim, groups: 10}}}
  exact: {generate: {model: dit, start: {inversion: ddim, search: closed-form}}}
  elsewhere: {generate: {model: dit, start: {inversion: twin}}}
  never: {generate: {model: idle}}
protocols:
  hard: &hard
    labels: hard
    views: {steps: 10, batch: 8}
    optimizer: {kind: sgd, lr: 0.1, schedule: constant}
  soft: &soft {<<: *hard, labels: {teacher: resnet}}
  hot: {<<: *soft, temperature: 4, evaluations: 2}
  adam: {<<: *soft, optimizer: {kind: adamw, lr: 0.1, schedule: half-cosine}}
  longer: {<<: *soft, views: {steps: 20, batch: 8}}
  flipped: {<<: *soft, views: {steps: 10, batch: 8, flip: true}}
  judged: {<<: *soft, labels: {teacher: idle}}
  few: {<<: *soft, labels: {teacher: resnet, top: 3}}
  few-hot: {<<: *soft, labels: {teacher: resnet, top: 3}, temperature: 4}
  few-adam: {<<: *soft, labels: {teacher: resnet, top: 3}, optimizer: {kind: adamw, lr: 0.1, schedule: half-cosine}}
  static: {<<: *soft, labels: {teacher: resnet, kind: static}}
  static-longer: {<<: *soft, labels: {teacher: resnet, kind: static}, views: {steps: 20}}
  mixed: {<<: *soft, precision: bfloat16}
  mixed-parts: {<<: *soft, precision: bfloat16, accumulate: 2, forward_twice: true}
  static-mixed: {<<: *soft, labels: {teacher: resnet, kind: static}, precision: float16}
  online: {<<: *soft, labels: {teacher: resnet, kind: online}}
runs:
  - {methods: [random, full, noise], ipc: [1, 10], protocols: [hard, soft], students: [resnet8], seeds: 2}
  - {methods: [d3hr], ipc: [10, 5], protocols: [hard], students: [resnet8, convnet3], seeds: 1}
  - {methods: [random], ipc: [10], protocols: [hard], students: [resnet8], seeds: 5}
"""


STAGES = {path.stem for path in (Path(__file__).parents[3] / "workflow/retort/stages").glob("*/*.py")}


def plan_for(
    methods: list[str] | None = None, protocols: list[str] | None = None, classes=10, text=CONFIG, **dataset
) -> Plan:
    raw = yaml.safe_load(text)
    raw["dataset"] |= dataset
    if methods:
        raw["runs"] = [{"methods": methods, "ipc": [1], "protocols": protocols or ["hard"], "students": ["resnet8"]}]
    return Plan(load_config(raw), [f"class{i}" for i in range(classes)])


@pytest.fixture(scope="module")
def plan() -> Plan:
    return plan_for()


# ---------------------------------------------------------------- shards


@pytest.mark.parametrize(
    ("classes", "size", "sizes"),
    [(10, 10, [10]), (10, 4, [4, 4, 2]), (3, 5, [3]), (2, 1, [1, 1]), (1000, 64, [64] * 15 + [40])],
)
def test_shards_are_consecutive_complete_and_of_the_size_asked_for(classes, size, sizes):
    plan = plan_for(classes=classes, shard_classes=size)
    assert [len(members) for members in plan.shards.values()] == sizes
    assert [i for members in plan.shards.values() for i in members] == list(range(classes))
    assert list(plan.shards) == [f"{i:04d}" for i in range(len(sizes))]


def test_shard_names_the_classes_at_its_label_indices(plan):
    assert plan.shard_class_ids("0002") == ["class8", "class9"]


# ---------------------------------------------------------------- starts


@pytest.mark.parametrize("method", ["d3hr", "weak", "matched"])
def test_methods_with_the_same_draw_share_its_first_owner_whatever_they_sample_from_it(plan, method):
    assert plan.start_owner(method) == "d3hr"


@pytest.mark.parametrize("method", ["fewer", "exact", "elsewhere"])
def test_methods_with_another_draw_own_theirs(plan, method):
    assert plan.start_owner(method) == method


@pytest.mark.parametrize("method", ["random", "full", "noise"])
def test_methods_without_an_inversion_have_no_start(plan, method):
    assert plan.start_of(method) is None


def plain(sampling: dict) -> dict:
    """Settings of sampling, with parts as a config says them."""
    parts = {key: part and part.model_dump() for key, part in sampling.items() if key in ("sampler", "guide")}
    return sampling | parts


@pytest.mark.parametrize(
    ("method", "sampling"),
    [
        ("noise", {"steps": 50, "first": None, "guidance": 3.0}),
        ("short", {"steps": 10, "first": None, "guidance": 4.0}),
        ("weak", {"steps": 40, "first": 21, "guidance": 1.0}),  # D3HR's code: one step noisier than the latents are
        ("matched", {"steps": 40, "first": 20, "guidance": 4.0}),
    ],
)
def test_sampling_begins_at_pure_noise_or_at_the_inversion_by_reference_or_matched(plan, method, sampling):
    assert plain(plan.sampling_of(method)) == {"sampler": "ddim", "guide": None} | sampling


# ---------------------------------------------------------------- labels


@pytest.mark.parametrize(
    ("protocol", "owner"),
    [
        ("soft", "soft"),
        ("hot", "soft"),  # the temperature is the student's affair
        ("adam", "soft"),
        ("longer", "longer"),
        ("flipped", "flipped"),
        ("judged", "judged"),
        ("few", "few"),
        ("few-hot", "few-hot"),  # what is left out is measured at the temperature
        ("few-adam", "few"),
        ("static", "static"),
        ("static-longer", "static"),  # one label an image, however it is viewed
        ("mixed", "mixed"),
        ("mixed-parts", "mixed"),  # how students compute is not the teacher's concern
        ("static-mixed", "static-mixed"),
    ],
)
def test_stored_labels_are_shared_by_protocols_that_would_store_the_same(plan, protocol, owner):
    assert plan.stores_labels(protocol)
    assert plan.label_owner(protocol) == owner


def test_how_much_of_a_label_is_kept_is_said_with_the_temperature_at_which_the_rest_is_measured(plan):
    assert plan.top_of("few-hot") == {"count": 3, "temperature": 4}
    assert plan.top_of("soft") is plan.top_of("hard") is None


@pytest.mark.parametrize(("protocol", "teacher"), [("hard", None), ("online", "resnet")])
def test_hard_and_online_labels_are_not_stored(plan, protocol, teacher):
    assert not plan.stores_labels(protocol)
    assert plan.labelling_of(protocol) is None
    assert plan.teacher_of(protocol) == teacher


# ---------------------------------------------------------------- what the runs need


def test_seeds_are_the_most_that_any_run_asks_for(plan):
    assert plan.seeds_of("random", "10", "hard", "resnet8") == 5
    assert plan.seeds_of("random", "1", "hard", "resnet8") == 2
    assert plan.seeds_of("full", "all", "soft", "resnet8") == 2
    assert plan.seeds_of("d3hr", "5", "hard", "convnet3") == 1
    assert plan.seeds_of("d3hr", "5", "soft", "convnet3") == 0


@pytest.mark.parametrize(
    ("methods", "protocols", "models", "encoders", "teachers"),
    [
        (["random", "full"], ["hard"], [], [], []),
        (["random"], ["soft", "judged"], [], [], ["resnet", "idle"]),
        (["d3hr", "noise"], ["online"], ["dit", "hub"], ["vae"], ["resnet"]),
        (["never"], ["hard"], ["idle"], ["idle-vae"], []),
    ],
)
def test_only_what_the_runs_need_is_used(methods, protocols, models, encoders, teachers):
    plan = plan_for(methods, protocols)
    assert plan.used_models() == models
    assert plan.used_encoders() == encoders
    assert plan.used_teachers() == teachers


def test_trained_and_fetched_models_are_told_apart(plan):
    assert plan.used_models(trained=True) == ["dit"]
    assert plan.used_models(trained=False) == ["hub"]
    assert plan.model_names("vae") == ["vae", "idle-vae"]
    assert plan.model_names(trained=False) == ["idle-vae", "hub", "idle"]


def test_wanted_names_each_combination_once_in_run_order(plan):
    assert plan.wanted("method") == [{"method": m} for m in ("random", "full", "noise", "d3hr")]
    assert plan.wanted("ipc", "student", methods=["d3hr"]) == [
        {"ipc": ipc, "student": student} for ipc in ("10", "5") for student in ("resnet8", "convnet3")
    ]


def test_smallest_sets_leave_out_the_full_one(plan):
    sets = [("random", "1"), ("noise", "1"), ("d3hr", "5")]
    assert plan.smallest_sets() == [{"method": method, "ipc": ipc} for method, ipc in sets]


def test_largest_sets_leave_out_the_full_one(plan):
    sets = [("random", "10"), ("noise", "10"), ("d3hr", "10")]
    assert plan.largest_sets() == [{"method": method, "ipc": ipc} for method, ipc in sets]


def test_method_that_no_run_names_gets_every_size_that_others_get(plan):
    assert plan.ipcs_of("exact") == ["1", "10", "5"]
    assert plan.ipcs_of("full") == ["all"]


def test_encoder_works_at_its_own_resolution_or_at_the_data_sets(plan):
    assert plan.codec_settings("vae")["resolution"] == 32
    assert plan.codec_settings("idle-vae")["resolution"] == 256


def test_provenance_tells_the_method_its_models_and_its_inversion_and_nothing_else(plan):
    told = plan.provenance_of("d3hr")
    assert told["settings"]["generate"]["guidance"] == 4.0
    assert set(told["models"]) == {"dit", "vae"}
    assert told["inversions"]["ddim"]["stop"] == 20
    assert (plan.provenance_of("random")["models"], plan.provenance_of("random")["inversions"]) == ({}, {})
    assert plan_for(shard_classes=1).provenance_of("d3hr") == told  # sharding changes no result


# ---------------------------------------------------------------- compositions

COMPOSED = """
dataset: {kind: digits, shard_classes: 5}
models:
  vae: {kind: vae, train: {}}
  fine-vae: {kind: vae, source: some/vae, resolution: 64}
  dit: {kind: dit, encoder: vae, train: {}, timestep_embedding: original}
  sd: {kind: sd, encoder: fine-vae, source: some/sd, dtype: float16, prompt: "Image of {name}."}
  idle: {kind: sdxl, encoder: fine-vae, source: some/sdxl}
teachers:
  judge: {arch: resnet8, train: {}}
  critic: {arch: resnet8, train: {}}
  idle: {arch: resnet8, train: {}}
inversions:
  ddim: {model: dit, steps: 40, stop: 20}
discoveries:
  density: {encoder: vae}
  coarser: {encoder: vae, hdbscan: {min_cluster_size: 50}}
  wider: {encoder: vae, umap: {neighbors: 85}}
  finer: {encoder: fine-vae}
typicalities:
  dit: {model: dit}
  sd: {model: sd}
methods:
  random: {select: random}
  full: {select: all}
  dit: {generate: {model: dit}}
  refined: {generate: {model: dit}, refine: {}}
  chosen: {generate: {model: dit, pool: 4}, select: {teacher: judge}}
  covering: {generate: {model: dit, pool: 4}, select: {coverage: kmeans, teacher: critic}}
  chosen-refined: {generate: {model: dit, pool: 2}, select: {coverage: herding, encoder: vae}, refine: {}}
  stronger: {generate: {model: dit, guidance: 5}}
  ancestral: {generate: {model: dit, sampler: ddpm, pool: 3}, select: {teacher: judge, keep: uncertain}}
  fast: {generate: {model: sd, sampler: dpm++}}
  guided: {generate: {model: dit, guide: {discovery: density, strength: 0.1, until: 0.5}}}
  guided-chosen:
    generate: {model: dit, guide: {discovery: density, strength: 0.1, until: 0.5}, pool: 2}
    select: {teacher: judge}
  guided-more: {generate: {model: dit, guide: {discovery: density, strength: 0.2, until: 0.5}}}
  guided-coarser: {generate: {model: dit, guide: {discovery: coarser, strength: 0.1, until: 0.5}}}
  d3hr: {generate: {model: dit, start: {inversion: ddim}}}
  d3hr-cao2: {generate: {model: dit, start: {inversion: ddim}, pool: 4}, select: {teacher: judge}, refine: {}}
  d3hr-coda: {generate: {model: dit, start: {inversion: ddim, first_step: matched}, guide: {discovery: density}}}
  real: {select: {discovery: finer}}
  herding: {select: {coverage: herding, encoder: fine-vae}}
  kmeans: {select: {coverage: kmeans, teacher: critic}}
  confident: {select: {teacher: judge}}
  rded: {compose: {score: {teacher: judge}}}
  rded-spread: {compose: {score: {teacher: judge}, rank: {clusters: 8, teacher: critic}, fill: consecutive}}
  rded-3: {compose: {score: {teacher: judge}, rank: {clusters: 8, teacher: critic}, grid: 3}}
  rded-few: {compose: {score: {teacher: judge, images: 10}}}
  ddps: {compose: {score: {typicality: dit}, rank: {clusters: 8, encoder: fine-vae}}}
  ddps-3: {compose: {score: {typicality: dit}, rank: {clusters: 8, encoder: fine-vae}, grid: 3, rounding: truncate}}
  ddps-more: {compose: {score: {typicality: dit}, rank: {clusters: 9, encoder: fine-vae}}}
  ddps-plain: {compose: {score: {typicality: dit}}}
  ddps-sd: {compose: {score: {typicality: sd}}}
  theirs: {images: a/set/made/elsewhere}
protocols:
  hard: {labels: hard, views: {steps: 10}, optimizer: {kind: sgd, lr: 0.1, schedule: constant}}
runs:
  - {methods: [random], ipc: [10], protocols: [hard], students: [resnet8]}
"""
METHODS = list(yaml.safe_load(COMPOSED)["methods"])


def composed_for(*methods: str, **dataset) -> Plan:
    return plan_for(list(methods), text=COMPOSED, **dataset)


@pytest.fixture(scope="module")
def composed() -> Plan:
    return plan_for(text=COMPOSED)


def owners(owner_of, names) -> dict[str, list[str]]:
    """Owner -> those that share with it, itself included."""
    shared: dict[str, list[str]] = {}
    for name in names:
        shared.setdefault(owner_of(name), []).append(name)
    return shared


def test_samples_are_shared_whatever_the_pool_and_what_becomes_of_it_but_not_when_sampled_otherwise(composed):
    assert owners(composed.generation_owner, [m for m in METHODS if composed.generate_of(m)]) == {
        "dit": ["dit", "refined", "chosen", "covering", "chosen-refined"],
        "stronger": ["stronger"],
        "ancestral": ["ancestral"],
        "fast": ["fast"],
        "guided": ["guided", "guided-chosen"],
        "guided-more": ["guided-more"],
        "guided-coarser": ["guided-coarser"],
        "d3hr": ["d3hr", "d3hr-cao2"],
        "d3hr-coda": ["d3hr-coda"],
    }


def test_starts_are_shared_whatever_is_sampled_from_them(composed):
    assert owners(composed.start_owner, ["d3hr", "d3hr-cao2", "d3hr-coda"]) == {
        "d3hr": ["d3hr", "d3hr-cao2", "d3hr-coda"]
    }


def test_scores_of_crops_depend_on_their_size_and_scores_of_windows_do_not(composed):
    assert owners(composed.score_owner, [m for m in METHODS if composed.compose_of(m)]) == {
        "rded": ["rded", "rded-spread"],
        "rded-3": ["rded-3"],
        "rded-few": ["rded-few"],
        "ddps": ["ddps", "ddps-3", "ddps-more", "ddps-plain"],
        "ddps-sd": ["ddps-sd"],
    }


def test_ranks_are_shared_by_those_that_rank_the_same_patches_alike(composed):
    assert owners(composed.rank_owner, composed.methods_that("rank_patches")) == {
        "rded-spread": ["rded-spread"],
        "rded-3": ["rded-3"],
        "ddps": ["ddps", "ddps-3"],
        "ddps-more": ["ddps-more"],
    }


def test_embeddings_are_shared_whatever_they_are_clustered_by(composed):
    assert owners(composed.embedding_owner, composed.config.discoveries) == {
        "density": ["density", "coarser"],
        "wider": ["wider"],
        "finer": ["finer"],
    }


@pytest.mark.parametrize(
    ("method", "ipc", "count"),
    [("dit", "5", "5"), ("chosen", "5", "20"), ("ancestral", "10", "30"), ("real", "5", "5"), ("full", "all", "all")],
)
def test_pool_is_counted_in_images(composed, method, ipc, count):
    assert composed.count_of(method, ipc) == count


@pytest.mark.parametrize(
    ("method", "sampling"),
    [
        ("chosen", {"sampler": "ddim", "guidance": 4.0, "steps": 50, "first": None, "guide": None}),
        ("ancestral", {"sampler": "ddpm", "guidance": 4.0, "steps": 50, "first": None, "guide": None}),
        ("fast", {"sampler": "dpm++", "guidance": 4.0, "steps": 25, "first": None, "guide": None}),
        (
            "guided-coarser",
            {"sampler": "ddim", "guidance": 4.0, "steps": 50, "first": None}
            | {"guide": {"discovery": "coarser", "strength": 0.1, "until": 0.5}},
        ),
        (
            "d3hr-coda",
            {"sampler": "ddim", "guidance": 4.0, "steps": 40, "first": 20}
            | {"guide": {"discovery": "density", "strength": 0.05, "until": 0.9}},
        ),
    ],
)
def test_sampling_is_by_sampler_grid_and_guide(composed, method, sampling):
    assert plain(composed.sampling_of(method)) == sampling


# ---------------------------------------------------------------- the jobs behind a set


def guided_by(discovery: str, number: str) -> dict:
    """The jobs of a discovery, whose embedding is that of `density` where only the clustering differs."""
    embedding = {"coarser": "density"}.get(discovery, discovery)
    return {
        "embed_classes": {"discovery": embedding},
        "cluster_classes": {"discovery": discovery},
        "choose_representatives": {"discovery": discovery, "number": number},
    }


def starts(number: str) -> dict:
    return {"invert_latents": {"inversion": "ddim"}, "choose_starts": {"method": "d3hr", "number": number}}


def generated(owner: str, number: str) -> dict:
    return {"generate_images": {"method": owner, "number": number}}


OWN = object()  # the method and its images per class
RDED = {"score_crops": {"method": "rded"}}
DDPS = {"score_typicality": {"typicality": "dit"}, "score_windows": {"method": "ddps"}}
JOBS = {
    "random": {"select_images": OWN},
    "full": {"select_images": OWN},
    "dit": generated("dit", "10"),
    "refined": generated("dit", "10") | {"refine_latents": OWN},
    "chosen": generated("dit", "40") | {"choose_from_pool": OWN},
    "covering": generated("dit", "40") | {"choose_from_pool": OWN},
    "chosen-refined": generated("dit", "20") | {"choose_from_pool": OWN, "refine_latents": OWN},
    "stronger": generated("stronger", "10"),
    "ancestral": generated("ancestral", "30") | {"choose_from_pool": OWN},
    "fast": generated("fast", "10"),
    "guided": guided_by("density", "10") | generated("guided", "10"),
    "guided-chosen": guided_by("density", "20") | generated("guided", "20") | {"choose_from_pool": OWN},
    "guided-more": guided_by("density", "10") | generated("guided-more", "10"),
    "guided-coarser": guided_by("coarser", "10") | generated("guided-coarser", "10"),
    "d3hr": starts("10") | generated("d3hr", "10"),
    "d3hr-cao2": starts("40") | generated("d3hr", "40") | {"choose_from_pool": OWN, "refine_latents": OWN},
    "d3hr-coda": starts("10") | guided_by("density", "10") | generated("d3hr-coda", "10"),
    "real": guided_by("finer", "10"),
    "herding": {"select_by_features": OWN},
    "kmeans": {"describe_images": {"teacher": "critic"}, "select_by_features": OWN},
    "confident": {"describe_images": {"teacher": "judge"}, "select_by_features": OWN},
    "rded": RDED | {"compose_mosaics": OWN},
    "rded-spread": RDED | {"rank_patches": {"method": "rded-spread"}, "compose_mosaics": OWN},
    "rded-3": {"score_crops": {"method": "rded-3"}, "rank_patches": {"method": "rded-3"}, "compose_mosaics": OWN},
    "rded-few": {"score_crops": {"method": "rded-few"}, "compose_mosaics": OWN},
    "ddps": DDPS | {"rank_patches": {"method": "ddps"}, "compose_mosaics": OWN},
    "ddps-3": DDPS | {"rank_patches": {"method": "ddps"}, "compose_mosaics": OWN},
    "ddps-more": DDPS | {"rank_patches": {"method": "ddps-more"}, "compose_mosaics": OWN},
    "ddps-plain": DDPS | {"compose_mosaics": OWN},
    "ddps-sd": {
        "score_typicality": {"typicality": "sd"},
        "score_windows": {"method": "ddps-sd"},
        "compose_mosaics": OWN,
    },
    "theirs": {"import_set": OWN},
}


@pytest.mark.parametrize("method", METHODS)
def test_set_has_the_jobs_of_its_stages_and_no_others(composed, method):
    ipc = "all" if method == "full" else "10"
    expected = {
        stage: [{"method": method, "ipc": ipc} if wildcards is OWN else wildcards]
        for stage, wildcards in JOBS[method].items()
    }
    found = {stage: composed.jobs_of(stage, method, ipc) for stage in composed.METHOD_STAGES}
    assert {stage: jobs for stage, jobs in found.items() if jobs} == expected
    assert composed.makers_of(method) == list(expected)


def test_every_stage_of_a_method_has_a_script_of_its_name(composed):
    assert [stage for stage in composed.METHOD_STAGES if stage not in STAGES] == []
    assert {stage for jobs in JOBS.values() for stage in jobs} == set(composed.METHOD_STAGES)


@pytest.mark.parametrize(
    "stage",
    [
        *("choose_from_pool", "refine_latents", "select_images", "select_by_features"),
        *("score_crops", "score_windows", "rank_patches", "compose_mosaics", "import_set"),
    ],
)
def test_rule_of_a_stage_is_open_to_the_methods_that_have_it_and_to_no_others(composed, stage):
    assert composed.methods_that(stage) == [method for method in METHODS if stage in JOBS[method]]


# ---------------------------------------------------------------- what a method asks

SPACES = {
    "covering": {"teacher": "critic"},
    "chosen-refined": {"encoder": "vae"},
    "herding": {"encoder": "fine-vae"},
    "kmeans": {"teacher": "critic"},
    **{method: {"teacher": "critic"} for method in ("rded-spread", "rded-3")},
    **{method: {"encoder": "fine-vae"} for method in ("ddps", "ddps-3", "ddps-more")},
}
JUDGED = ("chosen", "ancestral", "guided-chosen", "d3hr-cao2", "confident", "rded", "rded-few")
TEACHERS = {
    **{method: {"judge"} for method in JUDGED},
    **{method: {"critic"} for method in ("covering", "kmeans")},
    **{method: {"judge", "critic"} for method in ("rded-spread", "rded-3")},
}


@pytest.mark.parametrize("method", METHODS)
def test_method_names_the_space_it_covers_or_clusters_in_and_the_teachers_it_asks(composed, method):
    asked = composed.ranking_space if composed.compose_of(method) else composed.selection_space
    space = SPACES.get(method) or ({"teacher": "judge"} if method in JUDGED and not composed.compose_of(method) else {})
    assert asked(method) == space
    assert composed.teachers_of(method) == TEACHERS.get(method, set())


def test_selection_of_real_images_happens_in_latents_or_in_what_a_teacher_sees(composed):
    assert composed.methods_that("select_by_features") == ["herding", "kmeans", "confident"]
    spaces = [composed.selection_space(method) for method in ("herding", "kmeans", "confident")]
    assert spaces == [{"encoder": "fine-vae"}, {"teacher": "critic"}, {"teacher": "judge"}]


def test_settings_of_a_model_are_those_that_change_what_it_computes(composed):
    settings = {"kind": "dit", "dtype": "float32", "timestep_embedding": "original", "classes": "dataset"}
    assert composed.model_settings("dit") == settings
    assert composed.model_settings("sd") == {"kind": "sd", "dtype": "float16", "prompt": "Image of {name}."}
    assert (composed.encoder_of("sd"), composed.codec_settings("fine-vae")["resolution"]) == ("fine-vae", 64)


# models, encoders, teachers, inversions, discoveries, typicalities
NOTHING = ([], [], [], [], [], [])
DIT, JUDGE = (["dit"], ["vae"], [], [], [], []), ["judge"]
PARTS = {
    "random": NOTHING,
    "full": NOTHING,
    "dit": DIT,
    "refined": DIT,
    "chosen": (["dit"], ["vae"], JUDGE, [], [], []),
    "covering": (["dit"], ["vae"], ["critic"], [], [], []),
    "chosen-refined": DIT,
    "fast": (["sd"], ["fine-vae"], [], [], [], []),
    "guided": (["dit"], ["vae"], [], [], ["density"], []),
    "guided-coarser": (["dit"], ["vae"], [], [], ["coarser"], []),
    "d3hr-cao2": (["dit"], ["vae"], JUDGE, ["ddim"], [], []),
    "d3hr-coda": (["dit"], ["vae"], [], ["ddim"], ["density"], []),
    "real": ([], ["fine-vae"], [], [], ["finer"], []),
    "herding": ([], ["fine-vae"], [], [], [], []),
    "kmeans": ([], [], ["critic"], [], [], []),
    "confident": ([], [], JUDGE, [], [], []),
    "rded": ([], [], JUDGE, [], [], []),
    "rded-spread": ([], [], ["judge", "critic"], [], [], []),
    "ddps": (["dit"], ["vae", "fine-vae"], [], [], [], ["dit"]),
    "ddps-sd": (["sd"], ["fine-vae"], [], [], [], ["sd"]),
}


@pytest.mark.parametrize("method", PARTS)
def test_only_what_a_wanted_method_needs_is_used(method):
    plan = composed_for(method)
    models, encoders, teachers, _, discoveries, typicalities = PARTS[method]
    assert plan.used_models() == models
    assert plan.used_encoders() == encoders
    assert plan.used_teachers() == teachers
    assert plan.used_discoveries() == discoveries
    assert plan.used_typicalities() == typicalities


def test_what_several_methods_need_is_used_once_in_the_order_of_the_config():
    plan = composed_for("ddps-sd", "kmeans", "guided-coarser", "real", "rded", "ddps", "guided")
    assert plan.used_models() == ["dit", "sd"]
    assert plan.used_encoders(trained=True) == ["vae"]
    assert plan.used_encoders(trained=False) == ["fine-vae"]
    assert plan.used_teachers() == ["judge", "critic"]
    assert plan.used_discoveries() == ["density", "coarser", "finer"]
    assert plan.used_typicalities() == ["dit", "sd"]


SMALL = {
    "dataset": {"kind": "digits"},
    "models": {"vae": {"kind": "vae", "train": {}}, "dit": {"kind": "dit", "encoder": "vae", "train": {}}},
    "inversions": {"ddim": {"model": "dit"}},
    "methods": {"random": {"select": "random"}},
    "protocols": {
        "hard": {
            "labels": "hard",
            "views": {"steps": 1},
            "optimizer": {"kind": "sgd", "lr": 1, "schedule": "constant"},
        }
    },
    "runs": [{"methods": ["random"], "ipc": [1], "protocols": ["hard"], "students": ["resnet8"]}],
}


@pytest.mark.parametrize("method", PARTS)
def test_provenance_tells_everything_shared_that_a_set_depends_on_and_nothing_else(composed, method):
    told = composed.provenance_of(method)
    models, encoders, *others = PARTS[method]
    shared = ("teachers", "inversions", "discoveries", "typicalities")
    assert set(told["models"]) == {*models, *encoders}
    assert {part: set(told[part]) for part in shared} == dict(zip(shared, map(set, others), strict=True))
    assert told["settings"] == composed.config.methods[method].model_dump(
        mode="json", exclude_none=True, exclude={"fit"}
    )
    assert json.loads(json.dumps(told)) == told
    assert composed_for(method, shard_classes=1).provenance_of(method) == told


def test_provenance_leaves_out_what_no_image_depends_on():
    start = {"inversion": "ddim", "search": "closed-form", "groups": 7}
    config = SMALL | {
        "dataset": {"kind": "folder", "name": "mine", "path": "nowhere", "resolution": 32, "classes": ["cat", "dog"]},
        "methods": {"d3hr": {"generate": {"model": "dit", "start": start}, "paper": "other"}},
        "runs": [SMALL["runs"][0] | {"methods": ["d3hr"]}],
    }
    told = Plan(load_config(config), ["cat", "dog"]).provenance_of("d3hr")
    assert told["settings"].keys() == {"generate"}
    assert "groups" not in told["settings"]["generate"]["start"]
    assert told["data"].keys() == {"kind", "name", "path", "resolution", "classes", "class_names"} | {
        *("on_bad_image", "check", "val_fraction")
    }


def test_how_images_are_split_does_not_count_when_they_are_written_out():
    hub = {"kind": "huggingface", "path": "hub", "name": "hub", "resolution": 32, "classes": ["cat", "dog"]}
    layout = Plan(load_config(SMALL | {"dataset": hub}), ["cat", "dog"]).written_layout()
    assert layout == {
        "kind": "huggingface",
        "path": "hub",
        "format": "parquet",
        "label_column": None,
        "image_column": None,
        "val_split": None,
        "label_ids": None,
    }


def test_tables_ask_only_for_what_they_have_rows_of():
    recipe = SMALL["protocols"]["hard"]
    config = SMALL | {
        "methods": {name: {"select": "random"} for name in ("one", "two", "idle")},
        "protocols": {name: recipe | {"temperature": 1} for name in ("idle", "hard", "other")},
        "runs": [
            {"methods": [method], "ipc": [1], "protocols": [protocol], "students": ["resnet8"]}
            for method, protocol in (("two", "other"), ("one", "hard"))
        ],
    }
    plan = Plan(load_config(config), ["0", "1"])
    assert plan.wanted_that_select("random") == ["one", "two"]
    assert plan.wanted_protocols() == plan.hard_protocols() == list(plan.protocol_ids()) == ["hard", "other"]
    assert list(plan.protocol_ids(["two"])) == ["other"]


def test_provenance_tells_the_settings_of_what_is_shared(composed):
    told = composed.provenance_of("guided-coarser") | {
        "typicalities": composed.provenance_of("ddps-sd")["typicalities"]
    }
    assert told["discoveries"]["coarser"]["hdbscan"] == {"min_cluster_size": 50, "min_samples": 3}
    assert told["models"]["dit"]["timestep_embedding"] == "original"
    assert told["typicalities"]["sd"]["draws"] == 100
    assert composed.provenance_of("fast")["models"]["sd"]["prompt"] == "Image of {name}."


# ---------------------------------------------------------------- sides of sets


def sided(*sides: int | None, **more) -> Plan:
    """DDIM samples at several sides: methods of the names of these, or plain."""
    methods = {f"side{side}" if side else "plain": {"generate": {"model": "dit"}} for side in sides}
    for (name, method), side in zip(methods.items(), sides, strict=True):
        methods[name] = method | ({"side": side} if side else {})
    runs = [SMALL["runs"][0] | {"methods": list(methods)}]
    return Plan(load_config(SMALL | {"methods": methods | more, "runs": runs}), ["0", "1"])


def test_a_sets_side_is_its_methods_or_the_data_sets():
    plan = sided(None, 32, 40)
    assert [plan.side_of(method) for method in plan.wanted_methods] == [32, 32, 40]
    assert [plan.provenance_of(method)["side"] for method in plan.wanted_methods] == [32, 32, 40]


def test_views_have_a_side_only_where_they_are_cropped_from_larger_images():
    """So that nothing is computed again for a set whose side is the resolution, said or not."""
    plan = sided(None, 32, 40)
    plain, same, larger = (plan.views_of("hard", method, "1") for method in plan.wanted_methods)
    assert "side" not in plain
    assert same == plain
    assert larger == plain | {"side": 32}
    ViewSettings(**larger)


def test_samples_are_shared_at_one_side_only():
    plan = sided(None, 32, 40, other={"generate": {"model": "dit"}, "side": 40})
    assert [plan.generation_owner(m) for m in ("plain", "side32", "side40", "other")] == ["plain"] * 2 + ["side40"] * 2


@pytest.mark.parametrize(
    ("method", "word"),
    [
        ({"select": "random", "side": 31}, "found 31, but views of 32 pixels .* would enlarge them; give 32 or more"),
        ({"select": "all", "side": 40}, "select: all points at the training images as they are decoded"),
        ({"select": "all", "fit": "squash"}, "fit: squash is how a selection of real images"),
        ({"generate": {"model": "dit"}, "fit": "squash"}, "fit: squash is how a selection of real images"),
    ],
    ids=str,
)
def test_sides_and_fits_that_mean_nothing_are_refused(method, word):
    with pytest.raises(RetortError, match=f"methods.odd.*{word}"):
        load_config(SMALL | {"methods": SMALL["methods"] | {"odd": method}})


def test_windows_of_squashed_images_are_refused():
    models = {**SMALL["models"], "vae": {"kind": "vae", "train": {}, "fit": "squash", "filter": "lanczos"}}
    assert load_config(SMALL | {"models": models}).models["vae"].filter == "lanczos"
    with pytest.raises(RetortError, match=r"typicalities.map.model: windows are cut from the centred square .*'vae'"):
        load_config(SMALL | {"models": models, "typicalities": {"map": {"model": "dit"}}})


def test_how_test_images_are_resized_is_part_of_the_protocols_id():
    papers, other = (
        Plan(load_config(SMALL | {"dataset": {"kind": "digits", **rule}}), ["0", "1"])
        for rule in ({}, {"test_resize": "bicubic"})
    )
    assert papers.test_fit() == {"way": "test", "filter": "bilinear", "keep": 1.0}
    assert other.test_fit()["filter"] == "bicubic"
    assert papers.protocol_ids() != other.protocol_ids()
    assert papers.protocol_ids() == {"hard": papers.protocol("hard").id_with("bilinear")}
