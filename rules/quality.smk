"""Measures of distilled sets beyond accuracy, where the config asks for them (`quality`)."""


rule measure_quality:
    input:
        distilled=DISTILLED,
        features=real_features,
        classes=CLASSES,
        teacher=DATA / "teachers" / "{teacher}",
    output:
        measured=DATA / "quality" / "{method}-ipc{ipc}-by-{teacher}.json",
    log:
        LOGS / "measure_quality" / "{method}" / "ipc{ipc}-by-{teacher}.log",
    benchmark:
        BENCHMARKS / "measure_quality" / "{method}" / "ipc{ipc}-by-{teacher}.tsv"
    wildcard_constraints:
        ipc=r"\d+",
    threads: READERS
    resources:
        gpu=1,
        mem_mb=memory(set_memory),
        runtime=computing(work.measure_quality),
    params:
        code=code_of("measure_quality"),
        dataset=plan.dataset.name,
        seed=plan.seed,
        side=plan.dataset.resolution,
        quality=wanted_quality,
    script:
        "../workflow/scripts/measure_quality.py"


rule tabulate_quality:
    input:
        measured=measured_sets,
    output:
        csv=report(
            RESULTS / "quality.csv",
            caption=CAPTIONS / "quality.rst",
            category="Distilled sets",
            labels={"method": "all", "images per class": "all"},
        ),
    log:
        LOGS / "tabulate_quality.log",
    benchmark:
        BENCHMARKS / "tabulate_quality" / "all.tsv"
    resources:
        mem_mb=memory(4),
        runtime=minutes(30),
    params:
        code=code_of("tabulate_quality"),
    script:
        "../workflow/scripts/tabulate_quality.py"
