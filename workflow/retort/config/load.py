"""From a plain mapping to a checked config, or one error that names every mistake in it."""

from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from retort.config.architectures import ARCHITECTURES
from retort.config.hints import did_you_mean
from retort.config.schema import Config
from retort.errors import RetortError

# `snakemake NAME` runs a method, so a method may not be called like one of these targets.
RESERVED_TARGETS = ("all", "tables", "figures", "report")


def load_config(raw: dict[str, Any], reserved: tuple[str, ...] = RESERVED_TARGETS) -> Config:
    """The typed config for the mapping `raw`.

    Raises RetortError listing each mistake with its place, what was found and what is allowed: types, ranges,
    unknown keys first; then names that point nowhere or at the wrong kind of thing.
    """
    try:
        config = Config.model_validate(raw)
    except ValidationError as error:
        raise RetortError(_report([_described(e) for e in error.errors()])) from None
    if problems := list(_dangling(config, reserved)):
        raise RetortError(_report(problems))
    return config


def _report(problems: list[str]) -> str:
    head = "the config has a mistake:" if len(problems) == 1 else f"the config has {len(problems)} mistakes:"
    return "\n  - ".join([head, *problems])


def _described(error: dict) -> str:
    place = _place(error["loc"])
    message = error["msg"][0].lower() + error["msg"][1:]
    found = error["input"]
    if error["type"] in ("missing", "unknown_key") or isinstance(found, dict):
        return f"{place}: {message}"
    return f"{place}: {message}; found {found!r}"


# Pydantic puts the tag of a union into the location; the user never wrote it.
_TAGS = {"digits", "folder", "vae", "dit", "noise", "inversion", "hard", "teacher"}
_TAGGED = {"dataset", "start", "labels"}


def _place(location: tuple) -> str:
    kept: list[str] = []
    for i, part in enumerate(location):
        before = location[i - 1] if i else None
        in_models = i == 2 and location[0] == "models"
        if part in _TAGS and (before in _TAGGED or in_models):
            continue
        if part != "[key]":
            kept.append(f"[{part}]" if isinstance(part, int) else f".{part}")
    return "".join(kept).lstrip(".") or "(top level)"


def _dangling(config: Config, reserved: tuple[str, ...]) -> Iterator[str]:
    def check(place: str, name: str, allowed, what: str) -> Iterator[str]:
        if name not in allowed:
            known = ", ".join(allowed) or "none is defined"
            yield f"{place}: no {what} is called {name!r}{did_you_mean(name, allowed)} (allowed: {known})"

    vaes = {n for n, m in config.models.items() if m.kind == "vae"}
    backbones = {n for n, m in config.models.items() if m.kind != "vae"}
    for name, model in config.models.items():
        if model.kind != "vae":
            yield from check(f"models.{name}.encoder", model.encoder, sorted(vaes), "vae model")
    for name, teacher in config.teachers.items():
        yield from check(f"teachers.{name}.arch", teacher.arch, ARCHITECTURES, "architecture")
    for name, inversion in config.inversions.items():
        yield from check(f"inversions.{name}.model", inversion.model, sorted(backbones), "diffusion model")
    for name, method in config.methods.items():
        if name in reserved:
            yield f"methods.{name}: this name is taken by a target; reserved are {', '.join(reserved)}"
        if method.generate:
            yield from check(f"methods.{name}.generate.model", method.generate.model, sorted(backbones), "diffusion model")
            yield from _bad_start(name, method.generate, config, check)
    for name, protocol in config.protocols.items():
        if protocol.labels != "hard":
            place = f"protocols.{name}.labels.teacher"
            yield from check(place, protocol.labels.teacher, list(config.teachers), "teacher")
    for i, run in enumerate(config.runs):
        for names, key, allowed, what in (
            (run.methods, "methods", config.methods, "method"),
            (run.protocols, "protocols", config.protocols, "protocol"),
            (run.students, "students", ARCHITECTURES, "architecture"),
        ):
            for name in names:
                yield from check(f"runs[{i}].{key}", name, allowed, what)


def _bad_start(name: str, generate, config: Config, check) -> Iterator[str]:
    if generate.start == "noise":
        return
    place = f"methods.{name}.generate"
    yield from check(f"{place}.start.inversion", generate.start.inversion, list(config.inversions), "inversion")
    inversion = config.inversions.get(generate.start.inversion)
    if inversion is None:
        return
    if inversion.model != generate.model:
        yield (
            f"{place}: starts from {generate.start.inversion!r}, an inversion by model {inversion.model!r}, but samples "
            f"with {generate.model!r}; latents of one model mean nothing to another, so name the same model"
        )
    if generate.steps not in (None, inversion.steps):
        yield (
            f"{place}.steps: found {generate.steps}, but the inversion {generate.start.inversion!r} fixes the grid at "
            f"{inversion.steps} steps; leave steps out"
        )
