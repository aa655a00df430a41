"""Distilled sets for others: one Parquet file each, with soft labels, and a card. Made when asked for: `exports`."""


def exporting_teacher(wildcards):
    """The teacher whose soft labels go with a set; none where no protocol has soft labels."""
    teacher = plan.labelling_teacher(wildcards.method, wildcards.ipc)
    return {"teacher": teacher_directory(teacher)} if teacher else {}


def exporting_teachers():
    """Those of all sets."""
    names = [plan.labelling_teacher(**row) for row in plan.exported_sets()]
    return [teacher_directory(name) for name in dict.fromkeys(filter(None, names))]


def export_origin(wildcards):
    """What the file says of itself."""
    return origin_of_export(wildcards.method, wildcards.ipc)


def origin_of_export(method, ipc):
    teacher = plan.labelling_teacher(method, ipc)
    settings = plan.config.teachers[teacher].model_dump(mode="json", exclude_none=True) if teacher else None
    of_set = {"dataset": plan.dataset.name, "method": method, "ipc": ipc}
    return of_set | {"logits_of": teacher, "teacher": settings}


def exporting_own_labels():
    """The soft labels that sets brought."""
    return [path_of(rules.import_labels.output.labels, **row) for row in plan.sets_with_own_labels()]


def card_origins(wildcards):
    """What each card says of its set, in the order of the sets."""
    return [card_origin(**row) for row in plan.exported_sets()]


def card_origin(method, ipc):
    found = origin_of_export(method, ipc)
    directory = str(teacher_directory(found["logits_of"])) if found["logits_of"] else None
    learnt = {
        "view_labels": plan.view_label_owners(method, ipc),
        "temperature": plan.labelling_temperature(method, ipc),
    }
    if temperatures := plan.own_temperatures(method, ipc):
        labels = path_of(rules.import_labels.output.labels, method=method, ipc=ipc)
        learnt |= {"own_labels": labels, "own_temperatures": temperatures}
    return found | learnt | {"teacher_directory": directory}


def of_each_export(output):
    return [path_of(output, **row) for row in plan.exported_sets()]


EXPORTS = DATA / "exports" / "{method}-ipc{ipc}"


rule export_set:
    input:
        unpack(exporting_teacher),
        distilled=DISTILLED,
        class_table=CLASSES,
    output:
        table=EXPORTS / "train.parquet",
        croissant=EXPORTS / "croissant.json",
    log:
        LOGS / "export_set" / "{method}" / "ipc{ipc}.log",
    benchmark:
        BENCHMARKS / "export_set" / "{method}" / "ipc{ipc}.tsv"
    wildcard_constraints:
        ipc=r"\d+",
    resources:
        gpu=1,
        mem_mb=memory(set_memory),
        runtime=computing(work.export_set),
    params:
        code=code_of("export_set"),
        origin=export_origin,
    script:
        "../workflow/run.py"


# One job for all, because all are of the one table of accuracies, and a start takes longer than a card.
rule write_cards:
    input:
        exporting_teachers(),
        exporting_own_labels(),
        distilled=of_each_export(DISTILLED),
        accuracy=rules.tabulate_accuracy.output.csv,
        sheets=of_each_export(rules.draw_contact_sheet.output.figure),
    output:
        cards=of_each_export(EXPORTS / "README.md"),
        pictures=of_each_export(EXPORTS / "contact_sheet.png"),
        provenances=of_each_export(EXPORTS / "provenance.json"),
    log:
        LOGS / "write_cards.log",
    benchmark:
        BENCHMARKS / "write_cards" / "cards.tsv"
    resources:
        mem_mb=memory(4),
        runtime=minutes(30),
    params:
        code=code_of("write_cards"),
        origins=card_origins,
    script:
        "../workflow/run.py"


rule exports:
    input:
        of_each_export(EXPORTS / "train.parquet"),
        of_each_export(EXPORTS / "README.md"),
