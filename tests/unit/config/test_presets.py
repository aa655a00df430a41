"""The papers' protocols: their constants, what depends on the size of a set, and the name that stands in tables."""

import pytest
from tests.unit.config.test_config import GONE, edited, mistakes

from retort.config.load import load_config
from retort.config.presets import assumed, papers, presets
from retort.config.schema.evaluation import Protocol, at_ipc
from retort.evaluation.views import ViewSettings

PUBLISHED = {"hard-10": "hard-47b6983c", "soft-10": "soft-783a96e7"}
TEACHER = {"labels": {"teacher": "resnet"}}


def protocol(preset: str, **changes) -> Protocol:
    soft = {} if presets()[preset]["labels"] == "hard" else TEACHER
    return Protocol.model_validate({"preset": preset, **soft, **changes})


@pytest.mark.parametrize("name", presets())
def test_an_unchanged_preset_stands_in_tables_under_its_name(name):
    assert protocol(name).id == name


def test_a_changed_preset_has_another_name_which_depends_on_the_change_only():
    one, other, same = (protocol("hard-10", evaluations=n).id for n in (7, 8, 7))
    assert one == same != other
    assert one.startswith("hard-")
    assert protocol("soft-10", views={"flip": False}).id.startswith("soft-")


def test_a_protocol_written_out_in_full_has_the_name_of_the_preset_that_it_equals():
    assert Protocol.model_validate(presets()["hard-10"]).id == "hard-10"


def test_another_teacher_is_the_same_protocol():
    assert protocol("soft-10", labels={"teacher": "other"}).id == "soft-10"
    ids = [
        protocol("soft-10", labels={"teacher": "other", **of}).id for of in ({"kind": "static"}, {"top": 3}, {"top": 4})
    ]
    assert len({"soft-10", *ids}) == 4


def test_views_by_seed_are_another_protocol_and_none_by_default():
    ids = [
        protocol("equal-online-10", labels={"teacher": "any"} | more).id
        for more in ({}, {"views_by_seed": False}, {"views_by_seed": True})
    ]
    assert ids[0] == ids[1] == "equal-online-10" != ids[2]


def test_own_labels_are_a_protocol_of_their_own_at_each_temperature():
    own = [protocol("soft-10", labels="own", temperature=t) for t in (1, 20)]
    assert [one.id.split("-")[0] for one in own] == ["own", "own"]
    assert own[0].id != own[1].id


@pytest.mark.parametrize("name", papers())
def test_every_preset_has_a_fast_twin_that_is_the_same_in_bfloat16(name):
    twin, preset = protocol(f"{name}-fast"), protocol(name)
    assert twin.id == f"{name}-fast" == protocol(name, precision="bfloat16").id
    assert twin.precision == "bfloat16"
    assert preset.precision == "float32"
    assert twin.model_copy(update={"precision": "float32", "preset": name}) == preset


def test_fast_twins_are_known_to_editors_and_mistakes():
    shown = Protocol.model_json_schema()["properties"]["preset"]
    assert {"soft-100", "soft-100-fast", "hard-10-fast"} <= set(shown["examples"])
    assert "each with -fast behind its name is the same in bfloat16" in shown["description"]
    with pytest.raises(ValueError, match=r"'soft-100-fats'.*did you mean 'soft-100-fast'.*each with -fast"):
        Protocol.model_validate({"preset": "soft-100-fats"})


OTHERWISE = [{"precision": "bfloat16"}, {"precision": "float16"}, {"accumulate": 2}, {"forward_twice": True}]


def test_a_step_that_is_computed_otherwise_is_another_protocol():
    ids = {protocol("soft-10", **changes).id for changes in ({}, *OTHERWISE)}
    assert len(ids) == 5
    assert {"soft-10", "soft-10-fast"} < ids


def test_ids_are_those_that_were_published_before_steps_could_be_computed_otherwise():
    changed = {"hard-10": protocol("hard-10", evaluations=7), "soft-10": protocol("soft-10", temperature=4.0)}
    assert {name: p.id for name, p in changed.items()} == PUBLISHED
    spelt_out = {"precision": "float32", "accumulate": 1, "forward_twice": False}
    assert protocol("hard-10", evaluations=7, **spelt_out).id == PUBLISHED["hard-10"]


