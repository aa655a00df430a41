"""Pictures for people who would rather look than read."""


rule draw_contact_sheet:
    input:
        unpack(whole_split),
        distilled=DISTILLED,
        manifest=rules.build_manifest.output.manifest,
        classes=CLASSES,
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
        classes=MOST_CLASSES,
        side=plan.dataset.resolution,
    script:
        "../workflow/scripts/draw_contact_sheet.py"


rule draw_gallery:
    input:
        sets=sets_of(plan.smallest_sets()),
        manifest=rules.build_manifest.output.manifest,
        classes=CLASSES,
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
        classes=MOST_CLASSES,
        side=plan.dataset.resolution,
        names=[row["method"] for row in plan.smallest_sets()],
    script:
        "../workflow/scripts/draw_gallery.py"


rule draw_classes:
    input:
        sets=sets_of(plan.largest_sets()),
        manifest=rules.build_manifest.output.manifest,
        classes=CLASSES,
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
        classes=MOST_CLASSES,
        side=plan.dataset.resolution,
        names=[row["method"] for row in plan.largest_sets()],
    script:
        "../workflow/scripts/draw_classes.py"


rule draw_discovery:
    input:
        clusters=drawn_clusters,
        representatives=drawn_representatives,
        classes=CLASSES,
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
        classes=MOST_CLASSES,
    script:
        "../workflow/scripts/draw_discovery.py"


rule draw_typicality:
    input:
        maps=drawn_maps,
        patches=drawn_patches,
        manifest=rules.build_manifest.output.manifest,
        classes=CLASSES,
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
        classes=MOST_CLASSES,
        first=patches_per_image,
    script:
        "../workflow/scripts/draw_typicality.py"


rule draw_refinement:
    input:
        generated=drawn_generated,
        refined=drawn_refined,
        chosen=drawn_choices,
        classes=CLASSES,
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
        classes=MOST_CLASSES,
    script:
        "../workflow/scripts/draw_refinement.py"


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
        "../workflow/scripts/draw_accuracy.py"


rule figures:
    input:
        rules.draw_gallery.output,
        rules.draw_classes.output,
        rules.draw_accuracy.output,
        figures_of(),
