"""Students: the seeds of one (set, protocol, architecture) are trained by one job, or each by its own and gathered."""


rule train_students:
    input:
        unpack(student_labels),
        unpack(whole_split),
        unpack(students_apart),
        distilled=DISTILLED,
        val=VAL,
        classes=CLASSES,
    output:
        students=directory(DATA / "students" / "{method}" / "ipc{ipc}" / "{protocol}" / "{student}"),
    log:
        LOGS / "train_students" / "{method}" / "ipc{ipc}" / "{protocol}" / "{student}.log",
    benchmark:
        BENCHMARKS / "train_students" / "{method}" / "ipc{ipc}" / "{protocol}" / "{student}.tsv"
    resources:
        gpu=gpu_unless_apart,
        readers=READERS,
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


use rule train_students as train_one_student with:
    input:
        unpack(student_labels),
        unpack(whole_split),
        distilled=DISTILLED,
        val=VAL,
        classes=CLASSES,
    output:
        students=directory(DATA / "students-by-seed" / "{method}" / "ipc{ipc}" / "{protocol}" / "{student}" / "{seed}"),
    log:
        LOGS / "train_one_student" / "{method}" / "ipc{ipc}" / "{protocol}" / "{student}" / "{seed}.log",
    benchmark:
        BENCHMARKS / "train_one_student" / "{method}" / "ipc{ipc}" / "{protocol}" / "{student}" / "{seed}.tsv"
    resources:
        gpu=1,
        readers=READERS,
        mem_mb=memory(set_memory),
        runtime=computing(work.train_one_student),
        checkpoint_seconds=60,
    params:
        seeds=student_seed,
        checkpoint=str(
            CHECKPOINTS / "students-by-seed" / "{method}" / "ipc{ipc}" / "{protocol}" / "{student}" / "{seed}"
        ),
