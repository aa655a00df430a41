"""Look-ups of labels.smk: who labels what."""


def protocol_teacher(wildcards):
    return teacher_directory(plan.teacher_of(wildcards.protocol))


def label_kind(wildcards):
    return plan.protocol(wildcards.protocol).labels.kind


def label_views(wildcards):
    """The augmented views that labels are for; none for static labels, which are of the images themselves."""
    if plan.labelling_of(wildcards.protocol)["views"] is None:
        return None
    return plan.views_of(wildcards.protocol, wildcards.method, wildcards.ipc)


def label_top(wildcards):
    """What is kept of a label, where it is not all of it."""
    return plan.top_of(wildcards.protocol)


def label_precision(wildcards):
    """In which the teacher computes."""
    return plan.protocol(wildcards.protocol).precision
