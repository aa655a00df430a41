"""Retort: dataset distillation with pre-trained diffusion models, as a library without Snakemake."""
