"""Rule rank_patches."""

from retort.base.running import Running
from retort.data.manifest import read_classes
from retort.models.load import CodecFiles
from retort.running.job import job
from retort.stages.rank_patches import Embedder, rank_patches

with job(snakemake):
    if snakemake.input.get("teacher"):
        ids = [c.id for c in read_classes(snakemake.input.classes)]
        embedder = Embedder.of_teacher(snakemake.input.teacher, ids, snakemake.params.space["side"])
    else:
        run = Running.parse(snakemake.resources.run)
        embedder = Embedder.of_encoder(CodecFiles(snakemake.input.encoder, **snakemake.params.space, run=run))
    rank_patches(
        snakemake.input.scored,
        snakemake.input.manifest,
        embedder,
        snakemake.output.patches,
        classes=snakemake.params.classes,
        clusters=snakemake.params.clusters,
        dataset=snakemake.params.dataset,
        seed=snakemake.params.seed,
        batch=snakemake.resources.batch,
        threads=snakemake.threads,
    )
