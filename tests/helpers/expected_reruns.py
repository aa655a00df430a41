"""What reruns after which change of the smoke config or of the code, counted by hand."""

# Counts follow configs/smoke.yaml: one shard; sets random/dit/d3hr/full at 2 (full: all) images per class by both
# protocols, by hard labels every other method at 1, d3hr at 1, and coda/coda-real/ddps at 2. d3hr-cao2 at 1 image takes
# the two images of d3hr as its pool, and they share their starts; d3hr-coda at 1 shares its start with d3hr.
TABLES = {
    "tabulate_accuracy": 1,
    "tabulate_scores": 1,
    "tabulate_classes": 1,
    "tabulate_costs": 1,
    "draw_accuracy": 1,
    "all": 1,
}


def sets(count, **before):
    """What follows from new images in `count` sets with hard students, after the jobs `before`."""
    shown = {"write_set": count, "draw_contact_sheet": count, "draw_gallery": 1, "draw_classes": 1}
    return {"train_students": count, **shown, **TABLES, **before}


# d3hr itself at two sizes; d3hr-cao2, which no longer finds its pool with d3hr, or finds another.
AFTER_D3HR = sets(
    3, generate_images=3, choose_from_pool=1, refine_latents=1, draw_refinement=1, relabel_set=1, train_students=4
)
# Another start changes d3hr-coda too.
AFTER_START = {**AFTER_D3HR, "write_set": 4, "draw_contact_sheet": 4, "train_students": 5}
# coda at two sizes and d3hr-coda are guided by the representatives, coda-real at two sizes shows them.
AFTER_DISCOVERY = sets(5, choose_representatives=2, generate_images=3, draw_discovery=1)
AFTER_RANKING = sets(2, compose_mosaics=2, draw_typicality=1)
AFTER_REFINEMENT = sets(1, refine_latents=1, draw_refinement=1)


def setting(path, value):
    """Sets one place of the config."""

    def edit(config):
        *tables, key = path.split("/")
        for name in tables:
            config = config[name]
        config[key] = value

    return edit


CONFIG_CHANGES = {
    # Hard students: every set.
    "student steps": (setting("protocols/hard/views/steps", 6), {"train_students": 25, **TABLES}),
    # The stored views and labels change with the length; four sets have soft students.
    "soft epochs": (setting("protocols/soft/views/epochs", 3), {"relabel_set": 4, "train_students": 4, **TABLES}),
    # Stored labels do not depend on the student's optimiser.
    "soft learning rate": (setting("protocols/soft/optimizer/lr", 0.001), {"train_students": 4, **TABLES}),
    "guidance": (setting("methods/d3hr/generate/guidance", 3.0), AFTER_D3HR),
    # The others keep their groups, which now are their own.
    "number of groups": (
        setting("methods/d3hr/generate/start/groups", 200),
        {**AFTER_START, "choose_starts": 4, "generate_images": 4},
    ),
    "inversion stop": (
        setting("inversions/ddim/stop", 5),
        {**AFTER_START, "invert_latents": 1, "choose_starts": 2, "draw_inversion": 1},
    ),
    "neighbours of the embedding": (
        setting("discoveries/density/umap/neighbors", 12),
        {**AFTER_DISCOVERY, "embed_classes": 1, "cluster_classes": 1},
    ),
    "cluster size": (
        setting("discoveries/density/hdbscan", {"min_cluster_size": 8}),
        {**AFTER_DISCOVERY, "cluster_classes": 1},
    ),
    "strength of the guide": (setting("methods/coda/generate/guide/strength", 0.1), sets(2, generate_images=2)),
    "draws of the typicality": (
        setting("typicalities/default/draws", 5),
        {**AFTER_RANKING, "score_typicality": 1, "score_windows": 1, "rank_patches": 1},
    ),
    "window": (
        setting("methods/ddps/compose/score/window", 0.4),
        {**AFTER_RANKING, "score_windows": 1, "rank_patches": 1},
    ),
    "clusters of patches": (setting("methods/ddps/compose/rank/clusters", 3), {**AFTER_RANKING, "rank_patches": 1}),
    "fill of the mosaics": (setting("methods/ddps/compose/fill", "strided"), sets(2, compose_mosaics=2)),
    "crops": (setting("methods/rded/compose/score/crops", 4), sets(1, score_crops=1, compose_mosaics=1)),
    # Another set each; 0 is what there is without the key.
    "seed of random images": (
        setting("methods/random/seed", 1),
        sets(1, select_images=1, relabel_set=1, train_students=2),
    ),
    "seed of k-means": (setting("methods/kmeans/seed", 1), sets(1, select_by_features=1)),
    "seed of the crops": (setting("methods/rded/seed", 1), sets(1, score_crops=1, compose_mosaics=1)),
    "seed of the groups": (
        setting("methods/d3hr/seed", 1),
        {**AFTER_START, "choose_starts": 4, "generate_images": 4},
    ),
    "seed of a pool and its refinement": (
        setting("methods/cao2/seed", 1),
        {**AFTER_REFINEMENT, "generate_images": 1, "choose_from_pool": 1},
    ),
    "a seed of 0": (setting("methods/d3hr/seed", 0), {}),
    "what the teacher keeps": (
        setting("methods/cao2/select/keep", "uncertain"),
        {**AFTER_REFINEMENT, "choose_from_pool": 1},
    ),
    "rate of the refinement": (setting("methods/cao2/refine/lr", 0.001), AFTER_REFINEMENT),
    "size of the pool": (
        setting("methods/cao2/generate/pool", 3),
        {**AFTER_REFINEMENT, "generate_images": 1, "choose_from_pool": 1},
    ),
    "features of k-means": (
        setting("methods/kmeans/select", {"coverage": "kmeans", "encoder": "vae"}),
        sets(1, select_by_features=1),
    ),
    # One job over all classes; their centroids stay.
    "weight of the distance between classes": (setting("methods/s3/select/apart", 0.5), sets(1, choose_subgroups=1)),
    "which images of a coreset": (setting("methods/el2n/select/keep", "easy"), sets(1, select_by_features=1)),
    # Two trainings, one record of both, and the two methods that score by it.
    "epochs that are recorded": (
        setting("dynamics/lessons/until", 3),
        sets(2, train_dynamics=2, record_dynamics=1, select_by_features=2),
    ),
    # What hard labels and AdamW do not read; the latter's is part of a protocol's name.
    "temperature of hard labels": (setting("protocols/hard/temperature", 10.0), {}),
    "momentum of AdamW": (
        setting("protocols/soft/optimizer/momentum", 0.5),
        {"tabulate_accuracy": 1, "draw_accuracy": 1, "all": 1},
    ),
    "the paper that a method is of": (setting("methods/cao2/paper", "other"), {}),
    "a method that no run names": (setting("methods/other", {"generate": {"model": "dit", "guidance": 1.0}}), {}),
}

