"""Look-ups of quality.smk: what is measured, and in whose features."""


def real_features(wildcards):
    """What the teacher sees in every training image."""
    return collect(rules.describe_images.output.features, teacher=wildcards.teacher, shard=plan.shards)


def wanted_quality(wildcards):
    return plan.config.quality.model_dump(include={"measures", "neighbors"})


def measured_sets(wildcards):
    teacher = plan.config.quality.teacher
    return [path_of(rules.measure_quality.output.measured, teacher=teacher, **row) for row in plan.distilled_sets()]


def quality_table():
    """The table of measures, where the config asks for them."""
    return rules.tabulate_quality.output if plan.config.quality else []
