"""What each method costs beside plain sampling: calls of its model by its settings; seconds and memory on small models.

python -m bench.method_costs [--config configs/imagenet1k.yaml]    # calls, by arithmetic
python -m bench.method_costs --measure                             # on the models that come with Retort, on one thread

A call is one latent through the model; under CFG a step is two. Seconds are of the CPU, the least of three, for one
image that is kept, with all of the pool that was sampled for it. What is drawn or found (starts, representatives) is
made up, and costs the same. Memory is by how much a process of its own grew while it sampled a batch.
"""

import argparse
import multiprocessing
import os
import resource
import time
from collections.abc import Callable
from functools import partial

import torch
import yaml

from bench.real_run import ROOT, plan_of
from bench.rows import line
from retort.base.paths import path_of_source
from retort.base.seeds import torch_rng
from retort.config.load import load_config
from retort.data.classes import class_list
from retort.data.manifest import ClassEntry
from retort.methods.sampling import Sampling, sample, signal_of
from retort.models.load import CodecFiles, ModelFiles, load_diffusion
from retort.models.pixels import to_pixels
from retort.models.teacher import features_and_logits, load_teacher
from retort.plan.plan import Plan
from retort.plan.work import WorkOf, branches

CALLS = (
    "method",
    "sampling, calls an image",
    "beside plain",
    "refining, calls with gradient",
    "once, calls a training image",
)
MEASURED = ("method", "sampling, s", "beside plain", "teacher, s", "refining, s", "memory, MB")
SMALL = "configs/fashion-compositions.yaml"
BATCH, REPEATS, PLAIN = 16, 3, "dit"


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.method_costs", description=__doc__)
    parser.add_argument("--config", default="configs/imagenet1k.yaml")
    parser.add_argument("--measure", action="store_true", help=f"the methods of {SMALL}")
    options = parser.parse_args()
    if options.measure:
        return measure()
    print(*counted(plan_of(options.config)), sep="\n")


def counted(plan: Plan) -> list[str]:
    """Lines of the table of calls: methods that sample or ask the model alike share a row."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for method in plan.config.methods:
        if any(row := tuple(calls(plan, method))):
            alike.setdefault(row, []).append(f"`{method}`")
    rows = [(", ".join(names), *row) for row, names in alike.items()]
    return [line(row) for row in (CALLS, ["---"] * len(CALLS), *rows)]


def calls(plan: Plan, method: str) -> list[str]:
    """The cells of CALLS, "" for nothing: sampling with all of the pool, and that beside all steps from noise."""
    work, generate, refine = WorkOf(plan), plan.generate_of(method), plan.refine_of(method)
    once = 0
    if inversion := plan.inversion_of(method):
        settings = plan.config.inversions[inversion]
        once += settings.stop * branches(settings.guidance)
    if typicality := plan.typicality_of(method):
        once += 2 * plan.config.typicalities[typicality].draws
    sampled = generate.pool * work.calls_of_an_image(method) if generate else 0
    sampling = plan.sampling_of(method) if generate else None
    beside = f"{sampled / (sampling['steps'] * branches(sampling['guidance'])):.2g}" if generate else ""
    return [f"{sampled or ''}", beside, f"{refine.passes() if refine else ''}", f"{once or ''}"]


# ------------------------------------------------------------ measured


def measure() -> None:
    torch.set_num_threads(1)
    plan = _small_plan()
    model = _loaded(plan, PLAIN)
    teacher = load_teacher(path_of_source(plan.config.teachers["resnet"].source), plan.classes)
    methods = [name for name in plan.wanted_methods if plan.generate_of(name)]
    found = {name: _apart(partial(_spent, plan, name, model, teacher)) for name in methods}
    print(line(MEASURED), line(["---"] * len(MEASURED)), sep="\n")
    for name, (sampling, looking, refining, memory) in found.items():
        seconds = [f"{value:.3f}" if value else "" for value in (looking, refining)]
        print(line((f"`{name}`", f"{sampling:.3f}", f"{sampling / found[PLAIN][0]:.2g}", *seconds, f"{memory:.0f}")))


def _small_plan() -> Plan:
    os.chdir(ROOT)  # what a config extends is named from there
    config = load_config(yaml.safe_load((ROOT / SMALL).read_text()))
    return Plan(config, class_list(config.dataset))


def _loaded(plan: Plan, method: str):
    name = plan.generate_of(method).model
    encoder = plan.encoder_of(name)
    places = [str(path_of_source(plan.config.models[model].source)) for model in (name, encoder)]
    files = ModelFiles(places[0], **plan.model_settings(name))
    return load_diffusion(files, CodecFiles(places[1], **plan.codec_settings(encoder)))


def _spent(plan: Plan, method: str, model, teacher) -> tuple[float, float, float, float]:
    """CPU seconds of sampling, of the teacher's look and of refining, for an image that is kept; MB of sampling."""
    generate, refine = plan.generate_of(method), plan.refine_of(method)
    entries = [ClassEntry(index=n, id=name, name=name) for n, name in enumerate(plan.classes)]
    classes = [entries[n % len(entries)] for n in range(BATCH)]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    spent, latents = _timed(lambda: _sampled(Sampling(**plan.sampling_of(method)), generate.start, model, classes))
    with torch.inference_mode():
        decoding, pixels = _timed(lambda: to_pixels(model.decode(latents)))
    memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    sampling = generate.pool * (spent + decoding) / BATCH
    looking = refining = 0.0
    if plan.teachers_of(method):
        looking = generate.pool * _timed(lambda: features_and_logits(teacher, pixels))[0] / BATCH
    if refine:
        draws = [("bench", n) for n in range(BATCH)]
        refining = _timed(lambda: refine.refined(model, latents.clone(), classes, draws, iter))[0] / BATCH
    return sampling, looking, refining, memory


@torch.inference_mode()
def _sampled(sampling: Sampling, start, model, classes: list[ClassEntry]) -> torch.Tensor:
    noises = [partial(torch.randn, model.latent_shape, generator=torch_rng("bench", n)) for n in range(BATCH)]
    targets = torch.stack([noise() for noise in noises])
    signal = signal_of(sampling, model.alphas_cumprod)
    begin = torch.stack([start.begin(noise, target, signal) for noise, target in zip(noises, targets, strict=True)])
    condition, labels = model.condition(classes), [entry.index for entry in classes]
    fresh = partial(torch.randn, begin.shape, generator=torch_rng("bench", "steps"))
    return sample(model, condition, begin, sampling, labels, targets, fresh, list(range(BATCH))).clone()


def _timed(work: Callable) -> tuple[float, object]:
    """The least of REPEATS, and the result."""
    spent = []
    for _ in range(REPEATS):
        started = time.process_time()
        result = work()
        spent.append(time.process_time() - started)
    return min(spent), result


def _apart(work: Callable[[], tuple]) -> tuple:
    """What `work` returns in a process of its own, whose peak of memory is that of nothing else."""
    forking = multiprocessing.get_context("fork")  # the models are there already, and nothing is sent
    here, there = forking.Pipe(duplex=False)
    process = forking.Process(target=lambda: there.send(work()))
    process.start()
    there.close()
    found = here.recv()
    process.join()
    return found


if __name__ == "__main__":
    main()
