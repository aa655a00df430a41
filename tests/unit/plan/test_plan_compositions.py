"""The plan of compositions: who owns what they share, and the jobs behind a set."""

import pytest
import yaml
from tests.helpers.plans import COMPOSED, METHODS, STAGES, plain, plan_for

from retort.base.seeds import derive_seed
from retort.plan.plan import Plan


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
        "dit": ["dit", "refined", "chosen", "covering", "chosen-refined", "grouped"],
        "stronger": ["stronger"],
        "ancestral": ["ancestral"],
        "fast": ["fast"],
        "guided": ["guided", "guided-chosen"],
        "guided-more": ["guided-more"],
        "guided-coarser": ["guided-coarser"],
        "moded": ["moded"],
        "noised": ["noised"],
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
    assert owners(composed.embedding_owner, composed.discoveries_that("embed_classes")) == {
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


WHOLE = {"channels": None}  # CFG acts on all channels


@pytest.mark.parametrize(
    ("method", "sampling"),
    [
        ("chosen", {"sampler": "ddim", "guidance": 4.0, "steps": 50, "first": None, "guides": []} | WHOLE),
        ("ancestral", {"sampler": "ddpm", "guidance": 4.0, "steps": 50, "first": None, "guides": []} | WHOLE),
        ("fast", {"sampler": "dpm++", "guidance": 4.0, "steps": 25, "first": None, "guides": []} | WHOLE),
        (
            "guided-coarser",
            {"sampler": "ddim", "guidance": 4.0, "steps": 50, "first": None}
            | {"guides": [{"discovery": "coarser", "form": "conditional", "strength": 0.1, "until": 0.5}]}
            | WHOLE,
        ),
        (
            "d3hr-coda",
            {"sampler": "ddim", "guidance": 4.0, "steps": 40, "first": 20}
            | {"guides": [{"discovery": "density", "form": "conditional", "strength": 0.05, "until": 0.9}]}
            | WHOLE,
        ),
        (
            "noised",
            {"sampler": "ddim", "guidance": 4.0, "steps": 50, "first": 34}
            | {"guides": [{"discovery": "density", "form": "conditional", "strength": 0.05, "until": 0.9}]}
            | WHOLE,
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


MODES = {"find_representatives": {"discovery": "modes", "number": "10"}}
OWN = object()  # the method and its images per class
RDED = {"score_crops": {"method": "rded"}}
DDPS = {"score_typicality": {"typicality": "dit"}, "score_windows": {"method": "ddps"}}
GROUPED = {"describe_subgroups": OWN, "choose_subgroups": OWN}
LEARNED = {"train_dynamics": {"dynamics": "lessons", "run": "0"}, "record_dynamics": {"dynamics": "lessons"}}
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
    "moded": MODES | generated("moded", "10"),
    "noised": guided_by("density", "10") | MODES | generated("noised", "10"),
    "real": guided_by("finer", "10"),
    "herding": {"select_by_features": OWN},
    "kmeans": {"describe_images": {"teacher": "critic"}, "select_by_features": OWN},
    "confident": {"describe_images": {"teacher": "judge"}, "select_by_features": OWN},
    "grouped": generated("dit", "30") | {"describe_images": {"teacher": "critic"}} | GROUPED | {"refine_latents": OWN},
    "hardest": LEARNED | {"select_by_features": OWN},
    "easiest": LEARNED | {"select_by_features": OWN},
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
        *("describe_subgroups", "choose_subgroups"),
        *("score_crops", "score_windows", "rank_patches", "compose_mosaics", "import_set"),
    ],
)
def test_rule_of_a_stage_is_open_to_the_methods_that_have_it_and_to_no_others(composed, stage):
    assert composed.methods_that(stage) == [method for method in METHODS if stage in JOBS[method]]


# ---------------------------------------------------------------- several sets of one method


def with_seeds(*methods: str) -> tuple[Plan, Plan]:
    """The plan, and one in which each of these methods has a twin NAME-1 of seed 1 behind all others."""
    config = yaml.safe_load(COMPOSED)
    config["methods"] |= {f"{name}-1": config["methods"][name] | {"seed": 1} for name in methods}
    return plan_for(text=COMPOSED), plan_for(text=yaml.safe_dump(config, sort_keys=False))


def test_seed_0_is_the_global_seed_and_another_is_one_of_its_own():
    before, plan = with_seeds("dit", "d3hr")
    assert {plan.seed_of(name) for name in METHODS} == {plan.seed} == {before.seed}
    assert plan.seed_of("dit-1") == plan.seed_of("d3hr-1") == derive_seed(plan.seed, "set", 1) != plan.seed
    for name in METHODS:
        assert plan.provenance_of(name, "10") == before.provenance_of(name, "10")
    assert plan.provenance_of("dit-1", "10")["settings"]["seed"] == 1


def test_nothing_that_is_drawn_is_shared_between_seeds_and_everything_else_is():
    _, plan = with_seeds("dit", "refined", "d3hr", "d3hr-cao2", "rded-spread", "ddps")
    assert plan.generation_owner("dit-1") == plan.generation_owner("refined-1") == "dit-1"
    assert plan.start_owner("d3hr-1") == plan.start_owner("d3hr-cao2-1") == "d3hr-1"
    assert plan.score_owner("rded-spread-1") == plan.rank_owner("rded-spread-1") == "rded-spread-1"
    assert plan.score_owner("ddps-1") == "ddps"  # windows are not drawn
    assert plan.rank_owner("ddps-1") == "ddps-1"  # clusters are
    assert plan.inversion_of("d3hr-1") == plan.inversion_of("d3hr")
    assert [plan.generation_owner(m) for m in ("dit", "refined")] == ["dit", "dit"]


def test_the_unguided_method_beside_one_has_its_noise():
    _, plan = with_seeds("dit", "guided")
    assert [plan.unguided_of(name) for name in ("guided", "guided-1", "d3hr")] == ["dit", "dit-1", "dit"]
