"""Look-ups of tables.smk: the students and measurements behind a table."""


def students_of(methods=None):
    """The students' folders of some methods, or of all that are wanted."""
    return [
        path_of(rules.train_students.output.students, **row)
        for row in plan.wanted("method", "ipc", "protocol", "student", methods=methods)
    ]


def method_students(wildcards):
    return students_of([wildcards.method])


def wanted_benchmarks():
    """Stage -> what Snakemake measured of each of its jobs behind the accuracy table."""
    sets = plan.wanted("method", "ipc")
    labelled = [
        row | {"protocol": plan.label_owner(row["protocol"])}
        for row in plan.wanted("method", "ipc", "protocol")
        if plan.stores_labels(row["protocol"])
    ]
    jobs = {
        "build_manifest": [{}],
        "decode_split": [{"split": "train"}, {"split": "val"}],
        "fetch_model": named("model", plan.used_models(trained=False) + plan.used_encoders(trained=False)),
        "train_vae": named("model", plan.used_encoders(trained=True)),
        "train_dit": named("model", plan.used_models(trained=True)),
        "train_teacher": named("teacher", plan.used_teachers()),
        "encode_latents": named("encoder", plan.used_latents()),
        **{
            stage: [wildcards for row in sets for wildcards in plan.jobs_of(stage, **row)]
            for stage in plan.METHOD_STAGES
        },
        "write_set": sets,
        "relabel_set": labelled,
        "train_students": plan.wanted("method", "ipc", "protocol", "student"),
    }
    return {stage: benchmarks_of(stage, items) for stage, items in jobs.items() if items}


def named(wildcard, names):
    return [{wildcard: name} for name in names]


def benchmarks_of(stage, items):
    """The benchmark files of a rule for these wildcards, of every shard where it works by shards."""
    pattern = str(getattr(rules, stage).benchmark)
    return sorted({path for item in items for path in collect(pattern, shard=plan.shards, **item)})
