"""Teacher labels of distilled sets, stored once for every student that uses them."""


def protocol_teacher(wildcards):
    return DATA / "teachers" / plan.teacher_of(wildcards.protocol)


def label_kind(wildcards):
    return plan.protocol(wildcards.protocol).labels.kind


def label_views(wildcards):
    """The augmented views that labels are for; none for static labels, which are of the images themselves."""
    return plan.labelling_of(wildcards.protocol)["views"]


rule relabel_set:
    input:
        distilled=DISTILLED,
        train=TRAIN,
        classes=CLASSES,
        teacher=protocol_teacher,
    output:
        labels=DATA / "labels" / "{method}" / "ipc{ipc}" / "{protocol}.safetensors",
    log:
        LOGS / "relabel_set" / "{method}" / "ipc{ipc}" / "{protocol}.log",
    benchmark:
        BENCHMARKS / "relabel_set" / "{method}" / "ipc{ipc}" / "{protocol}.tsv"
    params:
        code=code_of("relabel_set"),
        dataset=plan.dataset.name,
        seed=plan.seed,
        kind=label_kind,
        views=label_views,
    script:
        "../workflow/scripts/relabel_set.py"
