"""Look-ups of report.smk: what the page says before its results."""


def report_about(wildcards):
    """The parts of the config that the wanted methods use."""
    return about(plan)


def used_models(wildcards):
    """The directories of all models and teachers that the wanted methods and protocols use."""
    used = about(plan)
    return [DATA / "models" / name for name in used["models"]] + [teacher_directory(name) for name in used["teachers"]]
