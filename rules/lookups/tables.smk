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
        "generate_images": [f"{{method}}/ipc{{ipc}}/{shard}".format(**row) for row in sampled for shard in plan.shards],
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
