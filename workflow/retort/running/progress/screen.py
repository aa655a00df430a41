"""The one screen of a run in a terminal, as lines that fit into it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.text import Text

from retort.running.progress.state import Job, Room, Run, State
from retort.running.progress.words import clock, rate, time_left

FULL, EMPTY, CUT = "━", "─", "…"
PLAIN = str.maketrans({FULL: "#", EMPTY: "-", CUT: "~"})
MOST_RUNNING = 8  # jobs that are listed
LEAST_BAR = 8  # columns


@dataclass(frozen=True)
class Size:
    """Columns and lines of a terminal, and whether it can show more than ASCII."""

    width: int
    height: int
    unicode: bool = True


def screen(run: Run, said: Mapping[int, str], log: str, now: float, size: Size) -> Text:
    """The whole screen: a bar for each room, the jobs that run, and a bar for all.

    said: what the log of a running job says of its progress, by the job's identity (`id`). log: where all that
    Snakemake says is written. Never wider or higher than the size; what does not fit goes, the bar for all last.
    """
    space = size.height - 1  # the last line of a terminal stays free
    total = _total(run, now, size)
    rooms = _rooms(run.rooms(), size)
    if space < len(rooms) + len(total) + 1:
        rooms = []
    space -= len(rooms) + len(total)
    jobs = _jobs(run.running, said, now, min(MOST_RUNNING, space))
    space -= len(jobs)
    footer = [Text(f"Snakemake's log: {log}", style="dim")][: max(space, 0)]
    gaps = [Text()] if space > 2 else []
    lines = [*rooms, *gaps, *jobs, *(gaps if jobs else []), *total, *footer]
    text = Text("\n").join(_cut(line, size.width) for line in lines)
    if not size.unicode:
        text.plain = text.plain.translate(PLAIN)
    return text


def _cut(line: Text, width: int) -> Text:
    if len(line) > width:
        line.truncate(max(width - 1, 0))
        line.append(CUT)
    return line


def _bar(done: int, total: int, width: int, failed: bool = False) -> Text:
    filled = width if done == total else min(width - 1, round(width * done / max(total, 1)))
    return Text(FULL * filled, style="red" if failed else "green") + Text(EMPTY * (width - filled), style="dim")


def _rooms(rooms: Sequence[Room], size: Size) -> list[Text]:
    """A line each: name, bar, and how many are done."""
    if not rooms:
        return []
    names = max(len(room.name) for room in rooms)
    counts = max(len(f"{room.total}") for room in rooms)
    width = min(40, size.width - names - 2 * counts - 1 - 2 - 14)
    lines = []
    for room in rooms:
        line = Text(f"{room.name:{names}} ", style="bold" if room.running else "")
        if width >= LEAST_BAR:
            line += _bar(room.done, room.total, width, bool(room.failed)) + Text(" ")
        line += Text(f"{room.done:>{counts}}/{room.total:<{counts}}")
        if room.failed:
            line += Text(f"  {room.failed} failed", style="red")
        elif room.running:
            line += Text(f"  {room.running} running", style="cyan")
        lines.append(line)
    return lines


def _jobs(running: Sequence[Job], said: Mapping[int, str], now: float, most: int) -> list[Text]:
    """The jobs that run, for how long, and what their logs say; how many more there are."""
    if most < 1 or not running:
        return []
    shown = running if len(running) <= most else running[: most - 1]
    lines = []
    for job in shown:
        line = Text(f"{clock(now - job.started):>7}  ", style="cyan") + Text(job.name)
        if progress := said.get(id(job)):
            line += Text(f"  {progress}", style="dim")
        lines.append(line)
    if more := len(running) - len(shown):
        lines.append(Text(f"{'':>9}and {more} more", style="dim"))
    return lines


def _total(run: Run, now: float, size: Size) -> list[Text]:
    """The bar for all, and in words how many are done, how fast, since when and for how long still."""
    done, total, failed = run.count(State.DONE), len(run.jobs), run.count(State.FAILED)
    share = f" {100 * done // max(total, 1)}%"
    bar = _bar(done, total, max(size.width - len(share), 1), bool(failed)) + Text(share, style="bold")
    facts = [
        Text(f"{done} of {total} jobs", style="bold"),
        Text(f"{failed} failed", style="red") if failed else None,
        Text(time_left(run.left(now)), style="bold"),
        Text(f"{clock(now - run.began)} so far"),
        Text(rate(run.a_minute(now))),
    ]
    words = Text(", ").join([fact for fact in facts if fact])
    return [bar, words]
