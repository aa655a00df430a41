"""One stage for one set of wildcards, run in this process with the config's own settings: for debugging and notebooks.

    python workflow/call.py generate_images method=d3hr number=1 shard=0000 --configfile my-config.yaml

The stage gets the arguments that the workflow would give it, but for its outputs and its checkpoint: these lie below
a folder of their own (--into, by default results/by-hand), so nothing that the workflow made is replaced. It computes
with the threads of the workflow's job, but chooses no GPU for itself: CUDA_VISIBLE_DEVICES does. An error has its
traceback; --pdb opens the debugger there, --print only shows the arguments.
"""

import argparse
import logging
import os
import pdb
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from pprint import pprint
from types import SimpleNamespace
from typing import Any

from snakemake.api import SnakemakeApi
from snakemake.exceptions import MissingRuleException, WorkflowError
from snakemake.io import apply_wildcards
from snakemake.settings.types import DAGSettings, OutputSettings

from retort.base.errors import RetortError
from retort.running.call import Names, arguments, stage, stage_name
from retort.running.planned import loaded, with_jobs

INTO = "results/by-hand"


def stage_of(
    rule: str, wildcards: Mapping[str, str], command: Sequence[str] = (), into: str | Path = INTO
) -> tuple[Callable, dict[str, Any]]:
    """The function of a rule's stage, and what to call it with for one set of wildcards.

    command: further arguments of `snakemake`, such as --configfile FILE. into: the folder below which outputs and the
    checkpoint lie. Raises RetortError for an unknown rule, for wildcards that are not the rule's, and for inputs that
    have not been made.
    """
    with SnakemakeApi(OutputSettings(log_level_override=logging.ERROR, enable_file_logging=False)) as api:
        try:
            flow, _ = loaded(api, command)
            job = _job(flow, rule, dict(wildcards))
        except WorkflowError as error:  # what Snakemake says of a bad config
            raise RetortError(str(error)) from None
        if missing := [str(path) for path in job.input if not Path(path).exists()]:
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            have = "have" if more else "has"
            raise RetortError(
                f"{rule}: its input {missing[0]}{more} {have} not been made; make it first: "
                f"snakemake --cores N {' '.join([*command, '--', *missing[:3]])}"
            )
        params = dict(job.params.items())
        if "checkpoint" in params:
            params["checkpoint"] = _moved(params["checkpoint"], into)
        described = SimpleNamespace(
            input=job.input,
            output={name: _moved(value, into) for name, value in job.output.items()},
            params=params,
            wildcards=dict(job.wildcards.items()),
            resources=job.resources,
            threads=job.threads,
        )
        if job.resources.get("network"):
            os.environ.pop("HF_HUB_OFFLINE", None)  # which the rules set for all other jobs
        function = stage(stage_name(job.params.code))
        if "torch" in sys.modules:
            from retort.base.devices import use_threads

            use_threads(job.threads)
        return function, arguments(function, Names(described))


def _job(flow, name: str, wildcards: dict[str, str]):
    """The planned job. Only its own target is planned."""
    settings = DAGSettings(targets={"all"})
    flow.dag(dag_settings=settings)
    known = {rule.name: rule for rule in flow._workflow.rules if rule.script}
    if name not in known:
        raise RetortError(f"no rule with a stage is called {name}; there are {', '.join(sorted(known))}")
    rule = known[name]
    if set(wildcards) != set(rule.wildcard_names):
        raise RetortError(f"{name} {_misgiven(set(wildcards), set(rule.wildcard_names))}")
    target = apply_wildcards(str(rule.output[0]), wildcards)
    try:
        workflow = with_jobs(flow, DAGSettings(targets={target}, forcerun={name}), forceall=True)
    except MissingRuleException:
        given = " ".join(f"{key}={value}" for key, value in wildcards.items())
        raise RetortError(
            f"{name} makes nothing for {given}: the config has no such value of one of them; `snakemake -n` lists the "
            "jobs of a run with their wildcards"
        ) from None
    return next(job for job in workflow.dag.jobs if job.rule.name == name and target in job.output)


def _first(error: BaseException) -> BaseException:
    """The error that others were raised from, as where a part's own error became a line for the user."""
    return _first(error.__cause__) if error.__cause__ else error


def _misgiven(given: set[str], wanted: set[str]) -> str:
    asked = f"needs {' '.join(f'{key}=...' for key in sorted(wanted))}" if wanted else "has no wildcards"
    missing, more = sorted(wanted - given), sorted(given - wanted)
    found = [f"missing: {', '.join(missing)}"] if missing else []
    found += [f"not a wildcard of it: {', '.join(more)}"] if more else []
    return f"{asked}; {'; '.join(found)}"


def _moved(value: Any, into: str | Path) -> Any:
    if isinstance(value, str):
        return str(Path(into, value))
    return [str(Path(into, path)) for path in value]


def main(words: Sequence[str] | None = None) -> int:
    """What `python workflow/call.py` does: its exit status."""
    parser = argparse.ArgumentParser(
        prog="call.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("rule", help="a rule with a stage, such as generate_images")
    parser.add_argument("wildcards", nargs="*", metavar="key=value", help="all wildcards of the rule")
    parser.add_argument("--into", default=INTO, metavar="FOLDER", help=f"where outputs go (default {INTO})")
    parser.add_argument("--print", action="store_true", help="only show what the stage would be called with")
    parser.add_argument("--pdb", action="store_true", help="open the debugger where an error is raised")
    options, command = parser.parse_known_intermixed_args(words)
    try:
        wildcards = dict(word.split("=", 1) for word in options.wildcards)
    except ValueError:
        parser.error(f"wildcards are given as key=value, found {' '.join(options.wildcards)}")
    try:
        function, given = stage_of(options.rule, wildcards, command, options.into)
    except RetortError as error:
        print(f"call.py: {error}", file=sys.stderr)
        return 1
    pprint(given, sort_dicts=False)
    if options.print:
        return 0
    try:
        function(**given)
    except Exception as error:
        traceback.print_exc()
        if options.pdb:
            pdb.post_mortem(_first(error).__traceback__)
        return 1
    print(f"{options.rule}: its outputs lie below {options.into}")
    return 0
