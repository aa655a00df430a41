"""A Chromium that tests speak to over a pipe: a window of any width, a script's answer, a picture, a print."""

import base64
import json
import os
import select
import shutil
import subprocess
from itertools import count
from pathlib import Path
from typing import Any

import pytest

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
in_a_browser = pytest.mark.skipif(BROWSER is None, reason="no Chromium here: the page was parsed, but not looked at")
PATIENCE = 120  # seconds for one answer


class Browser:
    """One window without a screen, told what to do by Chromium's DevTools protocol.

    Its own window is never narrower than 500 pixels, so a telephone is emulated.
    """

    def __init__(self):
        asked, self._send = os.pipe()
        self._receive, answered = os.pipe()
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--remote-debugging-pipe"]
        # The protocol's two ends are numbers 3 and 4 of the browser's files.
        command = f'exec "$0" "$@" 3<&{asked} 4>&{answered}'
        if {asked, answered} & {3, 4}:
            command = f'exec 8<&{asked} 9>&{answered}; exec "$0" "$@" 3<&8 4>&9'
        self._process = subprocess.Popen(
            ["bash", "-c", command, BROWSER, *flags, "about:blank"],
            pass_fds=(asked, answered),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(asked)
        os.close(answered)
        self._numbers, self._rest = count(1), b""
        (page, *_) = (t for t in self._call("Target.getTargets")["targetInfos"] if t["type"] == "page")
        attached = self._call("Target.attachToTarget", targetId=page["targetId"], flatten=True)
        self._session = attached["sessionId"]
        self._call("Page.enable")

    _session = None

    def open(self, page: Path, width: int, height: int = 900, *, dark: bool = False, media: str = "") -> None:
        """Show a file in a window of this size, in light or dark, and as on paper with media="print"."""
        self._call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._call("Emulation.setEmulatedMedia", media=media, features=[scheme])
        self._call("Page.navigate", until="Page.loadEventFired", url=page.as_uri())

    def ask(self, script: str) -> Any:
        """The value of an expression on the page, waited for where it is a promise."""
        done = self._call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def picture(self, file: Path, whole: bool = False) -> None:
        """A PNG of the window, or of the page down to its end."""
        file.write_bytes(self._content("Page.captureScreenshot", captureBeyondViewport=whole))

    def printed(self, file: Path) -> None:
        """A PDF on the browser's own paper, US letter, which is the shorter one."""
        file.write_bytes(self._content("Page.printToPDF", printBackground=True, preferCSSPageSize=True))

    def close(self) -> None:
        os.close(self._send)  # the browser ends when nobody speaks to it any more
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._receive)

    def _content(self, method: str, **how: Any) -> bytes:
        return base64.b64decode(self._call(method, **how)["data"])

    def _call(self, method: str, until: str = "", **parameters: Any) -> dict:
        """The answer to one command, and the event `until` after it."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        message |= {"sessionId": self._session} if self._session else {}
        text = json.dumps(message).encode() + b"\0"
        while text:
            text = text[os.write(self._send, text) :]
        answer, seen = None, not until
        while answer is None or not seen:
            heard = self._heard()
            seen |= heard.get("method") == until
            answer = heard if heard.get("id") == number else answer
        assert "error" not in answer, answer["error"]
        return answer["result"]

    def _heard(self) -> dict:
        while b"\0" not in self._rest:
            assert select.select([self._receive], [], [], PATIENCE)[0], "the browser does not answer"
            part = os.read(self._receive, 1 << 20)
            assert part, "the browser has ended"
            self._rest += part
        message, self._rest = self._rest.split(b"\0", 1)
        return json.loads(message)
