"""Which stages are done, running, stale, failed or waiting, while a run goes on, after a crash, or before the first.

    python workflow/status.py --configfile my-config.yaml        and any other argument of your snakemake command
    python workflow/status.py --output results/status.md         as a file
    python workflow/status.py --replaced                         what took long and the next run would replace

Nothing but that file is written, and a run that is going on is not disturbed.
"""

import argparse
import logging
import socket
import sys
from datetime import datetime
from pathlib import Path

import psutil
from snakemake.api import SnakemakeApi
from snakemake.settings.types import DAGSettings, OutputSettings

from retort.base.errors import RetortError
from retort.base.files import whole_file
from retort.running.planned import loaded, with_jobs
from retort.running.status.jobs import Run, WantedJob, locked_since, look
from retort.running.status.reasons import reasons
from retort.running.status.replaced import finished_results, replaced
from retort.running.status.table import coloured, plain, report

NOTHING_LOST = "Nothing that is finished and took a minute or more would be replaced."


def planned(api: SnakemakeApi, arguments: list[str]):
    """The workflow with its jobs that the arguments ask Snakemake for. Raises as `loaded` does."""
    flow, given = loaded(api, arguments)
    settings = DAGSettings(targets=given.targets, rerun_triggers=given.rerun_triggers, force_incomplete=True)
    return with_jobs(flow, settings)


def wanted_jobs(workflow) -> list[WantedJob]:
    """All of them, in the order of the work."""
    written = {rule.name: place for place, rule in enumerate(workflow.rules)}
    levels = (sorted(level, key=lambda job: written[job.rule.name]) for level in workflow.dag.toposorted())
    jobs = [job for level in levels for job in level if job.output]
    return [_wanted(job, workflow.dag.reason(job) if workflow.dag.needrun(job) else None) for job in jobs]


def _wanted(job, reason) -> WantedJob:
    there = all(Path(path).exists() for path in job.output)
    return WantedJob(job.rule.name, next(map(str, job.log), None), there, reasons(reason) if reason else ())


def alive(pid: int, started: datetime) -> bool:
    """Whether the process exists and began before `started`: the number may have been given to another one since."""
    try:
        return psutil.Process(pid).create_time() <= started.timestamp() + 1
    except psutil.NoSuchProcess:
        return False


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", metavar="FILE", help="write there, as Markdown, instead of the terminal")
    parser.add_argument("--replaced", action="store_true", help="only what took long and the next run would replace")
    options, arguments = parser.parse_known_args()
    with SnakemakeApi(OutputSettings(log_level_override=logging.ERROR, enable_file_logging=False)) as api:
        try:
            workflow = planned(api, arguments)
            if options.replaced:
                print("\n".join(replaced(finished_results(workflow.dag)) or [NOTHING_LOST]))
                return 0
            wanted = wanted_jobs(workflow)
        except RetortError as error:
            print(error, file=sys.stderr)
            return 1
        except Exception as error:  # whatever a config or a Snakefile can do wrong, in Snakemake's words
            api.print_exception(error)
            return 1
    locked = locked_since(Path())
    seen = [look(job, Run(socket.gethostname(), locked, alive)) for job in wanted]
    if options.output:
        with whole_file(options.output) as scratch:
            scratch.write_text(report(seen, locked is not None))
    else:
        print(report(seen, locked is not None, coloured if sys.stdout.isatty() else plain), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
