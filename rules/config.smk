"""The library of this clone, and the config: read strictly before Snakemake reads it, and given whole by a workflow that
uses this one as a module."""

import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

# Not workflow.basedir, which is of the workflow that is run: another one may use this one as a module.
CLONE = Path(workflow.current_basedir.get_path_or_uri(secret_free=True)).parent
LIBRARY = CLONE / "workflow"
AS_MODULE = not workflow.modifier.is_main_snakefile()

# Rules and jobs use this clone's library, whatever else is installed; jobs inherit the environment.
sys.path.insert(0, str(LIBRARY))
os.environ.update(PYTHONPATH=str(LIBRARY))

if not LIBRARY.is_dir():
    raise WorkflowError(
        f"Retort is read from {CLONE}, which is no folder of this machine, and its jobs need the files beside its "
        "Snakefile: clone it, and name that Snakefile by its path"
    )

from retort.config.given import DEFAULT, read_given, refuse_no_config
from retort.base.errors import RetortError
from retort.plan.surroundings import refuse_another_clone, refuse_odd_paths, refused


def refusal(error):
    """The one line that ends Snakemake for a mistake in the config, or for what the machine refuses."""
    said = refused(error) if isinstance(error, OSError) else str(error)
    return WorkflowError(f"module {workflow.modifier.namespace}: {said}" if AS_MODULE else said)


try:
    refuse_odd_paths([CLONE, Path.cwd()], sys.executable)
    if AS_MODULE:
        refuse_another_clone(LIBRARY)
        refuse_no_config(config)
    else:
        read_given(workflow.configfiles or [DEFAULT])
except (RetortError, OSError) as error:
    raise refusal(error)

# A config given with --configfile stands alone; nothing of the default leaks into it.
if not (AS_MODULE or workflow.overwrite_configfiles):

    configfile: DEFAULT
