"""Where a run is shown: lines that stay, and in a real terminal a screen below them that is drawn again and again."""

import os
import sys
import threading
from collections.abc import Callable
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

from retort.running.progress.muted import mute, unmute
from retort.running.progress.screen import Size


class Terminal:
    """Draws `screen(size)` at each `refresh` where the stream is a terminal and `redrawn` allows it.

    Jobs that this process starts from now on leave the stream alone, until `stop`.
    """

    def __init__(self, stream: TextIO, colours: bool, redrawn: bool, screen: Callable[[Size], Text]):
        self._console = Console(file=stream, no_color=None if colours else True, highlight=False)
        self._lock, self._screen, self._live = threading.RLock(), screen, None
        mute(sys.stdout, stream)
        os.environ.setdefault("TQDM_NCOLS", "100")  # logs have bars of one width, whatever the terminal's is
        if redrawn and self._console.is_terminal and not self._console.is_dumb_terminal:
            self._live = Live(
                console=self._console,
                auto_refresh=False,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
                get_renderable=self._drawn,
                vertical_overflow="crop",
            )
            self._live.start()
            self._console.show_cursor(True)  # a run that is killed leaves the terminal as it was

    @property
    def is_redrawn(self) -> bool:
        return self._live is not None

    def say(self, text: str, style: str = "", to_copy: bool = False) -> None:
        """Lines that stay, above the screen if there is one.

        In a terminal, long ones are broken between words; but where they are to be copied, as they are anywhere else.
        """
        with self._lock:
            self._console.print(Text(text, style=style), soft_wrap=to_copy or not self._console.is_terminal)

    def refresh(self) -> None:
        with self._lock:
            if self._live:
                self._live.refresh()

    def stop(self) -> None:
        """The screen goes; what was said stays."""
        with self._lock:
            live, self._live = self._live, None
            unmute()
            if live:
                live.stop()

    def _drawn(self) -> Text:
        width, height = self._console.size
        return self._screen(Size(width, height, self._console.encoding.startswith("utf")))
