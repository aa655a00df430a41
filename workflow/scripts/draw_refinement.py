"""Rule draw_refinement."""

from retort.running.job import job
from retort.stages.draw_refinement import draw_refinement

with job(snakemake):
    draw_refinement(
        snakemake.input.generated,
        snakemake.input.refined,
        snakemake.input.chosen,
        snakemake.input.classes,
        snakemake.output.figure,
        classes=snakemake.params.classes,
    )
