"""Look-ups of teachers.smk: what a teacher is made from, and what is expected of it."""

from retort.config.timm_names import PUBLISHED_TOP1


def teacher_settings(wildcards):
    return plan.config.teachers[wildcards.teacher].model_dump(include={"arch", "expect"})


def teacher_training(wildcards):
    return plan.config.teachers[wildcards.teacher].train.model_dump(mode="json")


def teacher_origin(wildcards):
    """Where a teacher is fetched from, and what it is for where neither the config nor the source says it."""
    stated = {"arch", "source", "revision", "classes", "resolution", "mean", "std"}
    teacher = plan.config.teachers[wildcards.teacher]
    of_data = {"dataset_classes": plan.classes, "side": plan.dataset.resolution} if teacher.source else {}
    return teacher.model_dump(include=stated) | of_data


def adopted_expectation(wildcards):
    """The accuracy that the config, or else the publisher, states."""
    teacher = plan.config.teachers[wildcards.teacher]
    return PUBLISHED_TOP1.get(teacher.arch) if teacher.expect is None else teacher.expect
