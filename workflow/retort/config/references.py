"""Names in the config that point at other parts of it."""

from collections.abc import Iterator, Sequence
from typing import get_args

from retort.base.errors import some_of
from retort.base.hints import did_you_mean
from retort.config.architectures import ARCHITECTURES, smallest_side
from retort.config.schema import Config
from retort.config.schema.evaluation import Run
from retort.config.schema.methods import Method
from retort.config.schema.models import DitFineTuning, DitModel, TextModel
from retort.config.timm_names import timm_tags
from retort.parts.layouts import ImageNetSubset

CLASS_LISTS = ("dataset", *get_args(ImageNetSubset))  # what a model's or a teacher's labels may stand for


def dangling(config: Config, reserved: Sequence[str]) -> Iterator[str]:
    """One line for each name that points nowhere, at the wrong kind of thing, or at things that do not go together."""
    for name, model in config.models.items():
        if name in config.backbones():
            yield from _check(f"models.{name}.encoder", model.encoder, config.vaes(), "vae model")
            if model.decoder:
                yield from _of_decoder(f"models.{name}.decoder", model.decoder, model.encoder, config)
        if isinstance(model, DitModel):
            yield from _check(f"models.{name}.classes", model.classes, CLASS_LISTS, "list of classes")
        if isinstance(model, TextModel) and model.refiner:
            refiners = [n for n, m in config.models.items() if m.kind == "sdxl-refiner"]
            yield from _check(f"models.{name}.refiner.model", model.refiner.model, refiners, "sdxl-refiner model")
        if isinstance(model.train, DitFineTuning):
            checkpoints = [n for n, m in config.models.items() if m.kind == "dit" and m.source]
            yield from _check(f"models.{name}.train.from", model.train.from_, checkpoints, "dit model with a source")
    for name, teacher in config.teachers.items():
        yield from _of_architecture(
            f"teachers.{name}.arch", teacher.arch, teacher.resolution or config.dataset.resolution
        )
        if teacher.classes:
            yield from _check(f"teachers.{name}.classes", teacher.classes, CLASS_LISTS, "list of classes")
    for part, shared in (("inversions", config.inversions), ("typicalities", config.typicalities)):
        for name, stage in shared.items():
            yield from _check(f"{part}.{name}.model", stage.model, config.backbones(), "diffusion model")
    for name, typicality in config.typicalities.items():
        yield from _of_windows(f"typicalities.{name}.model", typicality.model, config)
    for name, discovery in config.discoveries.items():
        for key, names, named in discovery.named():
            allowed = config.vaes() if names.table == "encoders" else getattr(config, names.table)
            yield from _check(f"discoveries.{name}.{key}", named, allowed, names.what)
    trained = [name for name, teacher in config.teachers.items() if teacher.train]
    for name, dynamics in config.dynamics.items():
        yield from _check(f"dynamics.{name}.teacher", dynamics.teacher, trained, "teacher that is trained here")
    for name, method in config.methods.items():
        if name in reserved:
            yield f"methods.{name}: this name is taken by a target; choose another than {', '.join(reserved)}"
        yield from _of_method(f"methods.{name}", method, config)
        yield from _of_side(f"methods.{name}", method.side, config.dataset.resolution)
    for name, protocol in config.protocols.items():
        if protocol.teacher_labels:
            place = f"protocols.{name}.labels.teacher"
            yield from _check(place, protocol.teacher_labels.teacher, config.teachers, "teacher")
    if config.quality:
        yield from _check("quality.teacher", config.quality.teacher, config.teachers, "teacher")
    for i, run in enumerate(config.runs):
        for names, key, allowed, what in (
            (run.methods, "methods", config.methods, "method"),
            (run.protocols, "protocols", config.protocols, "protocol"),
        ):
            for name in names:
                yield from _check(f"runs[{i}].{key}", name, allowed, what)
        counted = [m for m in run.methods if m in config.methods and not config.methods[m].is_everything()]
        if run.ipc is None and counted:
            yield (
                f"runs[{i}].ipc: required, but missing: say how many images per class {', '.join(counted)} "
                f"{'makes' if len(counted) == 1 else 'make'}, such as ipc: [10]"
            )
        for name in run.methods:
            paths = config.methods[name].images if name in config.methods else None
            if isinstance(paths, dict) and (missing := [ipc for ipc in run.ipc or [] if ipc not in paths]):
                asked, held = (", ".join(map(str, found)) for found in (missing, paths))
                yield f"methods.{name}.images: gives a set for ipc {held}, but runs[{i}] asks for ipc {asked}; add it"
        yield from _of_own_labels(f"runs[{i}]", run, config)
        for name in run.students:
            yield from _of_architecture(f"runs[{i}].students", name, config.dataset.resolution)


