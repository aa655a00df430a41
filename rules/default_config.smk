"""The default config is read strictly first: Snakemake's own message for what is no YAML names neither file nor line."""

import sys

from snakemake.exceptions import WorkflowError

sys.path.insert(0, f"{workflow.basedir}/workflow")

from retort.base.errors import RetortError
from retort.config.strict_yaml import read_table

try:
    read_table("config.yaml")
except RetortError as error:
    raise WorkflowError(str(error))
except FileNotFoundError:
    raise WorkflowError(
        "there is no config.yaml here; start snakemake in the folder of the Snakefile, or name a config: "
        "snakemake all --configfile my-config.yaml"
    )
