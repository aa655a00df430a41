"""Students: the seeds of one (set, protocol, architecture) are trained by one job."""


def student_labels(wildcards):
    """Stored labels, shared with every protocol that labels alike; or the teacher itself; or nothing."""
    if plan.stores_labels(wildcards.protocol):
        owner = plan.label_owner(wildcards.protocol)
        stored = collect(rules.relabel_set.output.labels, method=wildcards.method, ipc=wildcards.ipc, protocol=owner)
        return {"labels": stored[0]}
    teacher = plan.teacher_of(wildcards.protocol)
    return {"teacher": DATA / "teachers" / teacher} if teacher else {}


def student_about(wildcards):
    """What names a student in every table."""
    return {"dataset": plan.dataset.name, **wildcards}


def student_views(wildcards):
    return plan.protocol(wildcards.protocol).views.model_dump(mode="json")


def student_recipe(wildcards):
    protocol = plan.protocol(wildcards.protocol)
    return protocol.optimizer.model_dump(mode="json") | {"evaluations": protocol.evaluations}


def student_labelling(wildcards):
    protocol = plan.protocol(wildcards.protocol)
    kind = "hard" if protocol.labels == "hard" else protocol.labels.kind
    return {"kind": kind, "temperature": protocol.temperature}


def student_seeds(wildcards):
    return plan.seeds_of(**wildcards)


rule train_students:
    input:
        unpack(student_labels),
        distilled=DISTILLED,
        train=TRAIN,
        val=VAL,
        classes=CLASSES,
    output:
        students=directory(DATA / "students" / "{method}" / "ipc{ipc}" / "{protocol}" / "{student}"),
    log:
        LOGS / "train_students" / "{method}" / "ipc{ipc}" / "{protocol}" / "{student}.log",
    benchmark:
        BENCHMARKS / "train_students" / "{method}" / "ipc{ipc}" / "{protocol}" / "{student}.tsv"
    params:
        code=code_of("train_students"),
        dataset=plan.dataset.name,
        seed=plan.seed,
        seeds=student_seeds,
        about=student_about,
        views=student_views,
        recipe=student_recipe,
        labelling=student_labelling,
    script:
        "../workflow/scripts/train_students.py"
