"""Classes that are too small for what the runs ask: said of all methods at once, before anything is computed."""

from pathlib import Path

import pytest
from tests.helpers.small_datasets import REST, painted
from tests.helpers.workspace import smoke_config

from retort.base.errors import RetortError
from retort.config.load import load_config
from retort.data.classes import class_list
from retort.data.sizes import Need, as_word, from_word, refuse_small_classes
from retort.plan.least import needs_of, refuse_known_small, word_of_needs
from retort.plan.plan import Plan
from retort.stages.data import build_manifest as prepare
from retort.stages.data.build_manifest import build_manifest

PARTS = {
    "models": {"vae": {"kind": "vae", "source": "vae"}, "dit": {"kind": "dit", "source": "dit", "encoder": "vae"}},
    "teachers": {"judge": {"arch": "resnet8", "train": {}}},
    "inversions": {"ddim": {"model": "dit"}},
    "discoveries": {"density": {"encoder": "vae"}},
    "typicalities": {"typical": {"model": "dit"}},
}
METHODS = {
    "random": {"select": "random"},
    "whole": {"select": "all"},
    "herding": {"select": {"coverage": "herding", "encoder": "vae"}},
    "sure": {"select": {"teacher": "judge"}},
    "found": {"select": {"discovery": "density"}},
    "plain": {"generate": {"model": "dit"}},
    "coda": {"generate": {"model": "dit", "guide": {"discovery": "density"}}},
    "pooled": {
        "generate": {"model": "dit", "guide": {"discovery": "density"}, "pool": 4},
        "select": {"teacher": "judge"},
    },
    "d3hr": {"generate": {"model": "dit", "start": {"inversion": "ddim"}}},
    "rded": {"compose": {"score": {"teacher": "judge"}, "grid": 3}},
    "ddps": {"compose": {"score": {"typicality": "typical", "per_image": 5}}},
}
EIGHT = {  # images of a class that a set of eight needs, where it needs any
    "random": 8,
    "herding": 8,
    "sure": 8,
    "found": 8,
    "coda": 8,
    "pooled": 32,
    "rded": 72,
    "ddps": 7,  # 32 patches, five of an image
}


def plan_of(root: Path, methods: list[str], ipc: list[int], **more) -> Plan:
    dataset = {"kind": "folder", "path": str(root), "name": "mine", "resolution": 32} | more.pop("dataset", {})
    run = REST["runs"][0] | {"methods": methods, "ipc": ipc}
    config = load_config(REST | PARTS | {"dataset": dataset, "methods": METHODS, "runs": [run]} | more)
    return Plan(config, class_list(config.dataset))


def pictures(root: Path, **counts: int) -> Path:
    return painted(root, [f"{c}/{i:03d}.png" for c, count in counts.items() for i in range(count)])


def built(plan: Plan, out: Path) -> Path:
    out.mkdir(exist_ok=True)
    places = [str(out / name) for name in ("manifest.parquet", "classes.csv", "bad.csv")]
    build_manifest(
        None,
        *places,
        **plan.manifest_settings(),
        class_ids=plan.classes,
        made_of={"data": plan.contents_stamp()},
        needed=word_of_needs(plan),
        threads=1,
    )
    return out / "manifest.parquet"


def said(run) -> str:
    with pytest.raises(RetortError) as caught:
        run()
    return str(caught.value)


# ---------------------------------------------------------------- what is needed


@pytest.mark.parametrize("method", METHODS)
def test_each_method_needs_what_its_own_stage_would_ask_for(tmp_path, method):
    root = pictures(tmp_path, cat=2, dog=2)
    needs = {need.name: need.images for need in needs_of(plan_of(root, [method], [1, 8, 3]))}
    assert needs.pop("inversions.ddim", None) == (2 if method == "d3hr" else None)
    assert needs == ({method: EIGHT[method]} if method in EIGHT else {})


def test_measures_within_classes_need_their_neighbours(tmp_path):
    root = pictures(tmp_path, cat=2, dog=2)
    for measures, needed in ((["density-coverage"], {"quality.neighbors": 8}), (["fid"], {})):
        quality = {"teacher": "judge", "neighbors": 7, "measures": measures}
        assert {n.name: n.images for n in needs_of(plan_of(root, ["plain"], [1], quality=quality))} == needed


def test_needs_travel_as_one_word():
    needs = [Need("rded-2", 8, 9, 1, "patches"), Need("inversions.ddim", 0, 2, 1, "variance")]
    assert from_word(as_word(needs)) == needs
    assert not set(as_word(needs)) & set(" '\"{}$,=")  # it travels through shells
    assert from_word("") == []


