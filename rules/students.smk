"""Students: the seeds of one (set, protocol, architecture) are trained by one job, or each by its own and gathered."""


def student_labels(wildcards):
    """The teacher, which stored labels are checked against; and these, shared with every protocol that labels alike.

    Of a protocol with a set's own labels they are what was imported.
    """
    if plan.has_own_labels(wildcards.protocol):
        of_set = {"method": wildcards.method, "ipc": wildcards.ipc}
        return {"labels": path_of(rules.import_labels.output.labels, **of_set)}
    teacher = plan.teacher_of(wildcards.protocol)
    if not teacher:
        return {}
    found = {"teacher": teacher_directory(teacher)}
    if plan.stores_labels(wildcards.protocol):
        owner = plan.label_owner(wildcards.protocol)
        of_set = {"method": wildcards.method, "ipc": wildcards.ipc}
        found["labels"] = path_of(rules.relabel_set.output.labels, protocol=owner, **of_set)
    return found


def student_cell(wildcards):
    """The row of a table that a student is of, whatever its seed."""
    return {name: wildcards[name] for name in ("method", "ipc", "protocol", "student")}


def students_apart(wildcards):
    """The students of each seed, where a job of its own trains it; none where one job trains all."""
    if not work.seeds_apart(wildcards):
        return {}
    cell = student_cell(wildcards)
    return {"parts": collect(rules.train_one_student.output.students, **cell, seed=plan.seeds(**cell))}


def gpu_unless_apart(wildcards):
    """A GPU, but for a job that only gathers what others have trained."""
    return int(not work.seeds_apart(wildcards))


def student_row(wildcards):
    """What names a student in every table."""
    return {"dataset": plan.dataset.name, **student_cell(wildcards)}


def student_recipe(wildcards):
    """How a student is trained: without the momentum of an optimiser that has none."""
    protocol = plan.protocol(wildcards.protocol)
    unread = {} if protocol.optimizer.kind == "sgd" else {"momentum": None}
    how = protocol.model_dump(include={"evaluations", "precision", "accumulate", "forward_twice"})
    return protocol.optimizer.model_dump(mode="json") | unread | how


def student_labelling(wildcards):
    protocol = plan.protocol(wildcards.protocol)
    if protocol.labels == "hard":
        return {"kind": "hard"}
    if protocol.labels == "own":
        return {"kind": "own", "temperature": protocol.temperature}
    found = {"kind": protocol.labels.kind, "temperature": protocol.temperature, "precision": protocol.precision}
    return found | ({"own_views": True} if protocol.labels.views_by_seed else {})


def student_seeds(wildcards):
    return plan.seeds(**student_cell(wildcards))


def student_seed(wildcards):
    return [int(wildcards.seed)]


rule train_students:
    input:
        unpack(student_labels),
        unpack(whole_split),
        unpack(students_apart),
        distilled=DISTILLED,
        val=VAL,
        class_table=CLASSES,
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
        row=student_row,
        views=of(plan.views_of, "protocol", "method", "ipc"),
        recipe=student_recipe,
        labelling=student_labelling,
        top=of(plan.top_of, "protocol"),
        checkpoint=str(CHECKPOINTS / "students" / "{method}" / "ipc{ipc}" / "{protocol}" / "{student}"),
    script:
        "../workflow/run.py"


use rule train_students as train_one_student with:
    input:
        unpack(student_labels),
        unpack(whole_split),
        distilled=DISTILLED,
        val=VAL,
        class_table=CLASSES,
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
