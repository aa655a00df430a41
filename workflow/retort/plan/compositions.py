"""What each method of the config is made of, who owns what methods share, and which jobs stand behind a set."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from retort.config.schema import Config
from retort.config.schema.methods import (
    Clusters,
    Compose,
    CoverageSelect,
    DiscoverySelect,
    Generate,
    InversionStart,
    Refine,
    TeacherScore,
    TeacherSelect,
    TypicalityScore,
)
from retort.plan.runs import ALL

DEFAULT_STEPS = {"ddim": 50, "ddpm": 50, "dpm++": 25}  # from noise, when a method names none


class Compositions:
    """The methods of a config, each as the stages that it goes through."""

    def __init__(self, config: Config):
        self.config, self.dataset, self.seed = config, config.dataset, config.seed

    def encoder_of(self, model: str) -> str:
        return self.config.models[model].encoder

    def decoder_of(self, model: str) -> str | None:
        """The vae that turns a diffusion model's latents into images, where it is not its encoder."""
        return self.config.models[model].decoder

    def refiner_of(self, model: str) -> str | None:
        """The model that ends what a diffusion model begins."""
        refiner = getattr(self.config.models[model], "refiner", None)
        return refiner and refiner.model

    def methods_that_select(self, select: str) -> list[str]:
        return [name for name, method in self.config.methods.items() if method.select == select]

    def methods_that(self, stage: str) -> list[str]:
        """Methods that have a stage of their own, by its rule."""
        has = {
            "import_set": lambda m: m.images,
            "choose_from_pool": lambda m: m.generate and m.select,
            "refine_latents": lambda m: m.refine,
            "select_images": lambda m: m.select in ("random", "all"),
            "select_by_features": lambda m: not m.generate and isinstance(m.select, CoverageSelect | TeacherSelect),
            "score_crops": lambda m: m.compose and isinstance(m.compose.score, TeacherScore),
            "score_windows": lambda m: m.compose and isinstance(m.compose.score, TypicalityScore),
            "rank_patches": lambda m: m.compose and m.compose.rank != "score",
            "compose_mosaics": lambda m: m.compose,
        }[stage]
        return [name for name, method in self.config.methods.items() if has(method)]

    def generate_of(self, method: str) -> Generate | None:
        return self.config.methods[method].generate

    def compose_of(self, method: str) -> Compose | None:
        return self.config.methods[method].compose

    def images_of(self, method: str, ipc: str) -> str:
        """The path of the set that was made elsewhere which a method takes at `ipc` images per class."""
        paths = self.config.methods[method].images
        return paths[int(ipc)] if isinstance(paths, dict) else paths

    def import_of(self, method: str, ipc: str) -> dict:
        """How it is read (see data.elsewhere.Asked)."""
        own = self.config.methods[method]
        said = own.model_dump(mode="json", include={"classes", "values", "image_column", "label_column"})
        return {"path": self.images_of(method, ipc), "fewer": own.ipc == "any"} | said

    def side_of(self, method: str) -> int:
        """Side in pixels at which the images of a method's sets are kept."""
        return self.config.methods[method].side or self.dataset.resolution

    def refine_of(self, method: str) -> Refine | None:
        return self.config.methods[method].refine

    def unguided_of(self, method: str, preferred: Sequence[str] = ()) -> str | None:
        """A method that samples from the same model and does nothing else; None for what samples nothing.

        Of several the first of `preferred`, then of the config.
        """
        own = self.generate_of(method)
        if own is None:
            return None
        for name in (*preferred, *self.config.methods):
            other = self.config.methods[name]
            made = other.generate
            bare = made and made.model == own.model and made.start == "noise" and not made.guide
            if bare and made.pool == 1 and not other.select and not other.refine:
                return name
        return None

    def start_of(self, method: str) -> InversionStart | None:
        """How a method starts from an inversion, or None when it starts from noise or samples nothing."""
        generate = self.generate_of(method)
        return generate.start if generate and generate.start != "noise" else None

    def discovery_of(self, method: str) -> str | None:
        """The discovery whose representatives guide a method, or are its images."""
        generate, select = self.generate_of(method), self.config.methods[method].select
        if generate and generate.guide:
            return generate.guide.discovery
        return select.discovery if isinstance(select, DiscoverySelect) else None

    def typicality_of(self, method: str) -> str | None:
        compose = self.compose_of(method)
        return compose.score.typicality if compose and isinstance(compose.score, TypicalityScore) else None

    def feature_space(self, method: str) -> dict[str, str] | None:
        """{"encoder": NAME} or {"teacher": NAME}, where a method covers or clusters in one."""
        select, compose = self.config.methods[method].select, self.compose_of(method)
        space = compose.rank if compose else select
        if not isinstance(space, CoverageSelect | Clusters):
            return None
        return {"encoder": space.encoder} if space.encoder else {"teacher": space.teacher}

    def teachers_of(self, method: str) -> set[str]:
        """Teachers that choose, score or describe images for a method."""
        select, compose, space = self.config.methods[method].select, self.compose_of(method), self.feature_space(method)
        judges = [
            part for part in (select, compose and compose.score) if isinstance(part, TeacherSelect | TeacherScore)
        ]
        return {judge.teacher for judge in judges} | ({space["teacher"]} if space and "teacher" in space else set())

    def raw_judges(self, methods: Iterable[str]) -> list[str]:
        """Teachers that choose from pools which they see without normalisation."""
        selects = [self.config.methods[method].select for method in methods]
        judges = {s.teacher for s in selects if isinstance(s, TeacherSelect) and s.teacher_input == "raw"}
        return sorted(judges)

    def selection_of(self, method: str) -> str | dict | None:
        """What a selection is made by, but for the encoder or teacher that it asks, which are inputs."""
        select = self.config.methods[method].select
        if isinstance(select, TeacherSelect):
            return select.model_dump()
        return {"coverage": select.coverage} if isinstance(select, CoverageSelect) else select

    def selection_space(self, method: str) -> dict[str, str]:
        """Where real images are selected: {"encoder": NAME}, or {"teacher": NAME}, which also judges them."""
        select = self.config.methods[method].select
        return {"teacher": select.teacher} if isinstance(select, TeacherSelect) else self.feature_space(method)

    METHOD_STAGES = (
        *("invert_latents", "choose_starts", "embed_classes", "cluster_classes", "choose_representatives"),
        *("generate_images", "choose_from_pool", "refine_latents", "describe_images", "select_images"),
        *("select_by_features", "score_typicality", "score_crops", "score_windows", "rank_patches", "compose_mosaics"),
        "import_set",
    )

    def jobs_of(self, stage: str, method: str, ipc: str) -> list[dict[str, str]]:
        """The wildcards, but for shards, of the job of a stage behind one set: none where the set has no such stage."""
        start, discovery = self.start_of(method), self.discovery_of(method)
        of_set, count = {"method": method, "ipc": ipc}, self.count_of(method, ipc)
        match stage:
            case "invert_latents":
                return [{"inversion": start.inversion}] if start else []
            case "choose_starts":
                return [{"method": self.start_owner(method), "number": count}] if start else []
            case "embed_classes":
                return [{"discovery": self.embedding_owner(discovery)}] if discovery else []
            case "cluster_classes":
                return [{"discovery": discovery}] if discovery else []
            case "choose_representatives":
                return [{"discovery": discovery, "number": count}] if discovery else []
            case "generate_images":
                owner = {"method": self.generation_owner(method), "number": count}
                return [owner] if self.generate_of(method) else []
            case "describe_images":
                selects = method in self.methods_that("select_by_features")
                teacher = self.selection_space(method).get("teacher") if selects else None
                return [{"teacher": teacher}] if teacher else []
            case "score_typicality":
                typicality = self.typicality_of(method)
                return [{"typicality": typicality}] if typicality else []
            case "score_crops" | "score_windows":
                return [{"method": self.score_owner(method)}] if method in self.methods_that(stage) else []
            case "rank_patches":
                return [{"method": self.rank_owner(method)}] if method in self.methods_that(stage) else []
        return [of_set] if method in self.methods_that(stage) else []

    def makers_of(self, method: str) -> list[str]:
        """The stages that a method's images come from, in the order of the work; for any number of images."""
        ipc = "1" if self.config.methods[method].select != "all" else ALL
        return [stage for stage in self.METHOD_STAGES if self.jobs_of(stage, method, ipc)]

    def count_of(self, method: str, ipc: str) -> str:
        """Images per class that are sampled, or found as representatives, for a set of `ipc`: a pool is larger."""
        generate = self.generate_of(method)
        return str(int(ipc) * generate.pool) if generate else ipc

    def start_owner(self, method: str) -> str:
        """The first method with the same start: starts do not depend on what is sampled from them."""
        return self._first_equal(method, lambda m: _draw(self.start_of(m)))

    def generation_owner(self, method: str) -> str:
        """The first method that samples alike, at the same side: a pool is shared by all that choose from it."""
        return self._first_equal(method, lambda m: (g := self.generate_of(m)) and (_sampled(g), self.side_of(m)))

    def score_owner(self, method: str) -> str:
        """The first method with the same scored patches, however it ranks and composes them."""
        return self._first_equal(method, lambda m: (c := self.compose_of(m)) and (c.score, _crop_side(c)))

    def rank_owner(self, method: str) -> str:
        """The first method with the same ranked patches."""
        return self._first_equal(method, lambda m: (c := self.compose_of(m)) and (c.score, c.rank, _crop_side(c)))

    def embedding_owner(self, discovery: str) -> str:
        """The first discovery that embeds alike: embeddings do not depend on how they are clustered."""
        embeds = {name: (d.encoder, d.umap) for name, d in self.config.discoveries.items()}
        return next(name for name in embeds if embeds[name] == embeds[discovery])

    def _first_equal(self, method: str, part: Callable[[str], Any]) -> str:
        return next(m for m in self.config.methods if part(m) == part(method))

    def sampling_of(self, method: str) -> dict:
        """Sampler, steps, the DDIM step to begin at (None: the noisiest), CFG, and the guide's constants."""
        generate, start = self.generate_of(method), self.start_of(method)
        settings = {"sampler": generate.sampler, "guidance": generate.guidance}
        if generate.guide:
            settings |= generate.guide.model_dump(include={"strength", "until"})
        if start is None:
            return settings | {"steps": generate.steps or DEFAULT_STEPS[generate.sampler], "first": None}
        inversion = self.config.inversions[start.inversion]
        return settings | {"steps": inversion.steps, "first": inversion.stop + (start.first_step == "reference")}

    def models_of(self, method: str) -> list[str]:
        """Diffusion models, refiners, encoders and decoders that a method's images depend on."""
        generate, typicality = self.generate_of(method), self.typicality_of(method)
        space, discovery = self.feature_space(method) or {}, self.discovery_of(method)
        run = [generate.model] if generate else [self.config.typicalities[typicality].model] if typicality else []
        encoders = [*map(self.encoder_of, run), space.get("encoder")]
        encoders += [self.config.discoveries[discovery].encoder] if discovery else []
        encoders += [self.decoder_of(generate.model)] if generate else []
        return list(dict.fromkeys(name for name in [*run, *map(self.refiner_of, run), *encoders] if name))

    def provenance_of(self, method: str, ipc: str | None = None) -> dict:
        """The part of the config that a method's sets depend on, for people who find the set without the config.

        ipc: of the set with so many images per class alone, where another has other images.
        """
        config, start = self.config, self.start_of(method)
        discovery, typicality = self.discovery_of(method), self.typicality_of(method)
        shared = {
            "models": (config.models, self.models_of(method)),
            "teachers": (config.teachers, sorted(self.teachers_of(method))),
            "inversions": (config.inversions, [start.inversion] if start else []),
            "discoveries": (config.discoveries, [discovery] if discovery else []),
            "typicalities": (config.typicalities, [typicality] if typicality else []),
        }
        dump = {"mode": "json", "exclude_none": True}
        unread = {"paper": True} | ({"fit": True} if config.methods[method].fit == "crop" else {})
        unread |= {"generate": {"start": {"groups"}}} if start and start.search != "groups" else {}
        unread |= {"images": True} if config.methods[method].images and ipc else {}
        path = {"images": self.images_of(method, ipc)} if "images" in unread else {}
        return {
            "dataset": self.dataset.name,
            "method": method,
            "seed": self.seed,
            "side": self.side_of(method),
            "settings": config.methods[method].model_dump(**dump, exclude=unread) | path,
            "data": self.dataset.model_dump(**dump, exclude={"shard_classes", "test_crop", "test_resize", "watch"}),
        } | {
            part: {n: table[n].model_dump(**dump, exclude={"run"}) for n in names}
            for part, (table, names) in shared.items()
        }


def _draw(start: InversionStart | None) -> InversionStart | None:
    """What a draw of starts depends on: not where sampling begins, nor, for the closed form, the groups of a search."""
    unread = {"first_step": "reference"} | ({"groups": 1} if start and start.search == "closed-form" else {})
    return start and start.model_copy(update=unread)


def _sampled(generate: Generate | None) -> Generate | None:
    """What is sampled but for the size of a pool, which is counted in images."""
    return generate and generate.model_copy(update={"pool": 1})


def _crop_side(compose: Compose) -> int | None:
    """What a scored crop's size depends on; windows have their own."""
    return compose.grid if isinstance(compose.score, TeacherScore) else None
