"""Look-ups of figures.smk, and what a method's own target makes."""


def figures_of(methods=None):
    """The contact sheets of some methods, or of all that are wanted, and pictures of how they work."""
    sets = plan.wanted("method", "ipc", methods=methods)
    refined = plan.methods_that("refine_latents")
    windowed = [m for m in plan.methods_that("score_windows") if m in {row["method"] for row in sets}]
    discovered = {plan.discovery_of(row["method"]): [] for row in sets if plan.discovery_of(row["method"])}
    for row in sets:
        if plan.discovery_of(row["method"]):
            discovered[plan.discovery_of(row["method"])].append(int(plan.count_of(**row)))
    return [
        *(path_of(rules.draw_contact_sheet.output.figure, **row) for row in sets),
        *(path_of(rules.draw_refinement.output.figure, **row) for row in sets if row["method"] in refined),
        *(path_of(rules.draw_typicality.output.figure, method=method) for method in windowed),
        *(
            path_of(rules.draw_discovery.output.figure, discovery=name, number=max(numbers))
            for name, numbers in discovered.items()
        ),
    ]


def all_refined(wildcards):
    return collect(rules.refine_latents.output.images, method=wildcards.method, ipc=wildcards.ipc, shard=plan.shards)


def all_typicality_maps(wildcards):
    return collect(
        rules.score_typicality.output.maps, typicality=plan.typicality_of(wildcards.method), shard=plan.shards
    )


def all_ranked_patches(wildcards):
    return [ranked_path(wildcards.method, shard) for shard in plan.shards]


def patches_per_image(wildcards):
    return plan.compose_of(wildcards.method).grid ** 2


def sets_of(rows):
    return [path_of(rules.write_set.output.distilled, **row) for row in rows]


def method_targets(method):
    """What `snakemake METHOD` makes: its sets and their pictures, its students, its own accuracy table."""
    if method not in plan.wanted_methods:
        return sets_of([{"method": method, "ipc": ipc} for ipc in plan.ipcs_of(method)])
    return collect(rules.tabulate_method.output, method=method) + figures_of([method])
