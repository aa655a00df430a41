"""Teacher labels of distilled sets, stored once for every student that uses them."""


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
