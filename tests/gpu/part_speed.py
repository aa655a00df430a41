"""speed: calls, steps and views a second at true shapes, against the matmul peak and what jobs ask of a cluster."""

import functools
import gc
from collections.abc import Callable

import numpy as np
import torch
from bench.backbones import matmul_peak, networks
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from retort.evaluation.augment import apply_views
from retort.evaluation.image_rows import ImageRows
from retort.evaluation.labels import Top, kept_labels
from retort.evaluation.views import ViewSettings, plan_views
from retort.models.classifiers import build_classifier, normalised
from retort.models.precision import logits_in
from retort.models.teacher import Teacher
from tests.gpu.asked import compare_requests
from tests.gpu.harness import Bench, Checks
from tests.gpu.stages import Stages

ENOUGH = 0.4  # share of the measured matmul peak that docs/costs.md plans with
BATCHES = {"dit": (32, 256), "sdxl": (32,), "encode at 256 px": (64,)}
SYNCHRONISING = ("cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize", "cudaMemcpy")
VIEWS = {"resnet18": 15_000_000, "resnet101": 15_000_000}  # of IPC 50, 1,000 classes, 300 epochs


def run(bench: Bench, checks: Checks) -> None:
    dtype = torch.bfloat16 if bench.on_gpu else torch.float32
    peak = matmul_peak(bench.device, dtype, 3.0 if bench.full else 0.1)
    checks.figure("matmul peak, TFLOP/s", peak / 1e12)
    rates = _calls(bench, checks, dtype, peak)
    rates |= _students(bench, checks)
    rates["relabel"] = _views(bench, checks)
    with checks.step("requests are compared with what was measured"):
        compare_requests(checks, rates, demanding=bench.on_gpu and bench.full)


def _calls(bench: Bench, checks: Checks, dtype: torch.dtype, peak: float) -> dict[str, float]:
    """Latents a second of each network, at its fastest; their share of the peak is asserted of the two large ones."""
    best: dict[str, float] = {}
    for batch in sorted({batch for batches in BATCHES.values() for batch in batches}):
        for name, network, inputs in networks(bench.size, batch if bench.full else 2, bench.device, dtype):
            if batch not in (BATCHES[name] if bench.full else BATCHES[name][:1]):
                continue
            with torch.inference_mode(), FlopCounterMode(display=False) as counter:
                network(*inputs)
            each = counter.get_total_flops() / len(inputs[0])
            for mode, called, given in _modes(bench, name, network, inputs):
                with checks.step(f"{name}, batch {batch}, {mode}: runs"), torch.inference_mode():
                    rate = len(inputs[0]) * bench.rate(functools.partial(called, *given))
                    checks.figure(f"{name}, batch {batch}, {mode}: latents a second", rate)
                    checks.figure(f"{name}, batch {batch}, {mode}: share of the peak", rate * each / peak)
                    best[name] = max(best.get(name, 0.0), rate)
            if bench.on_gpu and bench.full and name != "encode at 256 px":
                share = best[name] * each / peak
                checks.that(f"{name}, batch {batch}: at least {ENOUGH:.0%} of the peak", share >= ENOUGH, share)
            del network, inputs
            gc.collect()
    return best


def _modes(bench: Bench, name: str, network: Callable, inputs: tuple):
    """How a network is called: as it is, compiled, and with its images' channels last where it convolves."""
    yield "eager", network, inputs
    # The compiler's own code takes minutes on a CPU, and no longer with tiny networks.
    yield "compiled", torch.compile(network, backend="inductor" if bench.on_gpu else "aot_eager"), inputs
    if name != "dit":
        (module,) = [
            cell.cell_contents for cell in network.__closure__ if isinstance(cell.cell_contents, torch.nn.Module)
        ]
        module.to(memory_format=torch.channels_last)
        yield "channels last", network, (inputs[0].to(memory_format=torch.channels_last), *inputs[1:])


def _students(bench: Bench, checks: Checks) -> dict[str, float]:
    """Views a second in each precision, with and without cudnn.benchmark, and how often a step waits for the GPU."""
    stages, best = Stages(bench), {}
    archs = ("resnet18", "resnet101") if bench.full else ("resnet8",)
    for arch in archs:
        for batch in (100, 200) if bench.full else (4,):
            for precision in ("float32", "bfloat16"):
                for tuned in (False, True):
                    how = f"{arch}, batch {batch}, {precision}{', cudnn.benchmark' if tuned else ''}"
                    with checks.step(f"{how}: runs"), cudnn_benchmark(tuned):
                        rate = batch * _steps_a_second(bench, stages, arch, batch, precision)
                        checks.figure(f"{how}: views a second", rate)
                        if arch in VIEWS:
                            checks.figure(f"{how}: hours of a student of IPC 50", VIEWS[arch] / rate / 3600)
                        best[f"{arch} {precision}"] = max(best.get(f"{arch} {precision}", 0.0), rate)
        checks.figure(f"{arch}: host synchronisations a step", _synchronisations(bench, stages, arch))
    return best


def _steps_a_second(bench: Bench, stages: Stages, arch: str, batch: int, precision: str) -> float:
    """By the difference of a short and a long training, which begin and end alike."""
    short, long = (5, 35) if bench.full else (1, 3)
    stages.train(arch, batch, 2, precision)
    seconds = [bench.timed(functools.partial(stages.train, arch, batch, steps, precision)) for steps in (short, long)]
    return (long - short) / max(seconds[1] - seconds[0], 1e-9)


def _synchronisations(bench: Bench, stages: Stages, arch: str) -> float:
    """How often a step makes the CPU wait for the GPU, by the difference of two profiled trainings."""
    counts, batch = [], 100 if bench.full else 4
    for steps in (2, 12):
        activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if bench.on_gpu else [])]
        with profile(activities=activities) as profiled:
            stages.train(arch, batch, steps)
        counts.append(sum(event.name in SYNCHRONISING for event in profiled.events()))
    return (counts[1] - counts[0]) / 10


def _views(bench: Bench, checks: Checks) -> float:
    """Views that a ResNet-18 labels in a second, as `relabel` does, but for writing the file."""
    arch, batch = ("resnet18", 100) if bench.full else ("resnet8", 4)
    stages = Stages(bench)
    pixels = np.random.default_rng(0).integers(0, 256, (batch, stages.side, stages.side, 3), dtype=np.uint8)
    network = build_classifier(arch, stages.classes, stages.side)
    teacher = Teacher(network, stages.side).to(bench.device, memory_format=torch.channels_last).eval()
    images, views = ImageRows(pixels, bench.device), ViewSettings(batch, (0.5, 1.0), True, 1.0, steps=10**6)
    best = 0.0
    for precision in ("float32", "bfloat16"):
        steps = iter(range(10**6))

        @torch.inference_mode()
        def label(steps=steps, precision=precision) -> None:
            planned = plan_views(views, batch, stages.side, next(steps), (0, "views"))
            logits = logits_in(teacher, normalised(apply_views(images[planned.rows], planned)), precision)
            for array in kept_labels(logits, Top(min(10, stages.classes - 1), 20.0)).values():
                array.cpu()

        rate = batch * bench.rate(label)
        checks.figure(f"relabelling by {arch}, {precision}: views a second", rate)
        best = best or rate
    return best


class cudnn_benchmark:
    """Let cuDNN choose its convolutions by trying them, in the block."""

    def __init__(self, on: bool):
        self.on = on

    def __enter__(self) -> None:
        self.before, torch.backends.cudnn.benchmark = torch.backends.cudnn.benchmark, self.on

    def __exit__(self, *_) -> None:
        torch.backends.cudnn.benchmark = self.before
