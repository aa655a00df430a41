"""The tables that users read."""


def students_of(methods=None):
    """The students' folders of some methods, or of all that are wanted."""
    return [
        path_of(rules.train_students.output.students, **row)
        for row in plan.wanted("method", "ipc", "protocol", "student", methods=methods)
    ]


def method_students(wildcards):
    return students_of(plan.with_other_sets(wildcards.method))


def methods_of_table(wildcards):
    """The method of a table that is of one, with its other sets; None for a table of all."""
    return plan.with_other_sets(wildcards.method) if "method" in wildcards.keys() else None


def wanted_seeds(wildcards):
    """How many seeds each row of a table should have."""
    return plan.wanted_seeds(methods_of_table(wildcards))


def protocol_ids(wildcards):
    """What stands for each protocol of a table's rows."""
    return plan.protocol_ids(methods_of_table(wildcards))


def published_numbers(wildcards):
    """What papers report for rows of a table."""
    return reported_for(plan, methods_of_table(wildcards))


@cache
def shared_jobs_of_plan():
    return shared_jobs(plan)


def cost_jobs(wildcards):
    """What ran for the accuracy table and where it was measured; {shard} stands in the paths of what works by shards."""
    jobs = []
    for job in shared_jobs_of_plan():
        rule_of_stage = getattr(rules, job.stage)

        def filled(pattern):
            return path_of(pattern, **job.wildcards, shard="{shard}")

        jobs.append(
            {
                "stage": job.stage,
                "methods": job.methods,
                "grows_with": job.grows_with,
                "benchmark": filled(rule_of_stage.benchmark),
                "log": filled(rule_of_stage.log[0]),
                "outputs": [filled(output) for output in rule_of_stage.output],
            }
        )
    return jobs


def wanted_benchmarks(wildcards):
    """The benchmark file of each of those jobs, by shard."""
    patterns = [job["benchmark"] for job in cost_jobs(wildcards)]
    return [path.format(shard=shard) for path in patterns for shard in (plan.shards if "{shard}" in path else [""])]


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
        latex=RESULTS / "accuracy.tex",
    log:
        LOGS / "tabulate_accuracy.log",
    benchmark:
        BENCHMARKS / "tabulate_accuracy" / "all.tsv"
    resources:
        mem_mb=memory(4),
        runtime=minutes(30),
    params:
        code=code_of("tabulate_accuracy"),
        random=plan.wanted_that_select("random"),
        full=plan.wanted_that_select("all"),
        unguided=plan.unguided_twins(),
        wanted=wanted_seeds,
        protocols=protocol_ids,
        reported=published_numbers,
        sets=plan.other_sets,
        one_set=plan.of_one_set(),
    script:
        "../workflow/run.py"


use rule tabulate_accuracy as tabulate_method with:
    input:
        students=method_students,
    output:
        csv=DATA / "tables" / "{method}.csv",
        markdown=DATA / "tables" / "{method}.md",
        latex=DATA / "tables" / "{method}.tex",
    log:
        LOGS / "tabulate_method" / "{method}.log",
    benchmark:
        BENCHMARKS / "tabulate_method" / "{method}.tsv"


rule tabulate_classes:
    input:
        students=students_of(),
        class_table=CLASSES,
    output:
        csv=report(
            RESULTS / "per_class.csv",
            caption=CAPTIONS / "per_class.rst",
            category="Accuracy",
            labels={"what": "class by class"},
        ),
    log:
        LOGS / "tabulate_classes.log",
    benchmark:
        BENCHMARKS / "tabulate_classes" / "all.tsv"
    resources:
        mem_mb=memory(4),
        runtime=minutes(30),
    params:
        code=code_of("tabulate_classes"),
        sets=plan.other_sets,
    script:
        "../workflow/run.py"


rule tabulate_scores:
    input:
        students=students_of(),
    output:
        csv=report(
            RESULTS / "scores.csv",
            caption=CAPTIONS / "scores.rst",
            category="Accuracy",
            labels={"what": "scores (LRS, ARS)"},
        ),
    log:
        LOGS / "tabulate_scores.log",
    benchmark:
        BENCHMARKS / "tabulate_scores" / "all.tsv"
    resources:
        mem_mb=memory(4),
        runtime=minutes(30),
    params:
        code=code_of("tabulate_scores"),
        random=plan.wanted_that_select("random"),
        full=plan.wanted_that_select("all"),
        hard=plan.hard_protocols(),
        plain=plan.plain_twins(),
        sets=plan.other_sets,
    script:
        "../workflow/run.py"


rule tabulate_models:
    input:
        trained=collect(rules.train_vae.output.model, model=plan.used_encoders(trained=True))
        + [teacher_directory(teacher) for teacher in plan.used_teachers()],
        judged=collect(rules.measure_encoder.output.quality, encoder=plan.measured_encoders())
        + collect(rules.judge_model.output.quality, model=plan.used_models(), teacher=plan.used_teachers()),
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
    resources:
        mem_mb=memory(4),
        runtime=minutes(30),
    params:
        code=code_of("tabulate_models"),
    script:
        "../workflow/run.py"


rule tabulate_costs:
    input:
        wanted_benchmarks,
        manifest=rules.build_manifest.output.manifest,
        class_table=CLASSES,
    output:
        csv=report(
            RESULTS / "costs.csv",
            caption=CAPTIONS / "costs.rst",
            category="Costs",
            labels={"what": "by method and stage"},
        ),
        per_job=report(
            RESULTS / "jobs.csv",
            caption=CAPTIONS / "jobs.rst",
            category="Costs",
            labels={"what": "of every job"},
        ),
    log:
        LOGS / "tabulate_costs.log",
    benchmark:
        BENCHMARKS / "tabulate_costs" / "all.tsv"
    resources:
        mem_mb=memory(4),
        runtime=minutes(30),
    params:
        code=code_of("tabulate_costs"),
        jobs=cost_jobs,
        shards=list(plan.shards),
        full=full_size(plan),
    script:
        "../workflow/run.py"


rule tables:
    input:
        rules.tabulate_accuracy.output,
        rules.tabulate_scores.output,
        rules.tabulate_classes.output,
        rules.tabulate_models.output,
        rules.tabulate_costs.output,
