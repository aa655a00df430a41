"""A shard that is killed in the middle of a class, or of a batch, and tried again.

python -m tests.helpers.killed_shard STAGE HOME CALLS... [-- HOME CALLS...] prints, as JSON, a list for each HOME with
one entry for each attempt: the classes that it computed, batch by batch, and whether it was killed. An attempt is
killed (SIGKILL) when it has computed the batch of that number, from 1; 0 lets it end. Each is a process of its own;
HOME is `tiny_models`' with latents.safetensors, and gets output.safetensors and kept/. NAME=VALUE changes a setting of
the last attempt.
"""

import json
import os
import signal
import sys
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from retort.artifacts.kept_classes import KeptBatches, KeptClasses
from retort.models.health import Watched
from retort.stages.sets import generate_images as generate
from retort.stages.shared import invert_latents as invert
from retort.stages.shared import score_typicality as typicality
from tests.helpers.parts import NOISE
from tests.helpers.parts import sampling as sampling_by
from tests.helpers.tiny_models import CLASSES, SIDE, files

STAGES = {
    "typicality": (typicality.score_typicality, {"draws": 4, "low": 0.1, "high": 0.7, "dataset": "toy", "seed": 0}),
    "inversion": (invert.invert_latents, {"steps": 6, "stop": 4, "guidance": 2.0}),
    "generation": (generate.generate_images, {"steps": 5, "number": 3, "side": SIDE, "dataset": "toy", "seed": 0}),
}


def attempt(stage: str, home: Path, changes: dict, kill_at: int, note: Path) -> None:
    """Compute the shard; the purpose is a word made of the settings, as a job's is made of its parameters."""
    work, settings = STAGES[stage]
    settings |= changes
    check, batches = Watched.check, []

    def counted(self: Watched, found, class_ids, *words):
        batches.append(class_ids[0])
        note.write_text(json.dumps(batches))
        if len(batches) == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        check(self, found, class_ids, *words)

    Watched.check = counted
    latents, table, output = (
        str(home / f"{name}") for name in ("latents.safetensors", "classes.csv", "output.safetensors")
    )
    purpose = json.dumps(settings)
    if stage == "generation":
        sampling = sampling_by("ddim", settings.pop("steps"), None, 2.0)
        kept, inputs = KeptBatches(home / "kept", purpose), (table, *6 * [None], output)
        settings |= {"start": NOISE, "sampling": sampling, "class_indices": range(len(CLASSES))}
        work(*inputs, kept, **files(home), batch=4, **settings)
    else:
        kept = KeptClasses(home / "kept", purpose)
        work(latents, table, output, kept, **files(home), class_ids=CLASSES, batch=2, **settings)


def attempts(stage: str, home: Path, words: Sequence[str]) -> list[dict]:
    """What is printed of one HOME."""
    calls = [word for word in words if "=" not in word]
    found = []
    for number, kill_at in enumerate(map(int, calls)):
        last = number == len(calls) - 1
        changes = {name: json.loads(value) for name, value in (w.split("=") for w in words if "=" in w)} if last else {}
        note = home / "batches.json"
        note.unlink(missing_ok=True)
        child = os.fork()
        if child == 0:
            os.dup2(2, 1)
            attempt(stage, home, changes, kill_at, note)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        if not killed and status:
            sys.exit(f"attempt {number} ended with {status}")
        found.append({"batches": json.loads(note.read_text()), "killed": killed})
    return found


def main() -> None:
    stage, *words = sys.argv[1:]
    asked = [list(group) for one, group in groupby(words, lambda word: word == "--") if not one]
    print(json.dumps([attempts(stage, Path(home), calls) for home, *calls in asked]))


if __name__ == "__main__":
    main()
