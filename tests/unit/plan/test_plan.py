"""The plan: shards, who owns what methods and protocols share, and only what the runs need."""

import pytest
from tests.helpers.plans import SMALL, plain, plan_for

from retort.base.errors import RetortError
from retort.config.load import load_config
from retort.evaluation.views import ViewSettings
from retort.plan.plan import Plan


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
    assert plain(plan.sampling_of(method)) == {"sampler": "ddim", "guides": [], "channels": None} | sampling


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
