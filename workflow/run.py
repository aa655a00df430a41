"""The script of every rule: calls the function of its stage with what the rule names (see retort.running.call)."""

from retort.running import light_imports
from retort.running.call import call

light_imports.install_for(snakemake)
call(snakemake)