CODE_CHANGES = {
    "a comment": (
        "methods/ddim.py",
        "    stride = grid_stride(alphas_cumprod, steps)\n    for step in range(1",
        "    # why\n",
        {},
    ),
    "a docstring": (
        "stages/shared/invert_latents.py",
        '"""DDIM inversion of every',
        '"""The DDIM inversion of every',
        {},
    ),
    "a line of the inversion stage": (
        "stages/shared/invert_latents.py",
        "            of_classes.append(found)\n",
        "            of_classes += [found]\n",
        {**AFTER_START, "invert_latents": 1, "choose_starts": 2, "draw_inversion": 1},
    ),
    "a line of the group search": (
        "methods/groups.py",
        "    return scores + skew_weight * skew[:, None]\n",
        "    return skew_weight * skew[:, None] + scores\n",
        {**AFTER_START, "choose_starts": 2},
    ),
    "a line of the refinement": (
        "methods/refinement.py",
        "    losses = []\n",
        "    losses = list()\n",
        sets(2, refine_latents=2, draw_refinement=2),
    ),
    # The other coverage, k-means, stays.
    "a line of herding": (
        "methods/herding.py",
        "    for i in range(count):\n",
        "    for i in list(range(count)):\n",
        sets(1, select_by_features=1),
    ),
    "a line of the embedding": (
        "stages/shared/embed_classes.py",
        "    tensors = {}\n",
        "    tensors = dict()\n",
        {**AFTER_DISCOVERY, "embed_classes": 1, "cluster_classes": 1},
    ),
    "a line of the mosaics": (
        "stages/sets/compose_mosaics.py",
        "    pixels, rows, scores = [], [], []\n",
        "    pixels, rows, scores = list(), [], []\n",
        sets(4, compose_mosaics=4),
    ),
    "a line of the table": (
        "report/accuracy_table.py",
        "    return pd.DataFrame(flat)\n",
        "    return pd.DataFrame(list(flat))\n",
        {stage: 1 for stage in TABLES if stage not in ("tabulate_costs", "tabulate_classes")},
    ),
}
