"""Targets that nothing makes are refused by name; Snakemake would only say that no rule produces them."""

import os
import sys
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path

from snakemake.cli import parse_args
from snakemake.exceptions import WorkflowError

from retort.plan.targets import no_such_target


def refuse_unknown_targets(targets):
    """Raises WorkflowError for words that are neither a rule nor a file that a rule makes."""
    names = {rule.name for rule in workflow.rules}
    for target in map(os.path.normpath, targets):
        if target in names or any(r.is_producer(target) for r in workflow.rules):
            continue
        plain = [rule for rule in workflow.rules if not rule.has_wildcards()]
        wanted = [rule.name for rule in plain if not rule.output or rule.name == "report_page"]
        files = [str(file) for rule in plain for file in rule.output]
        raise WorkflowError(no_such_target(target, wanted, files))


def asked_for():
    """The targets of this command; none where Snakemake was started by another program, whose words are its own."""
    command = Path(sys.argv[0])
    if command.name != "snakemake" and command.parent.name != "snakemake":
        return []
    with redirect_stderr(StringIO()):  # it would name the profile a second time
        return parse_args(sys.argv[1:])[1].targets


# The workflow is read before Snakemake looks at its targets. Of a module's targets, other modules make some.
if workflow.is_main_process and not AS_MODULE:
    refuse_unknown_targets(asked_for())
