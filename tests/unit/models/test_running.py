"""How models are run: less memory or more speed, and never another result."""

from contextlib import contextmanager

import pytest
import torch
from diffusers.models.attention_processor import Attention, SlicedAttnProcessor
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from tests.helpers import tiny_pipelines as tiny
from tests.helpers.saved_pipelines import save_refiner, save_sdxl, save_stable_diffusion
from tests.unit.models import test_dit
from tests.unit.models.test_refiner import CRANE, TENCH

from retort.base.devices import pick_device
from retort.base.errors import RetortError
from retort.base.running import DEVICES, Running
from retort.methods.guidance import Guided
from retort.models import codec, economy, refiner, sdxl, stable_diffusion
from retort.models.load import CodecFiles, ModelFiles, RefinerFiles, load_diffusion

KINDS = ("dit", "sd", "sdxl", "refined")


# ---------------------------------------------------------------- the word that says it


@pytest.mark.parametrize(
    ("running", "word"),
    [
        (Running(), "auto"),
        (Running("cuda", compile=True, offload=True), "cuda+compile+offload"),
        (Running("cpu", slicing=True), "cpu+slicing"),
        (Running(load="eager"), "auto+eager"),
        (Running("cuda", offload=True, load="mmap"), "cuda+offload+mmap"),
    ],
)
def test_a_way_of_running_is_one_word(running, word):
    assert str(running) == word
    assert Running.parse(word) == running


@pytest.mark.parametrize("word", ["", "gpu", "compile", "auto+fast", "auto,compile", "auto+auto", "auto+mmap+eager"])
def test_another_word_is_refused(word):
    with pytest.raises(
        RetortError, match=rf"resource run: found '{word.replace('+', '.')}'; .* auto, cpu, cuda, .*compile"
    ):
        Running.parse(word)


@pytest.mark.parametrize(
    ("seen", "wanted", "device"),
    [
        (True, "auto", "cuda"),
        (True, "cpu", "cpu"),
        (True, "cuda", "cuda"),
        (False, "auto", "cpu"),
        (False, "cpu", "cpu"),
    ],
)
def test_the_device_is_the_one_wanted(monkeypatch, seen, wanted, device):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: seen)
    assert pick_device(wanted).type == device
    assert wanted in DEVICES


