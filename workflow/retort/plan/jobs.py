"""Which jobs stand behind the accuracy table, and which methods each of them serves."""

from typing import NamedTuple

from retort.plan.plan import Plan
from retort.plan.work import PUBLISHED, WorkOf

PER_IMAGE = {
    *("export_images", "build_manifest", "decode_split", "adopt_teacher", "measure_raw_teacher"),
    *("encode_latents", "describe_images", "memorise_latents"),
    *("embed_classes", "cluster_classes", "find_representatives"),
    *("invert_latents", "score_typicality", "score_windows"),
    *("train_dynamics", "record_dynamics"),
}
"""Stages that look at every image of the data set: their work grows with the number of images."""
FIXED = {"fetch_model", "fetch_teacher", "train_vae", "train_dit", "train_teacher"}
"""Stages whose work the config says, whatever the data set: training has its number of steps."""
STUDENTS = {"train_one_student", "train_students"}
OF_SET = {"select_images", "write_set", "relabel_set", *STUDENTS}
"""Stages that look at every image of one distilled set, which may be the whole training set."""


class SharedJob(NamedTuple):
    """A stage's job, or its jobs by shard, and the wanted methods that use it."""

    stage: str
    wildcards: dict[str, str]
    methods: list[str]
    grows_with: str


def jobs_behind(plan: Plan) -> dict[str, list[dict[str, str]]]:
    """Stage -> the wildcards, but for shards, of each of its jobs that the plan's accuracy table rests on."""
    sets = plan.wanted("method", "ipc")
    labelled = [
        {"method": row["method"], "ipc": row["ipc"], "protocol": plan.label_owner(row["protocol"])}
        for row in plan.wanted("method", "ipc", "protocol")
        if plan.stores_labels(row["protocol"])
    ]
    cells, work = plan.wanted("method", "ipc", "protocol", "student"), WorkOf(plan)
    jobs = {
        "export_images": [{}] if plan.dataset.written_out else [],
        "build_manifest": [{}],
        "decode_split": _named("split", plan.decoded_splits()),
        "fetch_model": _named("model", plan.fetched_models()),
        "train_vae": _named("model", plan.used_encoders(trained=True)),
        "train_dit": _named("model", plan.used_models(trained=True)),
        "fetch_teacher": _named("teacher", plan.used_teachers(trained=False, measuring=False)),
        "train_teacher": _named("teacher", plan.used_teachers(trained=True, measuring=False)),
        "adopt_teacher": _named("teacher", plan.used_teachers(trained=False, measuring=False)),
        "measure_raw_teacher": _named("teacher", plan.raw_judges(plan.wanted_methods)),
        "encode_latents": _named("encoder", plan.used_latents()),
        "memorise_latents": _named("model", plan.memorised_models()),
        **{stage: [job for row in sets for job in plan.jobs_of(stage, **row)] for stage in plan.METHOD_STAGES},
        "write_set": sets,
        "import_labels": plan.sets_with_own_labels(),
        "relabel_set": labelled,
        "train_one_student": [
            cell | {"seed": str(seed)} for cell in cells if work.seeds_apart(cell) for seed in plan.seeds(**cell)
        ],
        "train_students": cells,
    }
    return {stage: _distinct(items) for stage, items in jobs.items() if items}


def shared_jobs(plan: Plan) -> list[SharedJob]:
    """Every job behind the table once, in the order of the work, with the methods that would start it alone."""
    users: dict[tuple, list[str]] = {}
    for method in plan.wanted_methods:
        for stage, items in jobs_behind(plan.only(method)).items():
            for wildcards in items:
                users.setdefault((stage, *sorted(wildcards.items())), []).append(method)
    return [
        SharedJob(stage, wildcards, users[(stage, *sorted(wildcards.items()))], grows_with(plan, stage, wildcards))
        for stage, items in jobs_behind(plan).items()
        for wildcards in items
    ]


def grows_with(plan: Plan, stage: str, wildcards: dict[str, str]) -> str:
    """What the work of a job is proportional to, at the same images per class: images, classes or nothing."""
    if stage in PER_IMAGE:
        return "images"
    if stage in FIXED or (stage in (*STUDENTS, "relabel_set") and _of_fixed_length(plan, wildcards["protocol"])):
        return "nothing"
    whole = stage in OF_SET and wildcards["method"] in plan.methods_that_select("all")
    return "images" if whole else "classes"


def _of_fixed_length(plan: Plan, protocol: str) -> bool:
    """Whether as many views are seen whatever the size of the set; static labels are of the images instead."""
    labels, views = plan.protocol(protocol).teacher_labels, plan.protocol(protocol).views
    return views.epochs is None and (labels is None or labels.kind != "static")


def full_size(plan: Plan) -> dict[str, int] | None:
    """Classes and training images of the whole data set that the plan's may be a part of, where it is published."""
    return PUBLISHED.get(plan.dataset.kind)


def _named(wildcard: str, names: list[str]) -> list[dict[str, str]]:
    return [{wildcard: name} for name in names]


def _distinct(items: list[dict[str, str]]) -> list[dict[str, str]]:
    return list({tuple(sorted(item.items())): item for item in items}.values())
