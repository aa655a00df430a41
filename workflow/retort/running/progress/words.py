"""Times and counts as people read them on a screen."""

from retort.running.progress.state import Left


def clock(seconds: float) -> str:
    """ "0:05", "12:10", "3:02:10"."""
    whole = int(max(seconds, 0))
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def duration(seconds: float) -> str:
    """ "40 s", "8 min", "3.5 h", "4.2 days": as exact as an estimate deserves."""
    if seconds < 100:
        return f"{max(round(seconds, -1 if seconds > 20 else 0), 0):.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.3g} h" if seconds < 48 * 3600 else f"{seconds / 86400:.3g} days"


def time_left(left: Left | None) -> str:
    """ "about 8 min left", "at least 8 min left"; empty where nobody knows."""
    if left is None:
        return ""
    return f"{'at least' if left.at_least else 'about'} {duration(left.seconds)} left"


def rate(a_minute: float | None) -> str:
    """ "35 jobs a minute", "2.5 jobs an hour"; empty before the first."""
    if a_minute is None:
        return ""
    number, unit = (a_minute, "a minute") if a_minute >= 1 else (60 * a_minute, "an hour")
    return f"{number:.0f} jobs {unit}" if number >= 10 else f"{number:.2g} jobs {unit}"
