"""Students: the seeds of one (set, protocol, architecture) are trained by one job."""


rule train_students:
    input:
        unpack(student_labels),
        unpack(whole_split),
        distilled=DISTILLED,
        val=VAL,
        classes=CLASSES,
    output:
        students=directory(DATA / "students" / "{method}" / "ipc{ipc}" / "{protocol}" / "{student}"),
    log:
        LOGS / "train_students" / "{method}" / "ipc{ipc}" / "{protocol}" / "{student}.log",
    benchmark:
        BENCHMARKS / "train_students" / "{method}" / "ipc{ipc}" / "{protocol}" / "{student}.tsv"
    conda:
        "../envs/retort.yaml"
    resources:
        gpu=1,
        mem_mb=memory(set_memory),
        runtime=computing(work.train_students),
        checkpoint_seconds=60,
    params:
        code=code_of("train_students"),
        dataset=plan.dataset.name,
        seed=plan.seed,
        seeds=student_seeds,
        about=student_about,
        views=student_views,
        recipe=student_recipe,
        labelling=student_labelling,
        top=label_top,
        checkpoint=str(CHECKPOINTS / "students" / "{method}" / "ipc{ipc}" / "{protocol}" / "{student}"),
    script:
        "../workflow/scripts/train_students.py"
