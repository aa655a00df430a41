"""The card of a distilled set: what it is, how it was made, what stands behind it, how to load it; in words."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from retort.base.words import counted, images_per_class
from retort.data.licences import KNOWN
from retort.data.manifest import ClassEntry
from retort.parts.resolve import part_of
from retort.report.plain import in_words_or_plain, plain
from retort.report.words import guides_of

# What a method has beside `generate`, in the order of the work: its key, its family, and what was done.
PARTS = (
    ("select", "selections", "Chosen"),
    ("refine", "refinements", "Refined"),
    ("compose", "compositions", "Composed"),
)
UNKNOWN = "licence unknown, check before you pass the set on"
LOADING = """## Labels and how to load them

A label is a class's number in `classes.csv`, which need not be the alphabetical order of the folders. Loaders that
number folders by name need this order, here from the set's own folder, `{folder}`:

```python
{unpacking}import csv
order = {row["id"]: int(row["index"]) for row in csv.DictReader(open("classes.csv"))}

from torchvision.datasets import ImageFolder  # alphabetical by itself
folder = ImageFolder({root})
folder.target_transform = lambda target: order[folder.classes[target]]

from timm.data import create_dataset  # its train.py: see below
dataset = create_dataset("", root={root}, class_map="class_map.txt")

from datasets import load_dataset  # metadata.csv gives it the right labels{packed}
dataset = load_dataset("imagefolder", data_dir=".", split="train")
```
{reading}{timm}
`manifest.csv` has one row per image, with its label (`class_index`) and what it was made from.
"""
UNPACKING = """import tempfile, zipfile  # for loaders of folders, on a disk that may hold many files
unpacked = tempfile.mkdtemp()
zipfile.ZipFile("images.zip").extractall(unpacked)

"""
READING = """
The images are the members of one archive, `images.zip`, so that the set is a handful of files wherever it is kept. The
archive is not compressed, and each image is read without unpacking the others:

```python
import csv, os, zipfile
from PIL import Image
from torch.utils.data import Dataset

class Packed(Dataset):
    def __init__(self, transform=None):
        self.rows, self.transform, self.process = list(csv.DictReader(open("manifest.csv"))), transform, None

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, number):
        if self.process != os.getpid():  # processes that share an open archive disturb each other
            self.archive, self.process = zipfile.ZipFile("images.zip"), os.getpid()
        image = Image.open(self.archive.open(self.rows[number]["file"])).convert("RGB")
        return self.transform(image) if self.transform else image, int(self.rows[number]["class_index"])

images = Packed()
```
"""
TIMM = """
timm's `train.py` wants one folder that holds `train` and `val`, and the map by its absolute path. Given this folder
alone it validates on the distilled images themselves, without a word. Your validation images, here in `validation`,
lie in folders named by class id:

```sh
both=$(mktemp -d)
ln -s {images} "$both/train"
ln -s "$(realpath validation)" "$both/val"
python train.py --data-dir "$both" --train-split train --val-split val \\
    --class-map "$PWD/class_map.txt" --num-classes {count}
```
"""
WHOLE = "The whole training set: `manifest.csv` points at its rows, no image is copied."


def set_card(provenance: dict, classes: Sequence[ClassEntry], store: str | None) -> str:
    """Markdown from provenance.json's content; store: the form of its images, None where it has none."""
    folder = f"distilled/{provenance['method']}/ipc{provenance['ipc']}"
    parts = [
        *head_of(provenance, classes),
        *sources_and_steps(provenance),
        _loading(folder, len(classes), packed=store == "zip") if store else WHOLE,
    ]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def head_of(provenance: dict, classes: Sequence[ClassEntry]) -> list[str]:
    """Title, and how many images of which classes there are."""
    listed = ", ".join(c.name for c in classes[:20]) + (f" and {len(classes) - 20} more" if len(classes) > 20 else "")
    most = "at most " * (provenance["settings"].get("ipc") == "any")
    return [
        f"# {provenance['method']}, {most}{images_per_class(provenance['ipc'])}, from {provenance['dataset']}",
        f"{counted(provenance['images'], 'image')} of {counted(len(classes), 'class', 'classes')} ({listed}), "
        f"{provenance['side']} pixels a side.",
    ]


def sources_and_steps(provenance: dict) -> list[str]:
    """The sections on how the images were made, and from what."""
    own = provenance["settings"].get("seed")
    seeds = f"Global seed: {provenance['seed']}" + (f", seed of the method: {own}" if own else "")
    return [
        "## How they were made",
        _listed(steps_in_words(provenance)),
        f"{seeds}. All settings and the versions of the packages: `provenance.json`.",
        "## From which data and models",
        _listed(sources_in_words(provenance)),
    ]


def _loading(folder: str, classes: int, packed: bool) -> str:
    words = {"timm": TIMM, "images": '"$(realpath unpacked)"' if packed else '"$PWD"', "count": str(classes)}
    words |= {"folder": folder, "root": "unpacked" if packed else '"."', "packed": ", inside the archive" * packed}
    words |= {"unpacking": UNPACKING * packed, "reading": READING * packed}
    text = LOADING
    for name, said in words.items():
        text = text.replace(f"{{{name}}}", said)
    return text


