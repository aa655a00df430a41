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
    resources:
        gpu=1,
        mem_mb=memory(set_memory),
        runtime=computing(work.export_set),
    params:
        code=code_of("export_set"),
        about=export_about,
    script:
        "../workflow/scripts/export_set.py"


# One job for all, because all are of the one table of accuracies, and a start takes longer than a card.
rule write_cards:
    input:
        distilled=of_each_export(DISTILLED),
        accuracy=rules.tabulate_accuracy.output.csv,
        sheets=of_each_export(rules.draw_contact_sheet.output.figure),
        teachers=exporting_teachers(),
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
        about=card_abouts,
    script:
        "../workflow/scripts/write_cards.py"


rule exports:
    input:
        of_each_export(EXPORTS / "train.parquet"),
        of_each_export(EXPORTS / "README.md"),
