"""The tables that users read."""


def students_of(methods=None):
    """The students' folders of some methods, or of all that are wanted."""
    return [
        str(rules.train_students.output.students).format(**row)
        for row in plan.wanted("method", "ipc", "protocol", "student", methods=methods)
    ]


def method_students(wildcards):
    return students_of([wildcards.method])


def wanted_benchmarks():
    """Stage -> what Snakemake measured of each of its jobs behind the accuracy table."""
    sets = plan.wanted("method", "ipc")
    sampled = [row for row in sets if plan.generate_of(row["method"])]
    started = [row | {"method": plan.start_owner(row["method"])} for row in sampled if plan.start_of(row["method"])]
    inversions = {plan.start_of(row["method"]).inversion for row in started}
    labelled = [
        row | {"protocol": plan.label_owner(row["protocol"])}
        for row in plan.wanted("method", "ipc", "protocol")
        if plan.stores_labels(row["protocol"])
    ]
    trained = plan.used_models(trained=True)
    jobs = {
        "build_manifest": ["manifest"],
        "decode_split": ["train", "val"],
        "train_vae": plan.used_encoders(trained=True),
        "train_dit": trained,
        "fetch_model": plan.used_models(trained=False) + plan.used_encoders(trained=False),
        "train_teacher": plan.used_teachers(),
        "encode_latents": collect("{encoder}/{shard}", encoder=plan.used_encoders(), shard=plan.shards),
        "invert_latents": collect("{inversion}/{shard}", inversion=inversions, shard=plan.shards),
        "choose_starts": ["{method}/ipc{ipc}".format(**row) for row in started],
        "generate_images": [
            f"{{method}}/ipc{{ipc}}/{shard}".format(**row) for row in sampled for shard in plan.shards
        ],
        "write_set": ["{method}/ipc{ipc}".format(**row) for row in sets],
        "relabel_set": ["{method}/ipc{ipc}/{protocol}".format(**row) for row in labelled],
        "train_students": [
            "{method}/ipc{ipc}/{protocol}/{student}".format(**row)
            for row in plan.wanted("method", "ipc", "protocol", "student")
        ],
    }
    return {
        stage: sorted({str(BENCHMARKS / stage / f"{item}.tsv") for item in items})
        for stage, items in jobs.items()
        if items
    }


rule tabulate_accuracy:
    input:
        students=students_of(),
    output:
        csv=report(
            RESULTS / "accuracy.csv",
            caption=CAPTIONS / "accuracy.rst",
            category="Accuracy",
            labels={"what": "table"},
        ),
        markdown=RESULTS / "accuracy.md",
    log:
        LOGS / "tabulate_accuracy.log",
    benchmark:
        BENCHMARKS / "tabulate_accuracy" / "all.tsv"
    params:
        code=code_of("tabulate_accuracy"),
        random=plan.methods_that_select("random"),
        full=plan.methods_that_select("all"),
    script:
        "../workflow/scripts/tabulate_accuracy.py"


use rule tabulate_accuracy as tabulate_method with:
    input:
        students=method_students,
    output:
        csv=DATA / "tables" / "{method}.csv",
        markdown=DATA / "tables" / "{method}.md",
    log:
        LOGS / "tabulate_method" / "{method}.log",
    benchmark:
        BENCHMARKS / "tabulate_method" / "{method}.tsv"


rule tabulate_models:
    input:
        trained=collect(rules.train_vae.output.model, model=plan.used_encoders(trained=True))
        + collect(rules.train_teacher.output.teacher, teacher=plan.used_teachers()),
        judged=collect(rules.judge_model.output.quality, model=plan.used_models(), teacher=plan.used_teachers()),
    output:
        csv=report(
            RESULTS / "models.csv",
            caption=CAPTIONS / "models.rst",
            category="Models",
            labels={"what": "quality of the models in between"},
        ),
    log:
        LOGS / "tabulate_models.log",
    benchmark:
        BENCHMARKS / "tabulate_models" / "all.tsv"
    params:
        code=code_of("tabulate_models"),
    script:
        "../workflow/scripts/tabulate_models.py"


rule tabulate_costs:
    input:
        **wanted_benchmarks(),
    output:
        csv=report(
            RESULTS / "costs.csv",
            caption=CAPTIONS / "costs.rst",
            category="Costs",
            labels={"what": "time and memory by stage"},
        ),
    log:
        LOGS / "tabulate_costs.log",
    benchmark:
        BENCHMARKS / "tabulate_costs" / "all.tsv"
    params:
        code=code_of("tabulate_costs"),
    script:
        "../workflow/scripts/tabulate_costs.py"


rule tables:
    input:
        rules.tabulate_accuracy.output,
        rules.tabulate_models.output,
        rules.tabulate_costs.output,
