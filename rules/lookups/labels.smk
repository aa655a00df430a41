"""Look-ups of labels.smk: who labels what."""


def protocol_teacher(wildcards):
    return teacher_directory(plan.teacher_of(wildcards.protocol))


def label_kind(wildcards):
    return plan.protocol(wildcards.protocol).labels.kind


def label_views(wildcards):
    """The augmented views that labels are for; none for static labels, which are of the images themselves."""
    return plan.labelling_of(wildcards.protocol)["views"]
