"""Pictures for people who would rather look than read."""

from retort.config.sweeps import members
from retort.plan.sweeps import wanted_sweeps


def figures_of(methods=None):
    """The contact sheets of some methods, or of all that are wanted, and pictures of how they work."""
    sets = plan.wanted("method", "ipc", methods=methods)
    refined = plan.methods_that("refine_latents")
    windowed = [m for m in plan.methods_that("score_windows") if m in {row["method"] for row in sets}]
    found = [job for row in sets for job in plan.jobs_of("choose_representatives", **row)]
    inversions = dict.fromkeys(job["inversion"] for row in sets for job in plan.jobs_of("invert_latents", **row))
    largest = {
        job["discovery"]: max(int(j["number"]) for j in found if j["discovery"] == job["discovery"]) for job in found
    }
    return [
        *(path_of(rules.draw_contact_sheet.output.figure, **row) for row in sets),
        *(path_of(rules.draw_refinement.output.figure, **row) for row in sets if row["method"] in refined),
        *(path_of(rules.draw_typicality.output.figure, method=method) for method in windowed),
        *(path_of(rules.draw_inversion.output.figure, inversion=inversion) for inversion in inversions),
        *(
            path_of(rules.draw_discovery.output.figure, discovery=name, number=number)
            for name, number in largest.items()
        ),
    ]


SWEEPS = wanted_sweeps(plan)

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


def drawn_inversions(wildcards):
    return collect(rules.invert_latents.output.statistics, inversion=wildcards.inversion, shard=DRAWN_SHARDS)


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


def sweep_targets(sweep):
    """What `snakemake SWEEP` makes: what its members make, and the picture of their accuracy where that is measured."""
    of_members = [file for m in members(sweep, plan.config.sweeps[sweep].values) for file in method_targets(m.name)]
    return of_members + (collect(rules.draw_sweep.output, sweep=sweep) if sweep in SWEEPS else [])


def method_targets(method):
    """What `snakemake METHOD` makes: its sets and their pictures, its students, its own accuracy table."""
    if method not in plan.wanted_methods:
        return sets_of([{"method": method, "ipc": ipc} for ipc in plan.ipcs_of(method)])
    own = plan.with_other_sets(method)
    return collect(rules.tabulate_method.output, method=method) + figures_of(own) + sets_and_students(own)


rule draw_contact_sheet:
    input:
        unpack(whole_split),
        distilled=DISTILLED,
        manifest=rules.build_manifest.output.manifest,
        class_table=CLASSES,
    output:
        figure=report(
            FIGURES / "sets" / "{method}-ipc{ipc}.png",
            caption=CAPTIONS / "contact_sheet.rst",
            category="Distilled sets",
            labels={"method": "{method}", "images per class": "{ipc}"},
        ),
    log:
        LOGS / "draw_contact_sheet" / "{method}" / "ipc{ipc}.log",
    benchmark:
        BENCHMARKS / "draw_contact_sheet" / "{method}" / "ipc{ipc}.tsv"
    resources:
        mem_mb=memory(4),
        runtime=minutes(30),
    params:
        code=code_of("draw_contact_sheet"),
        title="{method}, {ipc} per class",
        most_classes=MOST_CLASSES,
        side=plan.dataset.resolution,
    script:
        "../workflow/run.py"


rule draw_gallery:
    input:
        sets=sets_of(plan.smallest_sets()),
        manifest=rules.build_manifest.output.manifest,
        class_table=CLASSES,
    output:
        figure=report(
            FIGURES / "gallery.png",
            caption=CAPTIONS / "gallery.rst",
            category="Distilled sets",
            labels={"method": "all", "images per class": "first"},
        ),
    log:
        LOGS / "draw_gallery.log",
    benchmark:
        BENCHMARKS / "draw_gallery" / "all.tsv"
    resources:
        mem_mb=memory(4),
        runtime=minutes(30),
    params:
        code=code_of("draw_gallery"),
        most_classes=MOST_CLASSES,
        side=plan.dataset.resolution,
        names=[row["method"] for row in plan.smallest_sets()],
    script:
        "../workflow/run.py"


rule draw_classes:
    input:
        sets=sets_of(plan.largest_sets()),
        manifest=rules.build_manifest.output.manifest,
        class_table=CLASSES,
    output:
        figures=report(
            directory(FIGURES / "classes"),
            patterns=["class-{label}.png"],
            caption=CAPTIONS / "classes.rst",
            category="Classes across methods",
            labels={"class": "{label}"},
        ),
    log:
        LOGS / "draw_classes" / "all.log",
    benchmark:
        BENCHMARKS / "draw_classes" / "all.tsv"
    resources:
        mem_mb=memory(4),
        runtime=minutes(30),
    params:
        code=code_of("draw_classes"),
        most_classes=MOST_CLASSES,
        side=plan.dataset.resolution,
        names=[row["method"] for row in plan.largest_sets()],
    script:
        "../workflow/run.py"


