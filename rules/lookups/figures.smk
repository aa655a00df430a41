"""Look-ups of figures.smk, and what a method's own target makes."""


def figures_of(methods=None):
    """The contact sheets of some methods, or of all that are wanted, and pictures of how they work."""
    sets = plan.wanted("method", "ipc", methods=methods)
    refined = plan.methods_that("refine_latents")
    windowed = [m for m in plan.methods_that("score_windows") if m in {row["method"] for row in sets}]
    found = [job for row in sets for job in plan.jobs_of("choose_representatives", **row)]
    largest = {
        job["discovery"]: max(int(j["number"]) for j in found if j["discovery"] == job["discovery"]) for job in found
    }
    return [
        *(path_of(rules.draw_contact_sheet.output.figure, **row) for row in sets),
        *(path_of(rules.draw_refinement.output.figure, **row) for row in sets if row["method"] in refined),
        *(path_of(rules.draw_typicality.output.figure, method=method) for method in windowed),
        *(
            path_of(rules.draw_discovery.output.figure, discovery=name, number=number)
            for name, number in largest.items()
        ),
    ]


# Pictures show the first classes only, so they read no more than the shards that hold them.
DRAWN_SHARDS = plan.shards_of_first(MOST_CLASSES)


def drawn_generated(wildcards):
    return generated_shards(wildcards, DRAWN_SHARDS)


def drawn_refined(wildcards):
    return refined_shards(wildcards, DRAWN_SHARDS)


def drawn_choices(wildcards):
    return pool_choices(wildcards, DRAWN_SHARDS)


def drawn_maps(wildcards):
    typicality = plan.typicality_of(wildcards.method)
    return collect(rules.score_typicality.output.maps, typicality=typicality, shard=DRAWN_SHARDS)


def drawn_patches(wildcards):
    return [ranked_path(wildcards.method, shard) for shard in DRAWN_SHARDS]


def drawn_clusters(wildcards):
    return collect(rules.cluster_classes.output.clusters, discovery=wildcards.discovery, shard=DRAWN_SHARDS)


def drawn_representatives(wildcards):
    of_discovery = {"discovery": wildcards.discovery, "number": wildcards.number}
    return collect(rules.choose_representatives.output.representatives, **of_discovery, shard=DRAWN_SHARDS)


def patches_per_image(wildcards):
    return plan.compose_of(wildcards.method).grid ** 2


def sets_of(rows):
    return [path_of(rules.write_set.output.distilled, **row) for row in rows]


def sets_and_students(methods=None):
    """What users take away, of some methods, or of all that are wanted: no table or picture alone would miss it."""
    return sets_of(plan.wanted("method", "ipc", methods=methods)) + students_of(methods)


def method_targets(method):
    """What `snakemake METHOD` makes: its sets and their pictures, its students, its own accuracy table."""
    if method not in plan.wanted_methods:
        return sets_of([{"method": method, "ipc": ipc} for ipc in plan.ipcs_of(method)])
    return collect(rules.tabulate_method.output, method=method) + figures_of([method]) + sets_and_students([method])
