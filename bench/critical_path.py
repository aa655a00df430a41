"""The demo's critical path: the chain of jobs that no number of cores makes shorter, by the times of a finished run.

    python -m bench.critical_path [--configfile FILE]       (after a finished run of that config)

Jobs ran side by side and slowed each other down; alone, the chain would take less.
"""

import argparse
import sys

from bench.planned import Job, planned


def critical_path(jobs: list[Job], seconds: dict[Job, float]) -> list[Job]:
    """The chain with the most seconds, in the order in which it runs."""
    maker = {path: job for job in jobs for path in (*job.outputs, job.benchmark)}
    until: dict[Job, float] = {}
    before: dict[Job, Job | None] = {}

    def finish(job: Job) -> float:
        if job not in until:
            needed = {maker[path] for path in job.inputs if path in maker}
            before[job] = max(needed, key=finish, default=None)
            until[job] = seconds[job] + (finish(before[job]) if before[job] else 0)
        return until[job]

    chain = [max(jobs, key=finish)]
    while (earlier := before[chain[0]]) is not None:
        chain.insert(0, earlier)
    return chain


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--configfile", help="of the finished run; the default config where it is left out")
    options = parser.parse_args()
    jobs = planned(options=["--configfile", options.configfile] if options.configfile else [])
    try:
        seconds = {job: job.seconds for job in jobs}
    except FileNotFoundError as error:
        sys.exit(f"{error.filename} is missing: this reads a finished run; run `make demo` first")
    chain, total = critical_path(jobs, seconds), sum(seconds.values())
    print("| stage | makes | seconds | until then |\n|---|---|---|---|")
    spent = 0.0
    for job in chain:
        spent += seconds[job]
        print(f"| {job.rule} | {job.outputs[0]} | {seconds[job]:.1f} | {spent:.1f} |")
    print(f"\n{len(chain)} of {len(jobs)} jobs: {spent:.0f} s of {total:.0f} s, so {total / spent:.1f} cores keep busy")


if __name__ == "__main__":
    main()
