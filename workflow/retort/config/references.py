"""Names in the config that point at other parts of it."""

from collections.abc import Iterator, Sequence

from retort.config.architectures import ARCHITECTURES
from retort.config.hints import did_you_mean
from retort.config.schema import Config, Generate


def dangling(config: Config, reserved: Sequence[str]) -> Iterator[str]:
    """One line for each name that points nowhere, at the wrong kind of thing, or at things that do not go together."""

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
            yield from check(
                f"methods.{name}.generate.model", method.generate.model, sorted(backbones), "diffusion model"
            )
            yield from _bad_start(name, method.generate, config, backbones, check)
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


def _bad_start(name: str, generate: Generate, config: Config, backbones: set[str], check) -> Iterator[str]:
    if generate.start == "noise":
        return
    place = f"methods.{name}.generate"
    yield from check(f"{place}.start.inversion", generate.start.inversion, list(config.inversions), "inversion")
    inversion = config.inversions.get(generate.start.inversion)
    if inversion is None:
        return
    if inversion.model != generate.model and backbones >= {inversion.model, generate.model}:
        yield (
            f"{place}: starts from {generate.start.inversion!r}, an inversion by model {inversion.model!r}, but "
            f"samples with {generate.model!r}; latents of one model mean nothing to another, so name the same model"
        )
    if generate.steps not in (None, inversion.steps):
        yield (
            f"{place}.steps: found {generate.steps}, but the inversion {generate.start.inversion!r} fixes the grid at "
            f"{inversion.steps} steps; leave steps out"
        )
    if generate.start.first_step == "reference" and inversion.stop + 1 == inversion.steps:
        yield (
            f"{place}.start.first_step: 'reference' begins one step after stop, but the inversion "
            f"{generate.start.inversion!r} stops at {inversion.stop}, the last of {inversion.steps}; lower its stop, "
            "or give first_step: matched"
        )
