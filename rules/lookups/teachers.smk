"""Look-ups of teachers.smk: what a teacher is made from, and what is expected of it."""

from retort.config.timm_names import PUBLISHED_TOP1


def teacher_settings(wildcards):
    return plan.config.teachers[wildcards.teacher].model_dump(include={"arch", "expect"})


def teacher_training(wildcards):
    return plan.config.teachers[wildcards.teacher].train.model_dump(mode="json")


def teacher_origin(wildcards):
    """Where a teacher is fetched from: timm's weights, or a checkpoint on this machine and the state of its files.

    The latter is for the data set's classes and side where neither the config nor the source says it.
    """
    stated = {"arch", "source", "revision", "classes", "resolution", "mean", "std"}
    teacher = plan.config.teachers[wildcards.teacher]
    if teacher.source is None:
        return teacher.model_dump(include=stated)
    fetched = DATA / "fetched-teachers" / wildcards.teacher
    of_data = {"dataset_classes": plan.classes, "side": plan.dataset.resolution}
    of_files = {"stamp": source_stamp(teacher.source, teacher_files(teacher.source), fetched)}
    return teacher.model_dump(include=stated) | of_data | of_files


def adopted_expectation(wildcards):
    """The accuracy that the config, or else the publisher, states."""
    teacher = plan.config.teachers[wildcards.teacher]
    return PUBLISHED_TOP1.get(teacher.arch) if teacher.expect is None else teacher.expect