def _of_own_labels(place: str, run: Run, config: Config) -> Iterator[str]:
    """Only a set that was made elsewhere may bring labels."""
    own = [name for name in run.protocols if name in config.protocols and config.protocols[name].labels == "own"]
    without = [name for name in run.methods if name in config.methods and not config.methods[name].images]
    if own and without:
        verb = "has" if len(without) == 1 else "have"
        yield (
            f"{place}: the protocol {own[0]!r} has labels: own, and {some_of(without)} {verb} none; only methods with "
            "images may bring soft labels, so give them a run of their own"
        )


def _check(place: str, name: str, allowed, what: str) -> Iterator[str]:
    if name not in allowed:
        known = ", ".join(allowed) or "none is defined; define one"
        yield f"{place}: no {what} is called {name!r}{did_you_mean(name, allowed)} (allowed: {known})"


def _of_architecture(place: str, name: str, resolution: int) -> Iterator[str]:
    """Ours, timm's, or for a teacher timm's with a tag."""
    arch, _, tag = name.partition(".")
    if arch not in ARCHITECTURES and arch not in timm_tags():
        close, ours = did_you_mean(arch, [*ARCHITECTURES, *timm_tags()]), ", ".join(ARCHITECTURES)
        yield f"{place}: no architecture is called {arch!r}{close} (allowed: {ours}, or any of timm's)"
    elif tag and arch in ARCHITECTURES:
        yield f"{place}: {arch} is no architecture of timm's and has no weights called {tag!r}; give a source"
    elif tag and timm_tags()[arch] and tag not in timm_tags()[arch]:
        known = sorted(timm_tags()[arch])
        yield f"{place}: {arch} has no weights called {tag!r}{did_you_mean(tag, known)} (allowed: {', '.join(known)})"
    elif resolution < (least := smallest_side(arch)):
        yield f"{place}: {arch} needs images of at least {least} pixels a side, not {resolution}; name a shallower one"


def _of_method(place: str, method: Method, config: Config) -> Iterator[str]:
    if method.generate:
        yield from _check(f"{place}.generate.model", method.generate.model, config.backbones(), "diffusion model")
    for table, key, part in method.parts():
        where = f"{place}.{table}".rstrip(".")
        for inner, names, name in part.named():
            allowed = config.vaes() if names.table == "encoders" else getattr(config, names.table)
            yield from _check(f"{where}.{key}.{inner}", name, allowed, names.what)
        yield from part.misfits(where, method, config)


def _of_decoder(place: str, decoder: str, encoder: str, config: Config) -> Iterator[str]:
    yield from _check(place, decoder, config.vaes(), "vae model")
    if {decoder, encoder} <= set(config.vaes()):
        if decoder != encoder and (trained := [n for n in (decoder, encoder) if config.models[n].train]):
            yield f"{place}: {trained[0]!r} is trained here, and no other VAE has its latents; leave decoder out"
        made, seen = (config.models[name].resolution or config.dataset.resolution for name in (decoder, encoder))
        if made != seen:
            yield f"{place}: {decoder!r} works at {made} pixels, the encoder {encoder!r} at {seen}; give both the same"


def _of_windows(place: str, model: str, config: Config) -> Iterator[str]:
    encoder = config.models[model].encoder if model in config.backbones() else None
    if encoder in config.vaes() and config.models[encoder].fit == "squash":
        yield (
            f"{place}: windows are cut from the centred square of an image, but {encoder!r}, the encoder of {model!r}, "
            "sees it squashed; name a model with an encoder that has fit: crop"
        )


def _of_side(place: str, side: int | None, resolution: int) -> Iterator[str]:
    if side is not None and side < resolution:
        yield (
            f"{place}.side: found {side}, but views of {resolution} pixels (dataset.resolution) are cropped from the "
            f"set's images and would enlarge them; give {resolution} or more, or leave side out"
        )
