"""Checkpoints of other people: read without running code, and only into the network that they are of."""

import argparse
import collections
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from retort.base.errors import RetortError
from retort.models.checkpoint import fit_weights, read_weights
from retort.models.classifiers import build_classifier
from retort.models.sources import find_weights


def network(arch: str = "resnet8", classes: int = 3, side: int = 32, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return build_classifier(arch, classes, side).eval()


def refused(weights: dict, into: nn.Module, arch: str = "net") -> str:
    with pytest.raises(RetortError) as caught:
        fit_weights(into, weights, Path("file.pth"), arch)
    return str(caught.value)


# ---------------------------------------------------------------- reading


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda s: s,
        lambda s: {"state_dict": s, "epoch": 3, "args": argparse.Namespace(lr=0.1)},
        lambda s: {"model": s, "optimizer": {"state": {}, "param_groups": [{"lr": 0.1}]}},
        lambda s: {f"module.{n}": w for n, w in s.items()},
        lambda s: {"state_dict": {f"module._orig_mod.{n}": w for n, w in s.items()}},
    ],
    ids=["bare", "state_dict", "model", "DataParallel", "compiled"],
)
def test_weights_are_taken_out_of_what_training_loops_wrap_around_them(tmp_path, wrapped):
    state, path = network().state_dict(), tmp_path / "net.pth"
    torch.save(wrapped(state), path)
    found, other = read_weights(path), network(seed=1)
    fit_weights(other, found, path, "resnet8")
    assert all(torch.equal(w, state[n]) for n, w in other.state_dict().items())


def test_safetensors_and_pickled_tensors_give_the_same(tmp_path):
    state = network().state_dict()
    save_file(state, tmp_path / "net.safetensors")
    torch.save(state, tmp_path / "net.pth")
    one, other = (read_weights(tmp_path / name) for name in ("net.safetensors", "net.pth"))
    assert set(one) == set(other) == set(state)
    assert all(torch.equal(one[n], other[n]) for n in state)


