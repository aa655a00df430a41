"""What reruns after which change, exactly. Rows that end in the tables rerun them too, which is cheap."""

import pytest

# Counts follow configs/smoke.yaml: two shards; sets random/dit/d3hr/full at 2 (full: all) images per class and
# d3hr at 1; students by both protocols but for d3hr at 1, which is hard only.
TABLES = {"tabulate_accuracy": 1, "tabulate_costs": 1, "draw_accuracy": 1, "all": 1}
AFTER_D3HR = {
    "generate_images": 4,
    "write_set": 2,
    "relabel_set": 1,
    "train_students": 3,
    "draw_contact_sheet": 2,
    "draw_gallery": 1,
    **TABLES,
}


def set_steps(config):
    config["protocols"]["hard"]["views"]["steps"] = 6


def set_soft_epochs(config):
    config["protocols"]["soft"]["views"]["epochs"] = 3


def set_rate(config):
    config["protocols"]["soft"]["optimizer"]["lr"] = 0.001


def set_guidance(config):
    config["methods"]["d3hr"]["generate"]["guidance"] = 3.0


def set_groups(config):
    config["methods"]["d3hr"]["generate"]["start"]["groups"] = 200


def set_inversion(config):
    config["inversions"]["ddim"]["stop"] = 5


def add_unused_method(config):
    config["methods"]["other"] = {"generate": {"model": "dit", "guidance": 1.0}}


CONFIG_CHANGES = {
    # Hard students: random, dit, full, d3hr at 2 and at 1.
    "student steps": (set_steps, {"train_students": 5, **TABLES}),
    # The stored views and labels change with the length; four sets have soft students.
    "soft epochs": (set_soft_epochs, {"relabel_set": 4, "train_students": 4, **TABLES}),
    # Stored labels do not depend on the student's optimiser.
    "soft learning rate": (set_rate, {"train_students": 4, **TABLES}),
    "guidance": (set_guidance, AFTER_D3HR),
    "number of groups": (set_groups, {"choose_starts": 2, **AFTER_D3HR}),
    "inversion stop": (set_inversion, {"invert_latents": 2, "choose_starts": 2, **AFTER_D3HR}),
    "a method that no run names": (add_unused_method, {}),
}


@pytest.mark.parametrize("change", CONFIG_CHANGES)
def test_a_config_change_reruns_what_it_can_affect_and_nothing_else(twin, change):
    edit, expected = CONFIG_CHANGES[change]
    config = twin.config
    edit(config)
    twin.configure(config)
    assert twin.planned() == expected


CODE_CHANGES = {
    "a comment": (
        "methods/ddim.py",
        "    stride = grid_stride(alphas_cumprod, steps)\n    for step in range(1",
        "    # why\n",
        {},
    ),
    "a docstring": ("stages/invert.py", '"""DDIM inversion of every', '"""The DDIM inversion of every', {}),
    "a line of the inversion stage": (
        "stages/invert.py",
        "    statistics = []\n",
        "    statistics = list()\n",
        {"invert_latents": 2, "choose_starts": 2, **AFTER_D3HR},
    ),
    "a line of the group search": (
        "methods/groups.py",
        "    return scores + skew_weight * skew[:, None]\n",
        "    return skew_weight * skew[:, None] + scores\n",
        {"choose_starts": 2, **AFTER_D3HR},
    ),
    "a line of the table": (
        "stages/tabulate.py",
        "    groups = pd.DataFrame(flat).groupby(CELL, sort=False)\n",
        "    groups = pd.DataFrame(list(flat)).groupby(CELL, sort=False)\n",
        {"tabulate_models": 1, **TABLES},
    ),
}


@pytest.mark.parametrize("change", CODE_CHANGES)
def test_a_code_change_reruns_the_stages_that_can_reach_it(twin, change):
    module, old, new, expected = CODE_CHANGES[change]
    twin.edit(f"workflow/retort/{module}", old, new + old if change == "a comment" else new)
    assert twin.planned() == expected


def test_a_fresh_checkout_reruns_nothing(twin):
    for script in (twin.folder / "workflow").rglob("*.py"):
        script.touch()
    (twin.folder / "Snakefile").touch()
    assert twin.planned() == {}
