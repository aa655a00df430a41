"""The same distilled sets, however the run looked: shards, batches, cores, an interruption in the middle."""

import os
import shutil
import signal
import subprocess
import time

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.helpers.workspace import Workspace, environment, smoke_config

SETS = [f"results/smoke/distilled/{name}" for name in ("random/ipc2", "dit/ipc2", "d3hr/ipc1", "d3hr/ipc2")]
OTHERS = ("herding", "kmeans", "rded", "cao2", "coda", "coda-real", "ddps")
OF_THE_MODEL = SETS[1]
ALL_SETS = SETS + [f"results/smoke/distilled/{name}/ipc1" for name in OTHERS]

CHAINS = ["d3hr", "cao2", "coda", "ddps"]  # between them every stage that works by shards, but for two of baselines
ROUNDED = ["score", "confidence", "loss_before", "loss_after"]  # columns that batches may round differently


def sets_of(workspace: Workspace, names: list[str]) -> dict[str, str]:
    hashes = {}
    for name in names:
        hashes |= {f"{name}/{k}": v for k, v in workspace.hashes(*name.split("/")[1:]).items()}
    return hashes


def test_shards_do_not_matter(finished, twin):
    config = twin.config
    config["dataset"]["shard_classes"] = 1
    twin.configure(config)
    stages = {"encode_latents", "train_dit", "invert_latents", "generate_images", "refine_latents", "embed_classes"}
    assert stages | {"score_typicality", "score_crops", "rank_patches"} <= twin.planned(*ALL_SETS).keys()
    twin.run("--cores", "2", *ALL_SETS)
    assert sets_of(twin, ALL_SETS) == sets_of(finished, ALL_SETS)


@pytest.mark.exhaustive
@pytest.mark.timeout(3600)
def test_the_order_of_jobs_does_not_matter(finished, tmp_path):
    """From nothing, with what the long chain does last and everything else first."""
    workspace = Workspace.fresh(tmp_path / "other-way-round", finished.config)
    workspace.edit("rules/common.smk", "LONG_CHAIN = 10\n", "LONG_CHAIN = -10\n")
    workspace.run("--cores", "2")
    assert workspace.contents() == finished.contents()


@pytest.mark.exhaustive
@pytest.mark.timeout(3600)
def test_one_three_or_seven_shards_make_the_same_sets(tmp_path, count):
    config = smoke_config()
    config["dataset"] |= {"classes": list("0123456"), "shard_classes": 7}
    config["runs"] = [{"methods": CHAINS, "ipc": [1], "protocols": ["hard"], "students": ["resnet8"], "seeds": 1}]
    sets = [f"results/smoke/distilled/{name}/ipc1" for name in CHAINS]
    whole = Workspace.fresh(tmp_path / "one", config)
    whole.run("--cores", "2", *sets)
    for shards, classes in ((3, 3), (7, 1)):
        split = whole.twin(tmp_path / f"{shards}-shards")
        split.configure(config | {"dataset": config["dataset"] | {"shard_classes": classes}})
        planned = split.planned(*sets)
        assert planned["encode_latents"] == planned["invert_latents"] == planned["score_typicality"] == shards
        split.run("--cores", "2", *sets)
        assert sets_of(split, sets) == sets_of(whole, sets)
        count("distilled sets equal across shards", len(sets))


# One at a time and a few, so that each stage that makes images has both kinds before or behind it.
BATCHES = {"encode_latents": 8, "invert_latents": 1, "generate_images": 1, "refine_latents": 2, "score_typicality": 8}


def test_batches_and_cores_change_rounding_at_most(finished, twin):
    """On one core, where the finished run had two; of each stage the unit tests compare more batches."""
    batches = [f"{rule}:batch={batch}" for rule, batch in BATCHES.items()]
    names = [
        f"results/smoke/distilled/{name}" for name in ("dit/ipc2", "d3hr/ipc1", "cao2/ipc1", "coda/ipc1", "ddps/ipc1")
    ]
    twin.run("--cores", "1", "--set-resources", *batches, "--forcerun", "encode_latents", "--", *names)
    differing = places = 0
    for name in names:
        ours, theirs = (w.folder / name for w in (finished, twin))
        choices = [pd.read_csv(f / "manifest.csv").drop(columns=ROUNDED) for f in (ours, theirs)]
        pd.testing.assert_frame_equal(*choices)
        for file in choices[0]["file"]:
            one, other = (np.asarray(Image.open(f / file)).astype(int) for f in (ours, theirs))
            assert np.abs(one - other).max() <= 1, f"{name}/{file}"
            differing += np.count_nonzero(one != other)
            places += one.size
    assert differing <= 0.001 * places


def test_a_killed_training_is_resumed_and_ends_the_same(finished, twin):
    """SIGKILL while the DiT trains: nothing half-made is left, and the rerun goes on from the checkpoint."""
    model, checkpoint = twin.results("smoke", "models", "dit"), twin.results("smoke", "checkpoints", "dit.safetensors")
    weights = "transformer/diffusion_pytorch_model.safetensors"
    expected = (model / weights).read_bytes()
    for made in ("models/dit", "generated/dit", "distilled/dit"):
        shutil.rmtree(twin.results("smoke", made))
    process = subprocess.Popen(
        twin.command("--cores", "2", OF_THE_MODEL), cwd=twin.folder, env=environment(), start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    deadline = time.monotonic() + 240
    while not checkpoint.exists():
        assert process.poll() is None, "the run ended without a checkpoint"
        assert time.monotonic() < deadline, "the training left no checkpoint"
        time.sleep(0.002)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not model.exists()
    twin.run("--unlock")
    twin.run("--cores", "2", OF_THE_MODEL)
    assert "resuming from step" in twin.results("smoke", "logs", "train_dit", "dit.log").read_text()
    assert (model / weights).read_bytes() == expected
    assert sets_of(twin, [OF_THE_MODEL]) == sets_of(finished, [OF_THE_MODEL])
