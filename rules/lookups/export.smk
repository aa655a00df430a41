"""Look-ups of export.smk: what a set is exported with."""


def exporting_teacher(wildcards):
    """The teacher whose soft labels go with a set; none where no protocol has soft labels."""
    teacher = plan.labelling_teacher(wildcards.method, wildcards.ipc)
    return {"teacher": teacher_directory(teacher)} if teacher else {}


def exporting_teachers():
    """Those of all sets."""
    names = [plan.labelling_teacher(**row) for row in plan.distilled_sets()]
    return [teacher_directory(name) for name in dict.fromkeys(filter(None, names))]


def export_about(wildcards):
    """What the file says of itself."""
    return about_export(wildcards.method, wildcards.ipc)


def about_export(method, ipc):
    teacher = plan.labelling_teacher(method, ipc)
    settings = plan.config.teachers[teacher].model_dump(mode="json", exclude_none=True) if teacher else None
    of_set = {"dataset": plan.dataset.name, "method": method, "ipc": ipc}
    return of_set | {"logits_of": teacher, "teacher": settings}


def card_abouts(wildcards):
    """What each card is told of its set, in the order of the sets."""
    return [card_about(**row) for row in plan.distilled_sets()]


def card_about(method, ipc):
    found = about_export(method, ipc)
    directory = str(teacher_directory(found["logits_of"])) if found["logits_of"] else None
    learnt = {
        "view_labels": plan.view_label_owners(method, ipc),
        "temperature": plan.labelling_temperature(method, ipc),
    }
    return found | learnt | {"teacher_directory": directory}


def of_each_export(output):
    return [path_of(output, **row) for row in plan.distilled_sets()]