class Harmful:
    """Touches a file when it is unpickled."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("save", [torch.save, lambda what, path: path.write_bytes(pickle.dumps(what, protocol=2))])
def test_a_pickle_with_code_is_refused_and_its_code_not_run(tmp_path, save):
    path, touched = tmp_path / "net.pth", tmp_path / "touched"
    save({"state_dict": network().state_dict(), "more": Harmful(touched)}, path)
    with pytest.raises(RetortError, match=r"net\.pth is no file of tensors alone.*not run.*state_dict\(\)"):
        read_weights(path)
    assert not touched.exists()


def test_a_whole_pickled_network_is_refused(tmp_path):
    torch.save(network(), tmp_path / "net.pth")
    with pytest.raises(RetortError, match="no file of tensors alone"):
        read_weights(tmp_path / "net.pth")


@pytest.mark.parametrize("name", ["net.pth", "net.safetensors"])
def test_a_broken_file_is_refused_by_name(tmp_path, name):
    (tmp_path / name).write_bytes(b"half a download")
    with pytest.raises(RetortError, match=re.escape(name)):
        read_weights(tmp_path / name)


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"


@pytest.mark.parametrize("name", ["net.pth", "net.safetensors"])
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", ["is empty", "fetch it again"]),
        (LFS, ["it is a Git LFS pointer", "git lfs pull"]),
        (b"<!DOCTYPE html><html>", ["it is a web page", "download it again"]),
        (b"\x1f\x8b" + bytes(40), ["it is a gzip archive", "unpack it"]),
        (b"half a download, long enough to be one", ["fetch it again"]),
    ],
    ids=["empty", "pointer", "page", "packed", "text"],
)
def test_what_lies_in_place_of_a_checkpoint_is_named_with_the_way_out(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(RetortError) as caught:
        read_weights(tmp_path / name)
    assert [word for word in (name, *words) if word not in str(caught.value)] == [], str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_download_that_was_cut_short_is_to_be_fetched_again(tmp_path):
    torch.save(network().state_dict(), tmp_path / "net.pth")
    (tmp_path / "net.pth").write_bytes((tmp_path / "net.pth").read_bytes()[:3000])
    with pytest.raises(RetortError, match=r"net\.pth cannot be read as a checkpoint: .*; fetch it again"):
        read_weights(tmp_path / "net.pth")


def test_a_torchscript_program_is_refused_without_the_advice_to_run_it(tmp_path):
    torch.jit.trace(network(), torch.zeros(1, 3, 32, 32)).save(str(tmp_path / "net.pt"))
    with pytest.raises(RetortError) as caught:
        read_weights(tmp_path / "net.pt")
    assert "net.pt is a TorchScript program, and its code is not run; save the state_dict()" in str(caught.value)
    assert "weights_only" not in str(caught.value)


def test_what_is_no_state_dict_is_refused(tmp_path):
    torch.save({"epoch": 3}, tmp_path / "net.pth")
    with pytest.raises(RetortError, match="no state_dict"):
        read_weights(tmp_path / "net.pth")


def test_the_one_checkpoint_of_a_folder_is_found_and_safetensors_preferred(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(RetortError, match=r"no \.safetensors file and none of \.pth"):
        find_weights(tmp_path)
    (tmp_path / "best.pth").touch()
    assert find_weights(tmp_path) == tmp_path / "best.pth" == find_weights(tmp_path / "best.pth")
    (tmp_path / "last.pth").touch()
    with pytest.raises(RetortError, match=r"2 checkpoints \(best\.pth, last\.pth\)"):
        find_weights(tmp_path)
    (tmp_path / "model.safetensors").touch()
    assert find_weights(tmp_path) == tmp_path / "model.safetensors"
    with pytest.raises(RetortError, match="there is no"):
        find_weights(tmp_path / "nowhere.pth")


# ---------------------------------------------------------------- fitting


def test_another_stem_is_named_as_the_likely_cause():
    large = network("resnet18_modified", 4).state_dict() | {"conv1.weight": torch.zeros(64, 3, 7, 7)}
    message = refused(large, network("resnet18_modified", 4), "resnet18_modified")
    assert "conv1.weight is (64, 3, 7, 7), not (64, 3, 3, 3)" in message
    assert "the checkpoint's stem is 7x7, this network's 3x3" in message
    assert "resnet18_modified" in message


def test_small_stem_in_timms_resnet_is_named_as_the_likely_cause():
    message = refused(network("resnet18_modified", 4).state_dict(), network("resnet18", 4), "resnet18")
    assert "the checkpoint's stem is 3x3, this network's 7x7" in message


def test_a_head_of_other_classes_is_named_as_the_likely_cause():
    message = refused(network(classes=1000).state_dict(), network(classes=10))
    assert "its last layer is for 1000 classes, but 10 are named" in message


def test_another_image_side_is_named_as_the_likely_cause():
    message = refused(network("convnet3", side=32).state_dict(), network("convnet3", side=64))
    assert "another image side" in message
    assert "`resolution`" in message


def test_another_norm_is_named_as_the_likely_cause():
    assert "batch norm" in refused(network("convnet3_bn").state_dict(), network("convnet3"))
    assert "batch norm" in refused(network("convnet3").state_dict(), network("convnet3_bn"))


def test_another_network_with_batch_norm_is_not_taken_for_one_of_another_norm():
    other = {"embedder.weight": torch.zeros(2), "embedder.running_mean": torch.zeros(2)}
    assert refused(other, network()).endswith("Likely cause: it is of another architecture")


def test_a_network_without_its_last_layer_is_named():
    body = {name: value for name, value in network().state_dict().items() if not name.startswith("head.")}
    assert "it was saved without its last layer" in refused(body, network())


def test_a_network_for_grey_images_is_named():
    grey = network().state_dict()
    grey["stem.weight"] = grey["stem.weight"][:, :1]
    assert "it takes images of 1 channels, but these have 3" in refused(grey, network())


def test_missing_and_strange_weights_are_named():
    state = network().state_dict()
    strange = state | {"ema.decay": torch.zeros(1)}
    assert "1 are not of this network (ema.decay)" in refused(strange, network())
    del state["head.bias"]
    assert "1 weights are missing (head.bias)" in refused(state, network())


def test_a_refused_checkpoint_leaves_the_network_as_it_was():
    into = network(seed=1)
    before = {n: w.clone() for n, w in into.state_dict().items()}
    refused(network(classes=4).state_dict(), into)
    assert all(torch.equal(w, before[n]) for n, w in into.state_dict().items())


def test_counters_of_batches_may_be_missing_as_in_old_checkpoints():
    state = {n: w for n, w in network().state_dict().items() if not n.endswith("num_batches_tracked")}
    fit_weights(network(seed=1), state, Path("old.pth"), "resnet8")


# ---------------------------------------------------------------- what training loops leave


@pytest.mark.parametrize("prefix", ["model.", "net.", "backbone.", "student.net."])
def test_a_prefix_that_all_names_share_is_taken_off_and_said(tmp_path, prefix, capsys):
    state = network().state_dict()
    torch.save({"state_dict": {prefix + name: value for name, value in state.items()}}, tmp_path / "net.pth")
    other = network(seed=1)
    fit_weights(other, read_weights(tmp_path / "net.pth"), tmp_path / "net.pth", "resnet8")
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in state.items())
    assert f"all names begin with {prefix!r}, which is taken off" in capsys.readouterr().out


def test_a_prefix_that_only_some_names_have_is_left_and_named(tmp_path):
    state = {f"model.{name}": value for name, value in network().state_dict().items()} | {"loss.weight": torch.ones(3)}
    torch.save({"state_dict": state}, tmp_path / "net.pth")
    with pytest.raises(RetortError, match=r"are not of this network \(model\."):
        fit_weights(network(), read_weights(tmp_path / "net.pth"), tmp_path / "net.pth", "resnet8")


@pytest.mark.parametrize("key", ["ema", "state_dict_ema", "model_ema", "weights", "network"])
def test_weights_are_found_under_the_usual_keys(tmp_path, key):
    state = network().state_dict()
    torch.save({key: state, "epoch": 3, "best": np.float64(0.5)}, tmp_path / "net.pth")
    found = read_weights(tmp_path / "net.pth")
    assert found.keys() == state.keys()


def test_a_counter_of_averages_is_no_weight(tmp_path):
    averaged = torch.optim.swa_utils.AveragedModel(network())
    torch.save(averaged.state_dict(), tmp_path / "net.pth")
    assert "n_averaged" in averaged.state_dict()
    other = network(seed=1)
    fit_weights(other, read_weights(tmp_path / "net.pth"), tmp_path / "net.pth", "resnet8")
    assert torch.equal(next(other.parameters()), next(network().parameters()))


@pytest.mark.parametrize(("plain", "averaged"), [("state_dict", "state_dict_ema"), ("model", "ema")])
def test_of_plain_and_averaged_weights_the_averaged_are_taken_and_that_is_said(tmp_path, plain, averaged, capsys):
    torch.save({plain: network().state_dict(), averaged: network(seed=1).state_dict()}, tmp_path / "net.pth")
    found, wanted = read_weights(tmp_path / "net.pth"), network(seed=1).state_dict()
    assert all(torch.equal(found[name], value) for name, value in wanted.items())
    said = capsys.readouterr().out
    assert f"plain weights ({plain}) and averaged ones ({averaged}); the averaged are taken" in said


def test_what_was_found_instead_is_listed(tmp_path):
    torch.save({"optimizer": {"lr": 0.1}, "epoch": 3}, tmp_path / "net.pth")
    with pytest.raises(RetortError) as caught:
        read_weights(tmp_path / "net.pth")
    assert "but holds 'optimizer' (dict), 'epoch' (int)" in str(caught.value)
    assert "state_dict_ema" in str(caught.value)


def test_a_foreign_type_is_named(tmp_path):
    torch.save({"state_dict": network().state_dict(), "config": collections.UserDict(a=1)}, tmp_path / "net.pth")
    with pytest.raises(RetortError, match=r"it also holds a collections\.UserDict"):
        read_weights(tmp_path / "net.pth")
