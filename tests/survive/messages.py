"""What the program answers to bad input: what each message must hold, and all of them as they were last written down.

`messages.txt` beside this file has every message of the suite. A case compares its message with that file and looks in
it for the three parts of its `Answer`, so that no rearranged program can answer otherwise unnoticed. After a change
that is meant,

    RETORT_WRITE_MESSAGES=1 pytest tests/survive/test_bad_configs.py tests/survive/test_bad_input.py \
        tests/survive/test_bad_parts.py tests/survive/test_bad_artifacts.py

writes the new ones down (in one process), to be read in the difference.
"""

import os
import re
from pathlib import Path
from typing import NamedTuple

FILE = Path(__file__).with_name("messages.txt")
WRITING = bool(os.environ.get("RETORT_WRITE_MESSAGES"))


class Answer(NamedTuple):
    """Pieces that a message must have, each its own: none may be empty, and none may serve for another."""

    place: str  # the key, file or line that is wrong
    finding: str  # what was found there
    remedy: str  # what would be right, or what to do

    def lacks(self, message: str) -> list[str]:
        """The parts that the message does not have."""
        return [part for part, piece in self._asdict().items() if not piece or piece not in message]


def read(file: Path = FILE) -> dict[str, str]:
    """Case -> message; messages are indented by four spaces below their case."""
    found: dict[str, str] = {}
    for block in re.split(r"\n(?=\S)", file.read_text()):
        case, _, text = block.partition("\n")
        if case.startswith("["):
            found[case.rstrip()[1:-1]] = "\n".join(line[4:] for line in text.rstrip().splitlines())
    return found


def write(messages: dict[str, str], file: Path = FILE) -> None:
    blocks = [
        f"[{case}]\n" + "".join(f"    {line}\n" for line in messages[case].splitlines()) for case in sorted(messages)
    ]
    file.write_text("# Every message of the bad-input suite: see messages.py.\n\n" + "\n".join(blocks))


def without_machine(message: str, **folders: Path) -> str:
    """The message with <name> for each folder of this run, and HASH for each hash."""
    for name, folder in sorted(folders.items(), key=lambda pair: -len(str(pair[1]))):
        message = message.replace(str(folder), f"<{name}>")
    return re.sub(r"\b[0-9a-f]{16}\b", "HASH", message)


def check(group: str, case: str, message: str, answer: Answer) -> None:
    """Fails unless the message has a place, a finding and a remedy, and is the one that was written down."""
    case = f"{group}: {case}"
    assert "Traceback" not in message, message
    kept = read()
    if WRITING:
        write(kept | {case: message})
    else:
        assert message == kept.get(case), "see messages.py: how new messages are written down"
    assert answer.lacks(message) == [], message


def said_by_job(output: str) -> str:
    """The error that ended a job: from the line that begins with `retort:` to the end of what it printed."""
    found = re.search(r"^retort: .*", output, re.MULTILINE | re.DOTALL)
    assert found, output
    return found[0].rstrip()


def said_by_snakemake(output: str) -> str:
    """The error that ended Snakemake before a job, without the places in rule files from which it was raised."""
    assert "Traceback" not in output, output
    error = output[output.index("WorkflowError") :].partition("\n")[2]
    return re.split(r'\n  File "|\nUsing workflow specific profile', error)[0].rstrip()
