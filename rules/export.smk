"""Distilled sets for others: one Parquet file each, with soft labels, and a card. Made when asked for: `exports`."""

EXPORTS = DATA / "exports" / "{method}-ipc{ipc}"


rule export_set:
    input:
        unpack(exporting_teacher),
        distilled=DISTILLED,
        classes=CLASSES,
    output:
        table=EXPORTS / "train.parquet",
        croissant=EXPORTS / "croissant.json",
    log:
        LOGS / "export_set" / "{method}" / "ipc{ipc}.log",
    benchmark:
        BENCHMARKS / "export_set" / "{method}" / "ipc{ipc}.tsv"
    wildcard_constraints:
        ipc=r"\d+",
    conda:
        "../envs/retort.yaml"
    resources:
        gpu=1,
        mem_mb=memory(set_memory),
        runtime=computing(work.export_set),
    params:
        code=code_of("export_set"),
        about=export_about,
    script:
        "../workflow/scripts/export_set.py"


rule write_card:
    input:
        unpack(exporting_teacher),
        distilled=DISTILLED,
        accuracy=rules.tabulate_accuracy.output.csv,
        sheet=rules.draw_contact_sheet.output.figure,
    output:
        card=EXPORTS / "README.md",
        picture=EXPORTS / "contact_sheet.png",
        provenance=EXPORTS / "provenance.json",
    log:
        LOGS / "write_card" / "{method}" / "ipc{ipc}.log",
    benchmark:
        BENCHMARKS / "write_card" / "{method}" / "ipc{ipc}.tsv"
    wildcard_constraints:
        ipc=r"\d+",
    conda:
        "../envs/retort.yaml"
    resources:
        mem_mb=memory(4),
        runtime=minutes(30),
    params:
        code=code_of("write_card"),
        about=card_about,
    script:
        "../workflow/scripts/write_card.py"


rule exports:
    input:
        exports_of(plan.distilled_sets()),