def test_another_way_to_resize_test_images_is_another_protocol():
    for name in ("soft-10", "hard-10"):
        papers, other = (protocol(name).id_with(resize) for resize in ("bilinear", "bicubic"))
        assert papers == name
        assert other.startswith(f"{name[:4]}-")
        assert other not in presets()
    changed = protocol("hard-10", evaluations=7)
    assert changed.id_with("bilinear") != changed.id_with("bicubic")


def test_changes_are_laid_over_the_preset():
    changed = protocol("hard-10", views={"jitter": 0.0}, optimizer={"lr": 0.5})
    assert (changed.views.jitter, changed.views.lighting, changed.views.epochs[10]) == (0.0, 0.1, 2000)
    assert (changed.optimizer.lr, changed.optimizer.momentum) == (0.5, 0.9)


@pytest.mark.parametrize(
    ("ipc", "epochs"),
    [("1", 3000), ("2", 2000), ("10", 2000), ("20", 1500), ("50", 1500), ("100", 1000), ("200", 1000)],
)
def test_epochs_of_hard_labels_are_the_reference_codes(ipc, epochs):
    """As in `hard_label` of tests/fixtures/parity/eval_protocol/case.json."""
    assert protocol("hard-10").views.at(ipc, 1)["epochs"] == epochs


def test_all_presets_hold_the_reference_codes_epochs(parity):
    told = parity("eval_protocol").facts["hard_label"]
    for preset, key in (
        ("hard-10", "epochs_by_ipc"),
        ("hard-100", "epochs_by_ipc_nclass100"),
        ("hard-1000", "epochs_by_ipc"),
    ):
        for ipc, epochs in told[key].items():
            assert protocol(preset).views.at(ipc, 1)["epochs"] == epochs, (preset, ipc)


@pytest.mark.parametrize(
    ("presets_of", "batches"),
    [
        (["soft-10", "soft-cao2-10", "soft-cifar10"], {1: 10, 10: 50, 50: 100}),
        (["soft-100", "soft-cao2-100", "soft-cifar100"], {1: 20, 10: 100, 50: 200}),
        (["soft-tiny"], {1: 100, 10: 100, 50: 100}),
        (["soft-d3hr", "soft-d3hr-woof", "soft-d3hr-cifar"], {1: 15, 10: 50, 20: 50, 50: 100, 100: 100}),
        (["soft-d3hr-100", "soft-d3hr-cifar-100"], {1: 30, 10: 100, 20: 100, 50: 200, 100: 200}),
    ],
)
def test_batches_are_those_of_the_reference_codes(presets_of, batches):
    """RDED's argument.py and D3HR's, by images per class; both double for 100 classes, RDED for 1,000 too."""
    for preset in presets_of:
        assert {ipc: protocol(preset).views.at(str(ipc), 1)["batch"] for ipc in batches} == batches, preset


@pytest.mark.parametrize(("ipc", "epochs"), [("1", 1000), ("10", 2000), ("20", 1000), ("50", 1500), ("100", 1000)])
def test_epochs_on_imagewoof_are_d3hrs(ipc, epochs):
    assert protocol("soft-d3hr-woof").views.at(ipc, 1)["epochs"] == epochs


def test_d3hr_trains_for_400_epochs_on_cifar_and_else_as_on_imagenet():
    for cifar, other in (("soft-d3hr-cifar", "soft-d3hr"), ("soft-d3hr-cifar-100", "soft-d3hr-100")):
        one, twin = (protocol(name).model_dump(exclude={"preset", "evaluations"}) for name in (cifar, other))
        assert (one["views"].pop("epochs"), twin["views"].pop("epochs")) == (400, 300)
        assert one == twin


REGIMES = {"hard": "hard", "static": "static", "soft": "region", "online": "online"}


@pytest.mark.parametrize("classes", [10, 100, 1000])
def test_the_family_of_equal_compute_differs_in_its_labels_alone(classes):
    family = {regime: protocol(f"equal-{regime}-{classes}") for regime in REGIMES}
    bare = [p.model_dump(exclude={"preset", "labels", "temperature"}) for p in family.values()]
    assert bare == [bare[0]] * 4
    for regime, kind in REGIMES.items():
        labels = family[regime].teacher_labels
        assert (labels.kind if labels else family[regime].labels) == kind
        assert regime == "hard" or family[regime].temperature == 20