def test_the_environment_chooses_the_device_for_every_job(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setenv("RETORT_DEVICE", "cpu")
    assert pick_device("cuda").type == "cpu"


def test_a_gpu_that_is_not_there_is_missed(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(RetortError, match=r"run\.device is cuda, but this job sees no GPU"):
        pick_device("cuda")


# ---------------------------------------------------------------- the same result


@pytest.fixture(scope="module")
def directories(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return {
        "dit": test_dit.save_dit(folder / "dit", classes=2),
        "sd": save_stable_diffusion(folder / "sd", "2.x"),
        "sdxl": save_sdxl(folder / "sdxl"),
        "refiner": save_refiner(folder / "refiner"),
    }


def load(directories, kind, **run):
    end = RefinerFiles(str(directories["refiner"]), "float32", 0.5) if kind == "refined" else None
    kind = "sdxl" if kind == "refined" else kind
    directory, running = directories[kind], Running(**run)
    files = ModelFiles(str(directory), "float32", kind=kind, refiner=end, run=running)
    return load_diffusion(files, CodecFiles(str(directory / "vae"), "float32", tiny.SIDE, running))


def computed(model) -> list[torch.Tensor]:
    """Everything that methods ask of a model: guided predictions above and below a cutoff, latents, images."""
    images = torch.rand(3, 3, tiny.SIDE, tiny.SIDE, generator=torch.Generator().manual_seed(1)) * 2 - 1
    latents = torch.randn(3, *model.latent_shape, generator=torch.Generator().manual_seed(0))
    denoise = Guided(model, model.condition([TENCH, CRANE, TENCH]), 3.0)
    with torch.inference_mode():
        return [denoise(latents, 900), denoise(latents, 100), model.encode(images), model.decode(latents)]


def assert_same(found, expected):
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=2e-5 * theirs.abs().max().item())


def layouts(network: torch.nn.Module) -> set[bool]:
    """Whether the weights of convolutions lie channels last, of those for which it makes a difference."""
    weights = [p for p in network.parameters() if p.dim() == 4 and min(p.shape[1], p.shape[2] * p.shape[3]) > 1]
    assert weights
    return {p.is_contiguous(memory_format=torch.channels_last) for p in weights}


@pytest.mark.parametrize("kind", ["sd", "sdxl", "refined"])
def test_unets_and_encoders_lie_channels_last_for_a_gpu_alone_and_compute_the_same(directories, monkeypatch, kind):
    model = load(directories, kind, device="cpu")
    expected = computed(model)
    assert {*map(bool, layouts(model.codec.vae)), *layouts(model.unet)} == {False}
    for module in (codec, stable_diffusion, sdxl, refiner):
        monkeypatch.setattr(module, "laid_out", lambda network, device: economy.laid_out(network, torch.device("cuda")))
    model = load(directories, kind, device="cpu")
    networks = [*model.networks, model.codec.vae]
    assert all(layouts(network) == {True} for network in networks)
    assert_same(computed(model), expected)


def compile_without_code(monkeypatch) -> list:
    """Compiling, but for the last step, which needs a compiler of C++; returns the networks that were compiled."""
    compiled, real = [], torch.nn.Module.compile

    def watched(network, **options):
        compiled.append(network)
        real(network, backend="eager", fullgraph=True, **options)

    monkeypatch.setattr(torch.nn.Module, "compile", watched)
    return compiled


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "run",
    [{"slicing": True}, {"offload": True}, {"load": "eager"}, {"device": "cpu", "slicing": True, "offload": True}],
)
def test_a_sparing_model_computes_the_same(directories, kind, run):
    model = load(directories, kind, **run)
    assert_same(computed(model), computed(load(directories, kind)))
    attention = [m for network in model.networks for m in network.modules() if isinstance(m, Attention)]
    assert attention
    assert all(isinstance(m.processor, SlicedAttnProcessor) == ("slicing" in run) for m in attention)
    assert len(model.networks) == (2 if kind == "refined" else 1)


@pytest.mark.parametrize("kind", KINDS)
def test_a_compiled_model_computes_the_same(directories, kind, monkeypatch):
    torch._dynamo.reset()
    compiled = compile_without_code(monkeypatch)
    model = load(directories, kind, compile=True)
    assert_same(computed(model), computed(load(directories, kind)))
    assert compiled == model.networks


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("run", [{"slicing": True}, {"compile": True}])
def test_gradients_are_the_same_too(directories, kind, run, monkeypatch):
    torch._dynamo.reset()
    compile_without_code(monkeypatch)
    gradients = []
    for more in (run, {}):
        model = load(directories, kind, **more)
        latents = torch.ones(2, *model.latent_shape).requires_grad_()
        model.eps(latents, torch.tensor([100, 900]), model.null(2)).square().sum().backward()
        gradients.append(latents.grad)
    assert gradients[1].abs().max() > 0
    assert_same([gradients[0]], [gradients[1]])


# ---------------------------------------------------------------- what waits, and when it works


class Network:
    """Says where it was moved."""

    def __init__(self, kind):
        self.device, self.moves = torch.device(kind), []

    def to(self, device):
        self.moves.append((device.type, torch.is_inference_mode_enabled()))
        self.device = device


def test_what_is_borrowed_goes_back_where_it_waited():
    waiting, at_work = Network("cpu"), Network("cuda")
    with torch.inference_mode():
        with economy.borrowed(torch.device("cuda"), waiting, at_work):
            assert (waiting.device.type, at_work.device.type) == ("cuda", "cuda")
        with pytest.raises(ValueError, match="broken"), economy.borrowed(torch.device("cuda"), waiting):
            raise ValueError("broken")
    assert waiting.moves == [("cuda", False), ("cpu", False)] * 2
    assert at_work.moves == []


@pytest.mark.parametrize("kind", KINDS)
def test_encoders_move_only_for_their_own_work(directories, kind, monkeypatch):
    borrowed = []

    @contextmanager
    def watched(device, *networks):
        borrowed.append(networks)
        hooks = [n.register_forward_hook(lambda network, *_: working.append(network)) for n in networks]
        yield
        for hook in hooks:
            hook.remove()

    working: list = []
    for module in (codec, refiner, sdxl, stable_diffusion):
        monkeypatch.setattr(module, "borrowed", watched)
    model = load(directories, kind, offload=True)
    computed(model)
    lent = {network for networks in borrowed for network in networks}
    assert model.codec.vae in lent
    assert not lent & set(model.networks)
    assert set(working) == lent - {model.codec.vae}
    encoders = {"dit": 0, "sd": 1, "sdxl": 2, "refined": 3}[kind]
    assert len(lent) == 1 + encoders


def test_what_waits_is_not_moved_when_it_is_loaded(directories, monkeypatch):
    moved, real = [], AutoencoderKL.to
    monkeypatch.setattr(AutoencoderKL, "to", lambda vae, *to, **more: moved.append(vae) or real(vae, *to, **more))
    load(directories, "dit", offload=True)
    assert not moved
    load(directories, "dit")
    assert moved
