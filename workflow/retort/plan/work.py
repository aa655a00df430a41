"""What a job computes, by arithmetic: calls of its networks times their FLOPs; and the minutes to ask a cluster for.

Requests change no result. The FLOPs of one call were counted on the true shapes (`python -m bench.real_run`; tests hold
the numbers below to it). Rates are low on purpose: A100s and H100s sustain more, so what is asked for is 4 times
(diffusion models in half precision) to 10 times (in single precision) of what 120 TFLOP/s would take.
"""

from dataclasses import dataclass
from functools import cache

from retort.config.schema.models import DitTraining, VaeTraining
from retort.evaluation.views import ViewSettings
from retort.plan.plan import Plan
from retort.plan.runs import ALL

A_DAY = 24 * 60  # minutes: many clusters end every job then, and refuse at once what asks for more
START = 15  # minutes of start, loading of weights and writing, whatever the work; these are not counted in FLOPs
RATES = {"half": 30.0, "single": 12.0, "convolution": 15.0}  # TFLOP/s that are relied on, by the kinds of `Work`

# Seconds of what is no arithmetic of networks, on the safe side.
READ = 0.02  # to open and decode an image, by one process, from a file system that nodes share
CROP = 0.05  # to read an image, and cut and resize crops of it
CALL = 0.02  # to launch one call of a network, or one step of a training, however small it is

PUBLISHED = {
    "digits": {"classes": 10, "images": 1_397},
    "fashion-mnist": {"classes": 10, "images": 60_000},
    "imagenet": {"classes": 1_000, "images": 1_281_167},
    "cifar10": {"classes": 10, "images": 50_000},
    "cifar100": {"classes": 100, "images": 50_000},
    "tiny-imagenet": {"classes": 200, "images": 100_000},
}
"""Classes and training images of each kind of data set that is the same everywhere."""

DIT_XL = (28, 1152, 2)  # layers, width, patch of the published DiT-XL/2
SD_AT_64, SDXL_AT_128 = 0.803, 6.76  # TFLOP of a UNet for a latent of that side
ENCODE_AT_1024, DECODE_AT_1024 = 4.88, 10.5  # TFLOP of Stable Diffusion's VAE; in proportion to the pixels
VAE_WIDTH = 512  # of its widest layer
GRADIENT = 2.04  # calls that a call with the gradient of its input costs
TRAINING = 3  # calls that a step of a training costs for each example

CLASSIFIERS = {  # name -> GFLOP for an image of a side, at the sides from which on a network is another one
    **{"resnet8s": {32: 0.007}, "resnet8": {32: 0.025}, "resnet8x2": {32: 0.098}},
    **{f"convnet{depth}{norm}": {32: 0.108} for depth in (3, 4, 5, 6) for norm in ("", "_bn")},
    "resnet_ap10": {64: 3.54, 128: 3.58, 224: 3.64},
    **{f"resnet18_{norm}": {64: 4.44, 128: 4.49, 224: 3.63} for norm in ("in", "bn")},
    "resnet50_in": {64: 10.4, 128: 10.4, 224: 8.18},
    "resnet101_in": {64: 20.1, 128: 20.1, 224: 15.6},
    "resnet18_modified": {32: 1.11},
    **{"resnet18": {224: 3.63}, "resnet34": {224: 7.33}, "resnet50": {224: 8.18}, "resnet101": {224: 15.6}},
    **{"resnet152": {224: 23.0}, "wide_resnet50": {224: 22.8}, "densenet121": {224: 5.67}},
    **{"mobilenetv2": {224: 0.602}, "efficientnet_b0": {224: 0.772}, "convnext_tiny": {224: 8.91}},
    **{"vit_tiny": {224: 2.51}, "vit_small": {224: 9.2}, "vit_base": {224: 35.1}, "swin_tiny": {224: 8.98}},
}
UNKNOWN_CLASSIFIER = "resnet101"  # stands for those of timm that are not in the table


@dataclass(frozen=True)
class Work:
    """TFLOP of diffusion models in half and in single precision, and of convolutional networks (encoders, classifiers);
    and seconds of other work."""

    half: float = 0
    single: float = 0
    convolution: float = 0
    seconds: float = 0

    def minutes(self, attempt: int = 1) -> int:
        """To ask for at an attempt: never more than a day."""
        return min(A_DAY, round(attempt * self.expected))

    @property
    def expected(self) -> float:
        """Minutes at the rates that are relied on, whether a day has so many or not."""
        return START + (sum(getattr(self, kind) / rate for kind, rate in RATES.items()) + self.seconds) / 60