@pytest.mark.parametrize(("classes", "rded"), [(10, "soft-10"), (100, "soft-100"), (1000, "soft-100")])
def test_equal_compute_is_as_long_as_rdeds_for_50_images_per_class(classes, rded):
    theirs = ViewSettings(**protocol(rded).views.at("50", 1))
    for ipc in ("1", "10", "50"):
        ours = ViewSettings(**protocol(f"equal-soft-{classes}").views.at(ipc, 1))
        images = classes * int(ipc)
        assert ours.total_steps(images) == theirs.total_steps(50 * classes)
        assert ours.total_views(images) == theirs.total_views(50 * classes)


def test_constants_that_a_paper_does_not_state_are_known_until_they_are_changed():
    def of(name: str, **changes) -> list[str]:
        return assumed(name, protocol(name, **changes).model_dump(mode="json"))

    every = ["temperature", "views.crop", "optimizer.weight_decay", "optimizer.betas", "evaluations", "precision"]
    assert of("soft-rd3") == every
    assert of("soft-rd3", temperature=4.0, views={"crop": [0.5, 1.0]}) == every[2:]
    assert of("soft-rd3-fast") == every[:-1]
    assert [of("soft-10"), of("equal-hard-10"), assumed(None, {})] == [[], [], []]
    assert protocol("soft-rd3").id == "soft-rd3"


def test_updates_leave_the_ids_of_other_lengths_as_they_were():
    lengths = ({"epochs": None, "updates": 7}, {"epochs": None, "steps": 7}, {"epochs": 7})
    ids = {protocol("hard-10", views=length).id for length in lengths}
    assert len(ids) == 3


def test_a_number_by_size_holds_up_to_its_bound_and_the_last_beyond():
    table = {50: 5, 10: 1}
    assert [at_ipc(table, ipc) for ipc in ("1", "10", "11", "50", "51", "all")] == [1, 1, 5, 5, 5, 5]
    assert at_ipc(7, "all") == 7
    assert at_ipc(None, "1") is None


def test_patches_are_shuffled_where_the_set_is_made_of_them():
    assert protocol("soft-10").views.at("10", 2)["shuffle"] == 2
    assert protocol("soft-10").views.at("10", 1)["shuffle"] == 1
    assert protocol("soft-d3hr").views.at("10", 2)["shuffle"] == 1
    assert [protocol("soft-cao2-10").views.at("10", grid)["shuffle"] for grid in (1, 2, 3)] == [2, 2, 2]


@pytest.mark.parametrize(
    ("edits", "place", "words"),
    [
        ([("protocols.hard.preset", "hard-11")], "protocols.hard", ["no preset is called 'hard-11'", "'hard-10'"]),
        (
            [("protocols.hard.views.batch", {})],
            "protocols.hard.views.batch",
            ["must have at least one entry", "found {}"],
        ),
        ([("protocols.hard.views.batch", {10: 0})], "protocols.hard.views.batch[10]", ["at least 1"]),
        ([("protocols.hard.views.shuffle_patches", 1)], "protocols.hard.views.shuffle_patches", ["at least 2"]),
        ([("protocols.hard.views.batch", "many")], "protocols.hard.views.batch", ["a whole number"]),
        (
            [("protocols.hard.views.steps", GONE), ("protocols.hard.views", {"updates": 9, "batch": {1: 8, 10: 16}})],
            "protocols.hard.views",
            ["with updates, batch must be one number", "found a table"],
        ),
        (
            [("protocols.soft.labels.views_by_seed", True)],
            "protocols.soft.labels",
            ["stored labels are of views that all seeds share", "give kind: online"],
        ),
        (
            [("protocols.soft.labels.views_by_seed", True), ("protocols.soft.labels.kind", "static")],
            "protocols.soft.labels",
            ["each seed draws views of its own already", "leave it out"],
        ),
        ([("protocols.hard.views.mixup", 1.0)], "protocols.hard.views", ["cutmix and mixup cannot both be on"]),
    ],
)
def test_mistakes_are_named_with_their_place(edits, place, words):
    ((where, said),) = mistakes(edited(*edits))
    assert where == place
    assert all(word in said for word in words), said


def test_a_config_may_name_a_preset_and_nothing_else():
    config = load_config(edited(("protocols.hard", {"preset": "hard-10"})))
    assert config.protocols["hard"].id == "hard-10"
