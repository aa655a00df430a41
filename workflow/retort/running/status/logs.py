"""What the log of a job says of it: where it runs, how far it is, how it ended."""

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from retort.artifacts.job_logs import DONE, OPENING, failure

END = 2**16  # bytes: an error that lists bad images fits into them
COUNT, RATE = r"(?P<what>.*?)(: )? *((?P<share>\d+%)\|[^|]*\| )?(?P<count>\d\S*)", r"(?P<rate>[^,\]]+)[^\]]*"
BAR = re.compile(rf"{COUNT} \[[^<,\]]+(<(?P<left>[^,\]]+))?, +{RATE}\]")


@dataclass(frozen=True)
class JobLog:
    """job: the rule and its wildcards. written: when the log was last written to, in seconds since 1970.

    progress: its last progress line in words. error: what ended it. done: it ended well.
    """

    path: Path
    job: str
    host: str
    pid: int
    started: datetime
    written: float
    progress: str | None
    error: str | None
    done: bool


def read_log(path: str | Path) -> JobLog | None:
    """None where there is no log, or none that a job of ours has begun."""
    path = Path(path)
    try:
        with open(path, "rb") as handle:
            opening = OPENING.match(handle.readline().decode(errors="replace"))
            handle.seek(max(0, path.stat().st_size - END))
            end = handle.read().decode(errors="replace")
            written = path.stat().st_mtime
    except FileNotFoundError:
        return None
    if not opening:
        return None
    lines, rule = end.splitlines(), opening["job"].split()[0]
    done = bool(lines) and lines[-1].startswith(DONE)
    return JobLog(
        path=path,
        job=opening["job"],
        host=opening["host"],
        pid=int(opening["pid"]),
        started=datetime.fromisoformat(opening["started"]),
        written=written,
        progress=next((said for line in reversed(lines) if (said := progress(line))), None),
        error=None if done else _error(end, failure(rule, "")),
        done=done,
    )


def progress(line: str) -> str | None:
    """A line of tqdm in words: what, share, count, rate and the time that is left; None for any other line."""
    if not (bar := BAR.fullmatch(line.rstrip())):
        return None
    left = bar["left"] and f"{bar['left']} left"
    return f"{bar['what'] or 'progress'}: {', '.join(filter(None, [bar['share'], bar['count'], bar['rate'], left]))}"


def _error(end: str, beginning: str) -> str | None:
    """The error at the end of a log, which may have several lines."""
    _, found, error = f"\n{end}".rpartition(f"\n{beginning}")
    return error.strip() if found else None
