"""Teacher labels of distilled sets, stored once for every student that uses them."""


rule relabel_set:
    input:
        unpack(whole_split),
        distilled=DISTILLED,
        classes=CLASSES,
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
        top=label_top,
        precision=label_precision,
    script:
        "../workflow/scripts/relabel_set.py"
