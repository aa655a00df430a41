"""Look-ups of export.smk: what a set is exported with."""


def exporting_teacher(wildcards):
    """The teacher whose soft labels go with a set; none where no protocol has soft labels."""
    teacher = plan.labelling_teacher(wildcards.method, wildcards.ipc)
    return {"teacher": teacher_directory(teacher)} if teacher else {}


def export_about(wildcards):
    """What the file says of itself."""
    teacher = plan.labelling_teacher(wildcards.method, wildcards.ipc)
    settings = plan.config.teachers[teacher].model_dump(mode="json", exclude_none=True) if teacher else None
    of_set = {"dataset": plan.dataset.name, "method": wildcards.method, "ipc": wildcards.ipc}
    return of_set | {"logits_of": teacher, "teacher": settings}


def card_about(wildcards):
    of_set = {"method": wildcards.method, "ipc": wildcards.ipc}
    learnt = {"view_labels": plan.view_label_owners(**of_set), "temperature": plan.labelling_temperature(**of_set)}
    return export_about(wildcards) | learnt


def exports_of(rows):
    outputs = [*rules.export_set.output, *rules.write_card.output]
    return [path_of(output, **row) for row in rows for output in outputs]
