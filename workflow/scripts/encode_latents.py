"""Rule encode_latents."""

from retort.base.running import Running
from retort.data.images import Fit
from retort.models.load import CodecFiles
from retort.running.job import job
from retort.stages.encode import encode_shard

with job(snakemake):
    encode_shard(
        snakemake.input.manifest,
        snakemake.output.latents,
        codec=CodecFiles(snakemake.input.encoder, **snakemake.params.codec, run=Running.parse(snakemake.resources.run)),
        classes=snakemake.params.classes,
        posterior=snakemake.params.posterior,
        store=snakemake.params.store,
        fit=Fit(**snakemake.params.fit),
        dataset=snakemake.params.dataset,
        seed=snakemake.params.seed,
        batch=snakemake.resources.batch,
        threads=snakemake.threads,
    )
