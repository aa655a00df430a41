"""A command in a real pseudo-terminal of some size, and what its screen showed while it ran."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

CONTROL = re.compile(r"\x1b\[(?P<number>[\d;?]*)(?P<what>[A-Za-z])")


@dataclass(frozen=True)
class Seen:
    """status: how the command ended. frames: the whole screen after each write. text: all that was written."""

    status: int
    frames: list[list[str]]
    text: str
    width: int

    @property
    def last(self) -> str:
        """What is on the terminal at the end, also what scrolled out of it, without blanks at the ends of lines."""
        return "\n".join(self.frames[-1])

    @property
    def sentences(self) -> str:
        """The same as one line, wherever the terminal or the program broke it between words."""
        return " ".join(self.last.split())


class Screen:
    """As much of a terminal as programs here use: lines, returns, the cursor up, lines erased, and colours, which are
    left out. Nothing scrolls away: the screen is as high as what was written."""

    def __init__(self, width: int):
        self.width, self.lines, self.row, self.column = width, [""], 0, 0

    def write(self, text: str) -> None:
        place = 0
        while place < len(text):
            if found := CONTROL.match(text, place):
                self._control(found["what"], found["number"])
                place = found.end()
            else:
                self._put(text[place])
                place += 1

    def _control(self, what: str, number: str) -> None:
        if what == "A":
            self.row -= int(number or 1)
        elif what == "K" and number == "2":
            self.lines[self.row] = ""
        elif what not in "mhl":  # colours, and the cursor shown or not
            raise AssertionError(f"the terminal of the tests does not know ESC[{number}{what}")

    def _put(self, character: str) -> None:
        if character == "\r":
            self.column = 0
        elif character == "\n":
            self.row, self.column = self.row + 1, self.column  # the line discipline adds the return
        else:
            if self.column == self.width:
                self.row, self.column = self.row + 1, 0
            self._grow()
            line = self.lines[self.row].ljust(self.column)
            self.lines[self.row] = line[: self.column] + character + line[self.column + 1 :]
            self.column += 1
        self._grow()

    def _grow(self) -> None:
        self.lines += [""] * (self.row + 1 - len(self.lines))


def run_in_terminal(
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    width: int = 80,
    height: int = 24,
    interrupt_at: str | None = None,
) -> Seen:
    """Run it with a terminal as its input, output and errors, as a user would; it is interrupted, as by Ctrl-C, once
    this text is on the screen."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
    clean = {name: value for name, value in environment.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    clean["TERM"] = "xterm-256color"
    process = subprocess.Popen(
        command, cwd=folder, env=clean, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    screen, frames, text = Screen(width), [], ""
    for piece in _read(ours, time.monotonic() + 1800):
        screen.write(piece)
        frames.append([line.rstrip() for line in screen.lines])
        text += piece
        if interrupt_at and interrupt_at in text:
            os.killpg(process.pid, signal.SIGINT)
            interrupt_at = None
    os.close(ours)
    return Seen(process.wait(), frames, text, width)


def _read(terminal: int, deadline: float) -> Iterator[str]:
    """What is written, in pieces that end no character and no control sequence in the middle."""
    rest = b""
    while time.monotonic() < deadline:
        if not select.select([terminal], [], [], 1.0)[0]:
            continue
        try:
            data = os.read(terminal, 65536)
        except OSError:  # as Linux says that nobody has the other end any more
            data = b""
        if not data:
            break
        rest += data
        end = max(rest.rfind(b"\n"), rest.rfind(b"m"), rest.rfind(b"K"), rest.rfind(b"h"), rest.rfind(b"l")) + 1
        if end:
            yield rest[:end].decode()
            rest = rest[end:]
    if rest:
        yield rest.decode()