def steps_in_words(provenance: dict) -> list[str]:
    """One sentence for each stage of the method, in the order of the work."""
    settings, steps = provenance["settings"], _imported(provenance)
    if generate := settings.get("generate"):
        steps += _said(lambda found: _generated(found, provenance), "Sampled", generate)
    for key, family, did in PARTS:
        if found := settings.get(key):
            steps += _said(lambda found, family=family: _of_part(family, found, provenance), did, found)
            steps[-1] += " Squashed to squares." * (key == "select" and settings.get("fit") == "squash")
    return steps or [f"Settings: {plain(settings)}."]


def _of_part(family: str, found: Any, provenance: dict) -> list[str]:
    """The sentences that a part says of itself, by the record of a set."""
    return part_of(family, found).in_full(provenance).split("\n")


def sources_in_words(provenance: dict) -> list[str]:
    """A sentence for the data and for each model and teacher: source, revision and licence, as far as known."""
    data, origins = provenance["data"], {Path(d).parts[-2:]: origin for d, origin in provenance["sources"].items()}
    kind, where = data["kind"], data.get("path")
    named = f"{provenance['dataset']} (kind {kind}{f', at {where}' if where else ''})"
    terms = KNOWN[kind].words if kind in KNOWN else _licence(provenance["data_licence"])
    lines = [*_origin_of_imported(provenance), f"Data: {named}; {terms}."]
    for part, what in (("models", "Model"), ("teachers", "Teacher")):
        for name, settings in provenance[part].items():
            kind = settings.get("kind") or settings.get("arch")
            lines.append(f"{what} {name} ({kind}): {origin_in_words(origins.get((part, name)), settings)}.")
    return lines + _parts_from_outside(provenance.get("parts", {}))


def _parts_from_outside(parts: Mapping[str, Mapping]) -> list[str]:
    """A sentence for each part of the method whose code is not Retort's own."""
    lines = []
    for name, record in parts.items():
        family, _, kind = name.partition("/")
        if package := record.get("package"):
            lines.append(f"Code outside Retort: {kind} of the {family}, from the package {package}.")
        elif files := record.get("files"):
            text = f"{'its text stands' if len(files) == 1 else 'their texts stand'} in `provenance.json`"
            lines.append(f"Code outside Retort: {kind} of the {family}, from {', '.join(files)}; {text}.")
    return lines


def _imported(provenance: dict) -> list[str]:
    """What was done with a set that was made elsewhere, and whether it brings soft labels; nothing of any other."""
    if (record := provenance.get("imported")) is None:
        return []
    first = "the first in name order" if record["form"] in ("class folders", "zip archive") else "the first rows"
    taken = f"{record['taken']} of its {record['held']} images, of each class {first}"
    way = "squashed to squares" if provenance["settings"].get("fit") == "squash" else "as their centred squares"
    resized = f" {record['resized']} of them were resized, {way}." if record["resized"] else ""
    lines = [f"Imported: a set that was made elsewhere ({record['form']}); {taken}.{resized}"]
    if soft := record.get("soft_labels"):
        lines.append(
            f"The set brings soft labels of its own ({', '.join(soft)}), which are not in this folder; protocols with "
            "`labels: own` train students on them."
        )
    return lines


def _origin_of_imported(provenance: dict) -> list[str]:
    if (record := provenance.get("imported")) is None:
        return []
    settings = provenance["settings"]
    source = f"from {settings['source']}, " if settings.get("source") else ""
    return [
        f"Set: {source}read from {record['source']}, SHA-256 {record['sha256']}; {_licence(settings.get('licence'))}."
    ]


def _said(words: Callable[[Any], list[str]], did: str, settings: Any) -> list[str]:
    """The sentences of a part, or one of its settings as they are set."""
    said = in_words_or_plain(words, did, settings)
    return [f"{said}."] if isinstance(said, str) else said


def _generated(generate: dict, provenance: dict) -> list[str]:
    start, sampler = part_of("starts", generate.get("start", "noise")), part_of("samplers", generate["sampler"])
    pool = generate.get("pool", 1)
    many = f" {pool} times as many images as were wanted" if pool > 1 else ""
    length = f", {counted(generate['steps'], 'step')}" if generate.get("steps") else ""
    sampled = (
        f"Sampled{many} from the model {generate['model']}: sampler {sampler.in_words()}{length}, classifier-free "
        f"guidance {generate['guidance']:g}, from {start.begun()}."
    )
    guided = [guide.in_full(provenance) for guide in guides_of(generate)]
    return [said for said in (sampled, start.in_full(provenance), *guided) if said]


def origin_in_words(origin: dict | None, settings: dict) -> str:
    """Of a model or teacher: from its origin.json, if it has one, and its part of the config."""
    if origin and "source" in origin:
        revision = f" at revision {origin['revision']}" if origin.get("revision") else ""
        return f"from {origin['source']}{revision}; {_licence(origin.get('licence'))}"
    start = (origin or {}).get("trained_from")
    if start:
        start = {"source": start} if isinstance(start, str) else start
        return f"trained here on the data above, with weights {origin_in_words(start, {})}"
    if settings.get("kind") == "optimal":
        return "the closed form for the training latents of the data above, so what it samples are training images"
    if settings.get("train") is not None:
        return "trained here on the data above, from random weights"
    return f"from {settings.get('source') or 'timm'}; {UNKNOWN}"


def _licence(stated: str | None) -> str:
    return f"licence {stated}" if stated else UNKNOWN


def _listed(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
