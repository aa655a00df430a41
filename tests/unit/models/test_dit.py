"""The diffusion transformer behind the model interface: whose labels it means, and diffusers' own pipeline."""

import pytest
import torch
from diffusers import DDIMScheduler, DiTPipeline
from diffusers.models.transformers.dit_transformer_2d import DiTTransformer2DModel
from tests.helpers import tiny_pipelines as tiny

from retort.base.errors import RetortError
from retort.data.imagenet import imagenet_classes, subset_classes
from retort.data.manifest import ClassEntry
from retort.methods import dpm_solver
from retort.methods.guidance import Guided
from retort.models.load import CodecFiles, ModelFiles, load_diffusion

SHAPE, STEPS = (4, 8, 8), 10
# Not in the order of their labels, as the classes of a data set may be.
NETTE = [ClassEntry(i, class_id, f"name {i}") for i, class_id in enumerate(reversed(subset_classes("imagenette")))]


def save_dit(folder, classes=1000, channels=8):
    """A whole pipeline of random weights that heeds its classes; learned variance with twice the channels."""
    transformer = tiny.seeded(
        lambda: DiTTransformer2DModel(
            num_layers=2,
            num_attention_heads=2,
            attention_head_dim=8,
            patch_size=2,
            in_channels=SHAPE[0],
            out_channels=channels,
            sample_size=SHAPE[1],
            num_embeds_ada_norm=classes,
        ),
        seed=1,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        for parameter in transformer.parameters():
            if parameter.dim() > 1:
                torch.nn.init.normal_(parameter, std=0.2)
    scheduler = DDIMScheduler(clip_sample=False)
    DiTPipeline(transformer=transformer, vae=tiny.vae(), scheduler=scheduler).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return save_dit(tmp_path_factory.mktemp("dit"))


def load(directory, dtype="float32", **more):
    codec = CodecFiles(str(directory / "vae"), "float32", tiny.SIDE)
    return load_diffusion(ModelFiles(str(directory), dtype, **more), codec)


# ---------------------------------------------------------------- the same model as diffusers'


@pytest.mark.parametrize("channels", [4, 8], ids=["noise alone", "learned variance"])
@pytest.mark.parametrize("guidance", [1.0, 4.0])
@torch.no_grad()
def test_images_are_those_of_the_pipeline(tmp_path, channels, guidance):
    """DiTPipeline draws its starting noise itself; its null class is 1000 whatever the model."""
    model, labels = load(save_dit(tmp_path, channels=channels), classes="imagenet1k"), [0, 217, 999]
    pipeline = DiTPipeline.from_pretrained(tmp_path)
    pipeline.set_progress_bar_config(disable=True)
    noise = torch.randn(len(labels), *SHAPE, generator=torch.Generator().manual_seed(5))
    condition = model.condition([ClassEntry(0, imagenet_classes()[label], "") for label in labels])

    def theirs(scheduler):
        pipeline.scheduler = scheduler
        draw = torch.Generator().manual_seed(5)
        images = pipeline(labels, guidance, draw, num_inference_steps=STEPS, output_type="np").images
        return torch.from_numpy(images).permute(0, 3, 1, 2)

    expected = theirs(tiny.ddim(pipeline))
    ours = tiny.stepped(model, condition, noise, tiny.ddim(pipeline), STEPS, guidance)
    torch.testing.assert_close(ours, expected, rtol=0, atol=tiny.WITHIN)
    assert (expected[0] - expected[1]).abs().max() > 0.01
    expected = theirs(tiny.karras(pipeline))
    ours = dpm_solver.sample(noise, Guided(model, condition, guidance), model.alphas_cumprod, STEPS)
    torch.testing.assert_close(tiny.shown(model, ours), expected, rtol=0, atol=tiny.WITHIN)


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16"])
@torch.no_grad()
def test_noise_is_predicted_in_the_precision_of_the_latents(directory, dtype):
    noise = torch.randn(2, *SHAPE, generator=torch.Generator().manual_seed(0))
    model, exact = load(directory, dtype), load(directory)
    assert model.dtype == getattr(torch, dtype)
    found, expected = (m.eps(noise, torch.tensor([10, 900]), m.null(2)) for m in (model, exact))
    assert found.dtype == torch.float32
    within = {"float64": 1e-5, "float16": 0.02, "bfloat16": 0.15}[dtype]
    torch.testing.assert_close(found, expected, rtol=0, atol=within)


# ---------------------------------------------------------------- whose labels


def test_without_a_list_labels_are_those_of_the_data_set(directory):
    entries = [ClassEntry(3, "d", ""), ClassEntry(0, "a", "")]
    assert load(directory).condition(entries)["class_labels"].tolist() == [3, 0]


def test_a_subset_of_imagenet_gets_the_labels_of_imagenet(directory):
    model = load(directory, classes="imagenet1k")
    model.check_classes(NETTE)
    # As every ImageNet head has them: tench 0, English springer 217, ..., parachute 701.
    expected = [701, 574, 571, 569, 566, 497, 491, 482, 217, 0]
    assert model.condition(NETTE)["class_labels"].tolist() == expected
    assert model.null(2)["class_labels"].tolist() == [1000, 1000]


def test_an_image_does_not_depend_on_where_its_class_stands_in_the_data_set(directory):
    model, noise = load(directory, classes="imagenet1k"), torch.ones(1, *SHAPE)
    tench = [entry for entry in NETTE if entry.id == "n01440764"]
    moved = [ClassEntry(0, "n01440764", "tench")]
    eps = [model.eps(noise, torch.tensor([500]), model.condition(entry)) for entry in (tench, moved)]
    assert torch.equal(*eps)


def test_classes_that_the_model_does_not_know_are_named(directory):
    model = load(directory, classes="imagenet1k")
    strange = [*NETTE, ClassEntry(10, "n00000001", "unknown"), ClassEntry(11, "tench", "by name")]
    with pytest.raises(RetortError, match=r"does not know 2 of the data set's 12 classes: n00000001, tench; its own"):
        model.check_classes(strange)


def test_a_list_of_another_length_is_refused(tmp_path):
    model = load(save_dit(tmp_path, classes=100), classes="imagenette")
    with pytest.raises(RetortError, match="the model knows 100 classes but its list of classes has 10"):
        model.check_classes(NETTE)


def test_a_data_set_of_another_length_is_refused_without_a_list(directory):
    with pytest.raises(RetortError, match=r"knows 1000 classes but the data set has 10; .* key classes .*imagenet1k"):
        load(directory).check_classes(NETTE)


def test_an_unknown_list_is_refused(directory):
    with pytest.raises(RetortError, match="there is no subset 'imagenet2k'"):
        load(directory, classes="imagenet2k")
