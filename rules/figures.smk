"""Pictures for people who would rather look than read."""


rule draw_contact_sheet:
    input:
        distilled=DISTILLED,
        train=TRAIN,
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
    conda:
        "../envs/retort.yaml"
    params:
        code=code_of("draw_contact_sheet"),
    script:
        "../workflow/scripts/draw_contact_sheet.py"


rule draw_gallery:
    input:
        sets=sets_of(plan.smallest_sets()),
        train=TRAIN,
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
    conda:
        "../envs/retort.yaml"
    params:
        code=code_of("draw_gallery"),
        names=[row["method"] for row in plan.smallest_sets()],
    script:
        "../workflow/scripts/draw_gallery.py"


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
    conda:
        "../envs/retort.yaml"
    params:
        code=code_of("draw_accuracy"),
        full=plan.methods_that_select("all"),
    script:
        "../workflow/scripts/draw_accuracy.py"


rule figures:
    input:
        rules.draw_gallery.output,
        rules.draw_accuracy.output,
        figures_of(),
