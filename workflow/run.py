"""The script of every rule: calls the function of its stage with what the rule names (see retort.running.call)."""

from retort.running.call import call

call(snakemake)