@pytest.mark.parametrize(("size", "ipc"), [(72, 8), (71, 7), (9, 1), (8, 0)])
def test_the_most_that_fits_is_named(size, ipc):
    need = Need("rded", ipc, 9, 1, "patches")
    assert need.fits(size) == ipc
    if ipc:
        refuse_small_classes({"cat": size}, [need], "counted")
    with pytest.raises(RetortError, match=rf"ipc {ipc} is the most" if ipc else "no ipc is small enough"):
        refuse_small_classes({"cat": size}, [Need("rded", ipc + 1, 9, 1, "patches")], "counted")


# ---------------------------------------------------------------- when it is said


def test_every_method_and_class_that_is_too_small_is_named_at_once_and_no_image_is_read(tmp_path, monkeypatch):
    """14 images a class of which 3 are held out, as in the reported case: 11 are left."""
    root = pictures(tmp_path / "images", ant=14, bee=14, cat=90)
    monkeypatch.setitem(prepare.MEASURES, "decode", lambda path: pytest.fail("an image was read"))
    plan = plan_of(root, ["random", "whole", "coda", "pooled", "rded", "ddps"], [1, 8])
    message = said(lambda: built(plan, tmp_path / "out"))
    assert message.splitlines()[1:-1] == [
        "  - pooled at ipc 8 needs 32 of each class (generate.pool times ipc different representatives): ant has 11, "
        "bee has 11; ipc 2 is the most",
        "  - rded at ipc 8 needs 72 of each class (grid x grid patches an image, each from an image of its own): "
        "ant has 11, bee has 11; ipc 1 is the most",
    ]
    assert "before any is read" in message
    assert not list((tmp_path / "out").iterdir())


def test_images_that_cannot_be_read_do_not_count(tmp_path):
    root = pictures(tmp_path / "images", **{f"{s}/{c}": 3 for s in ("train", "val") for c in ("cat", "dog")})
    built(plan_of(root, ["random"], [3]), tmp_path / "out")
    (root / "train/dog/001.png").write_text("no image")
    skipping = plan_of(root, ["random"], [3], dataset={"on_bad_image": "skip"})
    message = said(lambda: built(skipping, tmp_path / "other"))
    assert "random at ipc 3 needs 3 of each class (one image of the class for each of the set): dog has 2" in message
    assert "1 unreadable ones left out" in message


def test_a_larger_ipc_later_is_refused_while_the_run_is_planned(tmp_path):
    root = pictures(tmp_path / "images", cat=14, dog=20)
    small, large = plan_of(root, ["random", "herding"], [11]), plan_of(root, ["random", "herding"], [11, 12])
    manifest = built(small, tmp_path / "out")
    refuse_known_small(small, manifest)
    message = said(lambda: refuse_known_small(large, manifest))
    assert "random at ipc 12 needs 12 of each class (one image of the class for each of the set): cat has 11" in message
    assert "herding at ipc 12" in message
    assert str(manifest) in message
    assert "dog" not in message
    refuse_known_small(large, tmp_path / "no manifest yet")


def test_what_would_be_counted_again_is_left_to_the_rule_that_counts(tmp_path):
    root = pictures(tmp_path / "images", cat=14, dog=20)
    manifest = built(plan_of(root, ["random"], [11]), tmp_path / "out")
    refuse_known_small(plan_of(root, ["random"], [12], dataset={"val_fraction": 0.1}), manifest)
    refuse_known_small(plan_of(root, ["random"], [12], dataset={"on_bad_image": "skip"}), manifest)
    pictures(root, cat=40)
    refuse_known_small(plan_of(root, ["random"], [12]), manifest)


def test_readable_names_and_shards_change_no_count(tmp_path):
    root = pictures(tmp_path / "images", cat=14, dog=20)
    manifest = built(plan_of(root, ["random"], [11]), tmp_path / "out")
    other = {"class_names": {"cat": "a cat"}, "shard_classes": 1, "watch": "images"}
    assert "cat has 11" in said(lambda: refuse_known_small(plan_of(root, ["random"], [12], dataset=other), manifest))


def test_max_per_class_says_it_before_there_are_any_images(tmp_path):
    classes = {"classes": ["cat", "dog"], "max_per_class": 30}
    refuse_known_small(plan_of(tmp_path / "nowhere", ["random", "rded"], [3], dataset=classes), tmp_path / "none")
    plan = plan_of(tmp_path / "nowhere", ["random", "rded"], [4], dataset=classes)
    message = said(lambda: refuse_known_small(plan, tmp_path / "none"))
    assert "dataset.max_per_class" in message
    assert "rded at ipc 4 needs 36 of each class" in message
    assert "each class has 30; ipc 3 is the most" in message


def test_ipc_is_a_resource_of_the_rule_and_no_parameter():
    config = load_config(smoke_config())
    more = config.model_copy(update={"runs": [run.model_copy(update={"ipc": [7]}) for run in config.runs]})
    plans = [Plan(c, class_list(c.dataset)) for c in (config, more)]
    assert plans[0].manifest_settings() == plans[1].manifest_settings()
    assert plans[0].counted_by() == plans[1].counted_by()
    assert word_of_needs(plans[0]) != word_of_needs(plans[1])