rule draw_discovery:
    input:
        clusters=drawn_clusters,
        representatives=drawn_representatives,
        class_table=CLASSES,
    output:
        figure=report(
            FIGURES / "discovery" / "{discovery}-n{number}.png",
            caption=CAPTIONS / "discovery.rst",
            category="How methods work",
            labels={"what": "discovery {discovery}", "images per class": "{number}"},
        ),
    log:
        LOGS / "draw_discovery" / "{discovery}" / "n{number}.log",
    benchmark:
        BENCHMARKS / "draw_discovery" / "{discovery}" / "n{number}.tsv"
    resources:
        mem_mb=memory(4),
        runtime=minutes(30),
    params:
        code=code_of("draw_discovery"),
        most_classes=MOST_CLASSES,
    script:
        "../workflow/run.py"


rule draw_inversion:
    input:
        statistics=drawn_inversions,
        class_table=CLASSES,
    output:
        figure=report(
            FIGURES / "inversion" / "{inversion}.png",
            caption=CAPTIONS / "inversion.rst",
            category="How methods work",
            labels={"what": "inversion {inversion}", "images per class": "any"},
        ),
    log:
        LOGS / "draw_inversion" / "{inversion}.log",
    benchmark:
        BENCHMARKS / "draw_inversion" / "{inversion}.tsv"
    resources:
        mem_mb=memory(4),
        runtime=minutes(30),
    params:
        code=code_of("draw_inversion"),
        most_classes=MOST_CLASSES,
    script:
        "../workflow/run.py"


rule draw_typicality:
    input:
        maps=drawn_maps,
        patches=drawn_patches,
        manifest=rules.build_manifest.output.manifest,
        class_table=CLASSES,
    output:
        figure=report(
            FIGURES / "typicality" / "{method}.png",
            caption=CAPTIONS / "typicality.rst",
            category="How methods work",
            labels={"what": "typicality, {method}", "images per class": "any"},
        ),
    log:
        LOGS / "draw_typicality" / "{method}.log",
    benchmark:
        BENCHMARKS / "draw_typicality" / "{method}.tsv"
    wildcard_constraints:
        method=one_of(plan.methods_that("score_windows")),
    resources:
        mem_mb=memory(4),
        runtime=minutes(30),
    params:
        code=code_of("draw_typicality"),
        most_classes=MOST_CLASSES,
        first=patches_per_image,
    script:
        "../workflow/run.py"


rule draw_refinement:
    input:
        generated=drawn_generated,
        refined=drawn_refined,
        chosen=drawn_choices,
        class_table=CLASSES,
    output:
        figure=report(
            FIGURES / "refinement" / "{method}-ipc{ipc}.png",
            caption=CAPTIONS / "refinement.rst",
            category="How methods work",
            labels={"what": "refinement, {method}", "images per class": "{ipc}"},
        ),
    log:
        LOGS / "draw_refinement" / "{method}" / "ipc{ipc}.log",
    benchmark:
        BENCHMARKS / "draw_refinement" / "{method}" / "ipc{ipc}.tsv"
    wildcard_constraints:
        method=one_of(plan.methods_that("refine_latents")),
    resources:
        mem_mb=memory(4),
        runtime=minutes(30),
    params:
        code=code_of("draw_refinement"),
        most_classes=MOST_CLASSES,
    script:
        "../workflow/run.py"


rule draw_accuracy:
    input:
        table=RESULTS / "accuracy.csv",
    output:
        figure=report(
            FIGURES / "accuracy.png",
            caption=CAPTIONS / "accuracy_figure.rst",
            category="Accuracy",
            labels={"what": "figure"},
        ),
    log:
        LOGS / "draw_accuracy.log",
    benchmark:
        BENCHMARKS / "draw_accuracy" / "all.tsv"
    resources:
        mem_mb=memory(4),
        runtime=minutes(30),
    params:
        code=code_of("draw_accuracy"),
        full=plan.wanted_that_select("all"),
    script:
        "../workflow/run.py"


rule draw_sweep:
    input:
        table=RESULTS / "accuracy.csv",
    output:
        figure=report(
            FIGURES / "sweeps" / "{sweep}.png",
            caption=CAPTIONS / "sweep.rst",
            category="Accuracy",
            labels={"what": "over the key of {sweep}"},
        ),
    log:
        LOGS / "draw_sweep" / "{sweep}.log",
    benchmark:
        BENCHMARKS / "draw_sweep" / "{sweep}.tsv"
    resources:
        mem_mb=memory(4),
        runtime=minutes(30),
    params:
        code=code_of("draw_sweep"),
        sweep=of(SWEEPS.get, "sweep"),
        random=plan.wanted_that_select("random"),
        full=plan.wanted_that_select("all"),
    script:
        "../workflow/run.py"


rule figures:
    input:
        collect(rules.draw_sweep.output, sweep=SWEEPS),
        rules.draw_gallery.output,
        rules.draw_classes.output,
        rules.draw_accuracy.output,
        figures_of(),