def classifier_call(arch: str, side: int) -> float:
    """TFLOP of a classifier, ours or one of timm, for an image."""
    name = arch.partition(".")[0]
    known = name if name in CLASSIFIERS else max((k for k in CLASSIFIERS if name.startswith(k)), key=len, default=None)
    by_side = CLASSIFIERS[known or UNKNOWN_CLASSIFIER]
    at = min((s for s in by_side if s >= side), default=max(by_side))
    return by_side[at] / 1e3 * (side / at) ** 2


def dit_call(layers: int, width: int, patch: int, side: int) -> float:
    """TFLOP of a DiT for a latent of a side: projections of every token, and attention between all of them."""
    tokens = (side / patch) ** 2
    return layers * (24 * tokens * width**2 + 4 * tokens**2 * width) / 1e12


class WorkOf:
    """The work of each stage that computes on a GPU, by its rule's name, for the wildcards of a job."""

    def __init__(self, plan: Plan):
        self.plan, self.config = plan, plan.config
        self.call, self.encode = cache(self.call), cache(self.encode)

    # ------------------------------------------------------------ one call

    def call(self, model: str) -> float:
        """TFLOP of a diffusion model for one latent. A refiner counts as the model that it refines for."""
        settings = self.config.models[model]
        side = self.latent_side(settings.encoder)
        if settings.kind == "optimal":  # a distance to each number of all latents, and their mean
            return 4 * self.memorised(model) / 1e12
        if settings.kind == "dit":
            own = settings.train if isinstance(settings.train, DitTraining) else None
            shape = (own.layers, own.heads * own.head_dim, own.patch) if own else DIT_XL
            return dit_call(*shape, side)
        return SDXL_AT_128 * (side / 128) ** 2 if settings.kind == "sdxl" else SD_AT_64 * (side / 64) ** 2

    def memorised(self, model: str) -> float:
        """Numbers in the training latents of all classes, which an optimal denoiser knows by heart."""
        encoder = self.config.models[model].encoder
        train = self.config.models[encoder].train
        channels = train.latent_channels if train else 4
        return len(self.plan.classes) * self.images_per_class() * channels * self.latent_side(encoder) ** 2

    def calls(self, model: str, number: float) -> dict[str, float]:
        """TFLOP of so many calls of a diffusion model, as `Work` has it."""
        dtype = self.config.models[model].dtype
        return {"half" if dtype in ("float16", "bfloat16") else "single": number * self.call(model)}

    def latent_side(self, encoder: str) -> int:
        train = self.config.models[encoder].train
        halvings = len(train.channels) - 1 if train else 3
        return self.side_of(encoder) // 2**halvings

    def side_of(self, encoder: str) -> int:
        """Pixels a side of the images that an encoder takes."""
        return self.plan.codec_settings(encoder)["resolution"]

    def encode(self, encoder: str, at_1024: float = ENCODE_AT_1024) -> float:
        """TFLOP of an encoder for one image; one that is trained here is as much smaller as its widest layer is."""
        train = self.config.models[encoder].train
        narrower = (max(train.channels) / VAE_WIDTH) ** 2 if train else 1
        return at_1024 * narrower * (self.side_of(encoder) / 1024) ** 2

    def decode(self, model: str) -> float:
        return self.encode(self.plan.encoder_of(model), DECODE_AT_1024)

    def judge(self, teacher: str) -> float:
        """TFLOP of a teacher for one image."""
        return classifier_call(self.config.teachers[teacher].arch, self.plan.dataset.resolution)

    # ------------------------------------------------------------ how many

    def images_per_class(self) -> int:
        """Training images of a class: as published, or else ImageNet's; at most as many as the config takes."""
        whole = PUBLISHED.get(self.plan.dataset.kind, PUBLISHED["imagenet"])
        count = -(-whole["images"] // whole["classes"])
        return min(count, self.plan.dataset.max_per_class or count)

    def classes(self, wildcards) -> int:
        return len(self.plan.shards[wildcards["shard"]])

    def images(self, wildcards) -> int:
        """Real images in a shard."""
        return self.classes(wildcards) * self.images_per_class()

    def set_images(self, wildcards) -> int:
        """Images in a set."""
        each = self.images_per_class() if wildcards["ipc"] == ALL else int(wildcards["ipc"])
        return len(self.plan.classes) * each

    def at_once(self, model: str, number: int) -> int:
        """The default batch of a diffusion model's jobs: SDXL's latents are 16 times as large as those at 256 px."""
        return number // 4 if self.config.models[model].kind == "sdxl" else number

    # ------------------------------------------------------------ real images

    def encode_latents(self, wildcards) -> Work:
        images = self.images(wildcards)
        return Work(convolution=images * self.encode(wildcards["encoder"]), seconds=images * READ)

    def describe_images(self, wildcards) -> Work:
        images = self.images(wildcards)
        return Work(convolution=images * self.judge(wildcards["teacher"]), seconds=images * READ)

    def train_dynamics(self, wildcards) -> Work:
        """One training by epochs."""
        dynamics = self.config.dynamics[wildcards["dynamics"]]
        seen = dynamics.recorded() * len(self.plan.classes) * self.images_per_class()
        steps = seen / self.config.teachers[dynamics.teacher].train.batch
        return Work(convolution=TRAINING * seen * self.judge(dynamics.teacher), seconds=2 * steps * CALL)

    def record_dynamics(self, wildcards) -> Work:
        """Every image of a shard through the network of every epoch."""
        dynamics, images = self.config.dynamics[wildcards["dynamics"]], self.images(wildcards)
        seen = images * dynamics.recorded() * dynamics.runs
        return Work(convolution=seen * self.judge(dynamics.teacher), seconds=seen / 256 * CALL)

    def invert_latents(self, wildcards) -> Work:
        inversion, images = self.config.inversions[wildcards["inversion"]], self.images(wildcards)
        calls = inversion.stop * branches(inversion.guidance)
        waits = inversion.stop * images / self.at_once(inversion.model, 128) * CALL
        return Work(**self.calls(inversion.model, images * calls), seconds=waits)

    def score_typicality(self, wildcards) -> Work:
        typicality, images = self.config.typicalities[wildcards["typicality"]], self.images(wildcards)
        calls = images * typicality.draws * 2
        return Work(**self.calls(typicality.model, calls), seconds=calls / 64 * CALL)

    def score_crops(self, wildcards) -> Work:
        score = self.plan.compose_of(wildcards["method"]).score
        images = self.classes(wildcards) * min(score.images, self.images_per_class())
        return Work(convolution=images * score.crops * self.judge(score.teacher), seconds=images * (CROP + CALL))

    def rank_patches(self, wildcards) -> Work:
        score, space = self.plan.compose_of(wildcards["method"]).score, self.plan.ranking_space(wildcards["method"])
        each = min(score.most_patches().count, self.images_per_class() * score.most_of_an_image())
        patches, clustering = self.classes(wildcards) * each, 5 * self.classes(wildcards)
        call = self.encode(space["encoder"]) if "encoder" in space else self.judge(space["teacher"])
        return Work(convolution=patches * call, seconds=patches * CROP + clustering)

    # ------------------------------------------------------------ images that are made

    def generate_images(self, wildcards) -> Work:
        method, made = wildcards["method"], self.classes(wildcards) * int(wildcards["number"])
        model, steps = self.plan.generate_of(method).model, self.asked(method)
        calls = made * self.calls_of_an_image(method)
        decoding, waits = made * self.decode(model), made / 16 * steps * CALL
        return Work(**self.calls(model, calls), convolution=decoding, seconds=waits)

    def asked(self, method: str) -> int:
        """How often the model is asked while an image is sampled, under CFG for two predictions at once."""
        sampling = self.plan.sampling_of(method)
        steps = sampling["steps"] if sampling["first"] is None else sampling["first"] + 1
        return steps + sampling["sampler"].more_calls

    def calls_of_an_image(self, method: str) -> int:
        """Calls of the model by which an image is sampled."""
        return self.asked(method) * branches(self.plan.sampling_of(method)["guidance"])

    def choose_from_pool(self, wildcards) -> Work:
        pool = self.classes(wildcards) * int(self.plan.count_of(wildcards["method"], wildcards["ipc"]))
        teachers, select = self.plan.teachers_of(wildcards["method"]), self.config.methods[wildcards["method"]].select
        clustering = select.seconds * self.classes(wildcards)
        seen = sum(pool * self.judge(teacher) for teacher in teachers)
        return Work(convolution=seen, seconds=pool * CALL + clustering)

    def describe_subgroups(self, wildcards) -> Work:
        pool = self.classes(wildcards) * int(self.plan.count_of(wildcards["method"], wildcards["ipc"]))
        seen = sum(pool * self.judge(teacher) for teacher in self.plan.teachers_of(wildcards["method"]))
        return Work(convolution=seen, seconds=pool * CALL)

    def refine_latents(self, wildcards) -> Work:
        method, made = wildcards["method"], self.classes(wildcards) * int(wildcards["ipc"])
        model, iterations = self.plan.generate_of(method).model, self.plan.refine_of(method).passes()
        waits = made / self.at_once(model, 16) * iterations * 2 * CALL
        calls = self.calls(model, made * iterations * GRADIENT)
        return Work(**calls, convolution=made * self.decode(model), seconds=waits)

    def judge_model(self, wildcards) -> Work:
        """About 100 samples, or one of each class, of 50 steps at each of two guidances, one of them 1."""
        model, made = wildcards["model"], 2 * 100
        calls = made / 2 * 50 * 3
        return Work(**self.calls(model, calls), convolution=made * self.decode(model), seconds=calls / 16 * CALL)

    # ------------------------------------------------------------ sets, labels and students

    def measure_quality(self, wildcards) -> Work:
        """Half an hour more, for what is compared with the real images on the CPU."""
        images = self.set_images(wildcards)
        return Work(convolution=images * self.judge(wildcards["teacher"]), seconds=1800 + images * READ)

    def export_set(self, wildcards) -> Work:
        images, teacher = self.set_images(wildcards), self.plan.labelling_teacher(wildcards["method"], wildcards["ipc"])
        return Work(convolution=images * self.judge(teacher) if teacher else 0, seconds=2 * images * READ)

    def relabel_set(self, wildcards) -> Work:
        """A label of every view of the training, or of every image."""
        images, call = self.set_images(wildcards), self.judge(self.plan.teacher_of(wildcards["protocol"]))
        if self.plan.labelling_of(wildcards["protocol"])["views"] is None:
            return Work(convolution=images * call, seconds=images * READ)
        steps, seen = self._views(wildcards, images)
        return Work(convolution=seen * call, seconds=images * READ + steps * CALL)

    def student(self, wildcards) -> Work:
        """One student: its training, its evaluations on ImageNet's 50 validation images a class, its online labels."""
        images, protocol = self.set_images(wildcards), self.plan.protocol(wildcards["protocol"])
        steps, seen = self._views(wildcards, images)
        call = classifier_call(wildcards["student"], self.plan.dataset.resolution)
        calls = TRAINING + protocol.forward_twice
        tested = (protocol.evaluations + 1) * len(self.plan.classes) * 50
        labelled = 0
        if (labels := protocol.teacher_labels) and labels.kind == "online":
            labelled = seen * self.judge(labels.teacher)
        return Work(convolution=(calls * seen + tested) * call + labelled, seconds=steps * CALL)

    def students(self, wildcards, seeds: int) -> Work:
        """So many of them, one after the other; they read their set once."""
        one, read = self.student(wildcards), 0 if wildcards["ipc"] == ALL else self.set_images(wildcards) * READ
        return Work(convolution=seeds * one.convolution, seconds=seeds * one.seconds + read)

    def seeds_apart(self, wildcards) -> bool:
        """Whether each seed of a student is a job of its own; by the config alone, so that it stays so."""
        if self.config.seeds_apart != "auto":
            return self.config.seeds_apart == "always"
        return self.students(wildcards, len(self.plan.seeds(**_cell(wildcards)))).expected > A_DAY

    def train_one_student(self, wildcards) -> Work:
        return self.students(wildcards, 1)

    def train_students(self, wildcards) -> Work:
        """All of them; or nothing, where they have been trained apart and are only gathered."""
        return self.students(wildcards, 0 if self.seeds_apart(wildcards) else len(self.plan.seeds(**_cell(wildcards))))

    def _views(self, wildcards, images: int) -> tuple[int, int]:
        """Steps of a training by a set of so many images, and the views that it sees."""
        views = ViewSettings(**self.plan.views_of(wildcards["protocol"], wildcards["method"], wildcards["ipc"]))
        return views.total_steps(images), views.total_views(images)

    # ------------------------------------------------------------ trainings and teachers

    def train_vae(self, wildcards) -> Work:
        model: str = wildcards["model"]
        train: VaeTraining = self.config.models[model].train
        both = self.encode(model) + self.encode(model, DECODE_AT_1024)
        return Work(convolution=TRAINING * train.steps * train.batch * both, seconds=2 * train.steps * CALL)

    def measure_encoder(self, wildcards) -> Work:
        """A thousand images at most."""
        both = self.encode(wildcards["encoder"]) + self.encode(wildcards["encoder"], DECODE_AT_1024)
        return Work(convolution=1000 * both, seconds=1000 * READ)

    def train_dit(self, wildcards) -> Work:
        train = self.config.models[wildcards["model"]].train
        computed = TRAINING * train.steps * train.batch * self.call(wildcards["model"])
        kind = "single" if train.precision == "float32" else "half"
        return Work(**{kind: computed}, seconds=4 * train.steps * CALL)

    def train_teacher(self, wildcards) -> Work:
        train = self.config.teachers[wildcards["teacher"]].train
        seen = TRAINING * train.steps * train.batch
        return Work(convolution=seen * self.judge(wildcards["teacher"]), seconds=2 * train.steps * CALL)

    def adopt_teacher(self, wildcards) -> Work:
        """What measures it on the validation images, as many as ImageNet has."""
        images = 50 * len(self.plan.classes)
        return Work(convolution=images * self.judge(wildcards["teacher"]), seconds=images * READ)

    measure_raw_teacher = adopt_teacher


def branches(guidance: float) -> int:
    """Calls of a step: at guidance 1 the null class has no weight and is not computed."""
    return 1 if guidance == 1 else 2


def _cell(wildcards) -> dict[str, str]:
    return {name: wildcards[name] for name in ("method", "ipc", "protocol", "student")}
