"""Rules train_students and train_one_student."""

from pathlib import Path

from retort.protocols.labels import Top
from retort.protocols.student import Recipe
from retort.protocols.views import ViewSettings
from retort.running.job import job, purpose
from retort.stages.gather_students import gather_students
from retort.stages.kept_students import KeptStudents
from retort.stages.train_students import Labelling, train_students


def train():
    train_students(
        snakemake.input.distilled,
        snakemake.input.get("train"),
        snakemake.input.val,
        snakemake.input.classes,
        snakemake.output.students,
        KeptStudents(
            Path(snakemake.params.checkpoint), purpose(snakemake), float(snakemake.resources.checkpoint_seconds)
        ),
        seeds=snakemake.params.seeds,
        about=snakemake.params.about,
        arch=snakemake.wildcards.student,
        views=ViewSettings(**snakemake.params.views),
        recipe=Recipe(**snakemake.params.recipe),
        labelling=Labelling(
            **snakemake.params.labelling,
            stored=snakemake.input.get("labels"),
            teacher=snakemake.input.get("teacher"),
            top=Top(**snakemake.params.top) if snakemake.params.top else None,
        ),
        dataset=snakemake.params.dataset,
        seed=snakemake.params.seed,
        readers=snakemake.resources.get("readers", 1),
    )


with job(snakemake):
    if parts := snakemake.input.get("parts"):
        gather_students([parts] if isinstance(parts, str) else parts, snakemake.output.students)
    else:
        train()
