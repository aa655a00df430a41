"""Look-ups of students.smk: what a student learns from, and how."""


def student_labels(wildcards):
    """The teacher, which stored labels are checked against; and these, shared with every protocol that labels alike."""
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


def student_about(wildcards):
    """What names a student in every table."""
    return {"dataset": plan.dataset.name, **student_cell(wildcards)}


def student_views(wildcards):
    return plan.views_of(wildcards.protocol, wildcards.method, wildcards.ipc)


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
    return {"kind": protocol.labels.kind, "temperature": protocol.temperature, "precision": protocol.precision}


def student_seeds(wildcards):
    return plan.seeds(**student_cell(wildcards))


def student_seed(wildcards):
    return [int(wildcards.seed)]
