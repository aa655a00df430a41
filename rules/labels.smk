"""Soft labels of distilled sets, a teacher's or a set's own, stored once for every student that uses them."""

from retort.plan.imports import labels_path, stamp_of_labels


def protocol_teacher(wildcards):
    return teacher_directory(plan.teacher_of(wildcards.protocol))


def label_kind(wildcards):
    return plan.protocol(wildcards.protocol).labels.kind


def label_views(wildcards):
    """The augmented views that labels are for; none for static labels, which are of the images themselves."""
    if plan.labelling_of(wildcards.protocol)["views"] is None:
        return None
    return plan.views_of(wildcards.protocol, wildcards.method, wildcards.ipc)


def label_precision(wildcards):
    """In which the teacher computes."""
    return plan.protocol(wildcards.protocol).precision


def stated_kind(wildcards):
    """What the config says of a set's own labels: whether they are logits or probabilities."""
    return plan.config.methods[wildcards.method].soft_labels


def own_label_stamp(wildcards):
    """The state of a set's own labels, which the user owns; once imported, they are not needed any more."""
    return stamp_of_own_labels(wildcards.method, wildcards.ipc)


@cache
def stamp_of_own_labels(method, ipc):
    return stamp_of_labels(plan.images_of(method, ipc), labels_path(DATA, method, ipc))


rule import_labels:
    input:
        distilled=DISTILLED,
        class_table=CLASSES,
    output:
        labels=labels_path(DATA, "{method}", "{ipc}"),
    log:
        LOGS / "import_labels" / "{method}" / "ipc{ipc}.log",
    benchmark:
        BENCHMARKS / "import_labels" / "{method}" / "ipc{ipc}.tsv"
    wildcard_constraints:
        method=one_of(plan.methods_that("import_set")),
        ipc=r"\d+",
    threads: READERS
    resources:
        mem_mb=memory(set_memory),
        runtime=minutes(60),
    params:
        code=code_of("import_labels"),
        asked=of(plan.import_of, "method", "ipc"),
        stated=stated_kind,
        made_of=own_label_stamp,
    script:
        "../workflow/run.py"


rule relabel_set:
    input:
        unpack(whole_split),
        distilled=DISTILLED,
        class_table=CLASSES,
        teacher=protocol_teacher,
    output:
        labels=DATA / "labels" / "{method}" / "ipc{ipc}" / "{protocol}.safetensors",
    log:
        LOGS / "relabel_set" / "{method}" / "ipc{ipc}" / "{protocol}.log",
    benchmark:
        BENCHMARKS / "relabel_set" / "{method}" / "ipc{ipc}" / "{protocol}.tsv"
    resources:
        gpu=1,
        readers=READERS,
        mem_mb=memory(set_memory),
        runtime=computing(work.relabel_set),
    params:
        code=code_of("relabel_set"),
        dataset=plan.dataset.name,
        seed=plan.seed,
        kind=label_kind,
        views=label_views,
        top=of(plan.top_of, "protocol"),
        precision=label_precision,
    script:
        "../workflow/run.py"
