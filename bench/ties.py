"""Whether clusters and representatives are the same with another version of numpy and on another kind of CPU.

    python -m bench.ties [--python path/to/another/python] [--clouds 100]

The clouds are those of the parity fixtures and made-up ones like them. They are clustered and completed in processes
of their own: by this Python and, where given, by another (it needs numpy, hdbscan and scikit-learn), each on the CPU as
it is and as on one without AVX, for which numpy and OpenBLAS sort and sum in another order. "Sorted by numpy" is the
same with the order of equal edges left to numpy, as in the hdbscan package and in CoDA's code.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from retort.methods import density
from retort.methods.completion import representatives
from retort.methods.density import Clusters, cluster

FIXTURES = Path("tests/fixtures/parity/coda_discovery")
ABOUT_NUMPY = """
import numpy
core = numpy._core if hasattr(numpy, "_core") else numpy.core
print(numpy.__version__, *core._multiarray_umath.__cpu_dispatch__)
"""
WHAT = ("labels", "probabilities", "representatives")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", help="the Python of an environment with another numpy")
    parser.add_argument("--clouds", type=int, default=100, help="how many made-up clouds")
    parser.add_argument("--results", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.results:
        json.dump(results(options.clouds), sys.stdout)
        return
    pythons = [sys.executable] + ([options.python] if options.python else [])
    runs = [run for python in pythons for run in (elsewhere(python, options, False), elsewhere(python, options, True))]
    first, *others = runs
    print(f"{len(first['ours'])} clouds; of them differ, in {', '.join(WHAT)}:\n")
    print(f"| from {first['name']} to | ours | sorted by numpy |\n|---|---|---|")
    for run in others:
        print(
            f"| {run['name']} | {differing(first['ours'], run['ours'])} | {differing(first['numpy'], run['numpy'])} |"
        )
    print(f"\nOurs from sorted by numpy, {first['name']}: {differing(first['ours'], first['numpy'])}")
    print("\nRepresentatives, from the reference's clusters, that are not the reference's:")
    for run in runs:
        for by in ("ours", "numpy"):
            print(f"{run['name']}, {by}: {run[f'{by} beside the reference']}")


def elsewhere(python: str, options: argparse.Namespace, plain: bool) -> dict:
    """The results of one environment, and its name."""
    about = subprocess.run([python, "-c", ABOUT_NUMPY], stdout=subprocess.PIPE, text=True, check=True)
    version, *features = about.stdout.split()
    without_avx = {"NPY_DISABLE_CPU_FEATURES": " ".join(features), "OPENBLAS_CORETYPE": "Prescott"}
    command = [python, "-m", "bench.ties", "--results", "--clouds", str(options.clouds)]
    environment = os.environ | (without_avx if plain else {})
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout) | {"name": f"numpy {version}, {'without AVX' if plain else 'this CPU'}"}


def differing(a: list[list], b: list[list]) -> str:
    """Of how many clouds labels, probabilities and representatives are not the same to the last bit."""
    return ", ".join(str(sum(x[i] != y[i] for x, y in zip(a, b, strict=True))) for i in range(len(WHAT)))


def results(made_up: int) -> dict[str, list[list]]:
    """Labels, probabilities and representatives of every cloud, by our order of equal edges and by numpy's."""
    clouds = list(of_the_fixtures()) + [made(seed) for seed in range(made_up)]
    found, ours = {}, density.in_order
    for by, order in (("ours", ours), ("numpy", lambda edges: edges[np.argsort(edges[:, 2])])):
        density.in_order = order
        found[by] = [discovered(*cloud) for cloud in clouds]
        found[f"{by} beside the reference"] = beside_the_reference()
    density.in_order = ours
    return found


def discovered(points: np.ndarray, count: int, min_cluster_size: int) -> list:
    settings = {"min_cluster_size": min_cluster_size, "min_samples": 3}
    clusters = cluster(points, **settings)
    chosen = representatives(points, clusters, count, **settings)
    return [clusters.labels.tolist(), clusters.probabilities.tolist(), chosen.rows.tolist()]


def beside_the_reference() -> dict[str, int]:
    """By cloud that the reference finished: representatives, from its own clusters, that are not its own."""
    stored, others = np.load(FIXTURES / "io.npz"), {}
    for facts in json.loads((FIXTURES / "case.json").read_text())["cases"]:
        if "error" not in facts:
            points, *found = (stored[f"{facts['case']}_{name}"] for name in ("X", "labels", "probabilities"))
            settings = {name: facts[name] for name in ("min_cluster_size", "min_samples")}
            chosen = representatives(points, Clusters(*found), facts["ipc"], **settings).rows
            others[facts["case"]] = int((chosen != facts["indices"]).sum())
    return others


def of_the_fixtures():
    stored = np.load(FIXTURES / "io.npz")
    for facts in json.loads((FIXTURES / "case.json").read_text())["cases"]:
        yield stored[f"{facts['case']}_X"], facts["ipc"], facts["min_cluster_size"]


def made(seed: int) -> tuple[np.ndarray, int, int]:
    """Up to twelve blobs and up to a half of noise."""
    rng = np.random.default_rng(seed)
    blobs, dims, n = rng.integers(3, 13), int(rng.choice([10, 12, 16, 20, 50])), int(rng.integers(250, 520))
    points = (rng.standard_normal((blobs, dims)) * rng.uniform(2, 8))[rng.integers(0, blobs, n)]
    points += rng.standard_normal((n, dims))
    far = rng.random(n) < rng.uniform(0, 0.5)
    points[far] = rng.uniform(points.min(), points.max(), (far.sum(), dims))
    return points.astype(np.float32), int(rng.choice([5, 10, 20, 50])), int(rng.integers(5, 21))


if __name__ == "__main__":
    main()
