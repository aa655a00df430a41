"""What each method of the config is made of, who owns what methods share, and which jobs stand behind a set."""

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Any

from retort.base.seeds import derive_seed
from retort.config.schema import Config
from retort.config.schema.methods import Generate, Method
from retort.parts.compositions import Composition
from retort.parts.refinements import Refinement
from retort.parts.starts import Start
from retort.plan.runs import ALL


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

    def methods_that_select(self, kind: str) -> list[str]:
        """Methods whose selection is of this kind."""
        return [name for name, method in self.config.methods.items() if method.select and method.select.kind == kind]

    def methods_that(self, stage: str) -> list[str]:
        """Methods that have a stage of their own, by its rule."""
        return [name for name, stages in self._stages_of.items() if stage in stages]

    def generate_of(self, method: str) -> Generate | None:
        return self.config.methods[method].generate

    def compose_of(self, method: str) -> Composition | None:
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

    def seed_of(self, method: str) -> int:
        """From which everything that is drawn for a method alone derives: the global seed, or one of its own."""
        own = self.config.methods[method].seed
        return derive_seed(self.seed, "set", own) if own else self.seed

    def refine_of(self, method: str) -> Refinement | None:
        return self.config.methods[method].refine

    def unguided_of(self, method: str, preferred: Sequence[str] = ()) -> str | None:
        """A method that samples from the same model and does nothing else; None for what samples nothing.

        Of several the first with the same seed, of these the first of `preferred`, then of the config.
        """
        own = self.generate_of(method)
        if own is None:
            return None
        others = sorted((*preferred, *self.config.methods), key=lambda name: self.seed_of(name) != self.seed_of(method))
        for name in others:
            other = self.config.methods[name]
            made = other.generate
            bare = made and made.model == own.model and made.start.kind == "noise" and not made.guides
            if bare and made.pool == 1 and not other.select and not other.refine:
                return name
        return None

    def start_of(self, method: str) -> Start | None:
        """How a method starts from an inversion; None where it starts otherwise, or samples nothing."""
        generate = self.generate_of(method)
        return generate.start if generate and generate.start.stage else None

    def inversion_of(self, method: str) -> str | None:
        return self._first_named(method, "inversions")

    def discoveries_of(self, method: str) -> list[str]:
        """The discoveries whose representatives a method starts from, is guided by, or takes as its images."""
        return list(self._named[method].get("discoveries", ()))

    def discoveries_that(self, stage: str) -> list[str]:
        """Discoveries of a kind that this stage is part of."""
        return [name for name, discovery in self.config.discoveries.items() if stage in discovery.stages]

    def reads_means(self, method: str) -> bool:
        """Whether a guide of a method reads the mean latents of classes, of the encoder of the method's model."""
        generate = self.generate_of(method)
        return bool(generate) and any(guide.reads_means() for guide in generate.guides)

    def typicality_of(self, method: str) -> str | None:
        return self._first_named(method, "typicalities")

    def dynamics_of(self, method: str) -> str | None:
        """The record of a training by which a method scores real images."""
        return self._first_named(method, "dynamics")

    def encoder_named_by(self, method: str) -> str | None:
        """The encoder in whose latents a method covers or clusters."""
        return self._first_named(method, "encoders")

    def _first_named(self, method: str, table: str) -> str | None:
        """The first thing in a table of the config that a part of a method names."""
        return next(iter(self._named[method].get(table, ())), None)

    @cached_property
    def _named(self) -> dict[str, dict[str, dict[str, None]]]:
        """Method -> table of the config -> what its parts name there. Rules ask for it thousands of times."""
        found = {}
        for method, own in self.config.methods.items():
            found[method] = {}
            for _, _, part in own.parts():
                for _, names, name in part.named():
                    found[method].setdefault(names.table, {})[name] = None
        return found

    @cached_property
    def _stages_of(self) -> dict[str, set[str]]:
        return {name: _stages(method) for name, method in self.config.methods.items()}

    def teachers_of(self, method: str) -> set[str]:
        """Teachers that choose, score or describe images for a method."""
        return set(self._named[method].get("teachers", ()))

    def raw_judges(self, methods: Iterable[str]) -> list[str]:
        """Teachers that choose from pools which they see without normalisation."""
        selects = [self.config.methods[method].select for method in methods]
        return sorted({select.name_in("teachers") for select in selects if select and select.sees_raw()})

    def selection_space(self, method: str) -> dict[str, str]:
        """By what images are selected, {"encoder": NAME}, {"teacher": NAME} or {"dynamics": NAME}; or by nothing."""
        select = self.config.methods[method].select
        return select.space() if select else {}

    def ranking_space(self, method: str) -> dict[str, str]:
        """Where patches are ranked, alike."""
        return self.compose_of(method).rank.space()

    METHOD_STAGES = (
        *("invert_latents", "choose_starts", "embed_classes", "cluster_classes", "choose_representatives"),
        "find_representatives",
        *("generate_images", "choose_from_pool", "describe_images", "describe_subgroups", "choose_subgroups"),
        *("refine_latents", "select_images"),
        *("train_dynamics", "record_dynamics"),
        *("select_by_features", "score_typicality", "score_crops", "score_windows", "rank_patches", "compose_mosaics"),
        "import_set",
    )

    def jobs_of(self, stage: str, method: str, ipc: str) -> list[dict[str, str]]:
        """The wildcards, but for shards, of the job of a stage behind one set: none where the set has no such stage."""
        start = self.start_of(method)
        discoveries = [name for name in self.discoveries_of(method) if stage in self.config.discoveries[name].stages]
        of_set, count = {"method": method, "ipc": ipc}, self.count_of(method, ipc)
        match stage:
            case "invert_latents":
                return [{"inversion": self.inversion_of(method)}] if start else []
            case "choose_starts":
                return [{"method": self.start_owner(method), "number": count}] if start else []
            case "embed_classes":
                owners = dict.fromkeys(map(self.embedding_owner, discoveries))
                return [{"discovery": owner} for owner in owners]
            case "cluster_classes":
                return [{"discovery": discovery} for discovery in discoveries]
            case "choose_representatives" | "find_representatives":
                return [{"discovery": discovery, "number": count} for discovery in discoveries]
            case "generate_images":
                owner = {"method": self.generation_owner(method), "number": count}
                return [owner] if self.generate_of(method) else []
            case "describe_images":
                selects = any(method in self.methods_that(s) for s in ("select_by_features", "describe_subgroups"))
                teacher = self.selection_space(method).get("teacher") if selects else None
                return [{"teacher": teacher}] if teacher else []
            case "train_dynamics":
                dynamics = self.dynamics_of(method)
                runs = range(self.config.dynamics[dynamics].runs) if dynamics else []
                return [{"dynamics": dynamics, "run": str(run)} for run in runs]
            case "record_dynamics":
                dynamics = self.dynamics_of(method)
                return [{"dynamics": dynamics}] if dynamics else []
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
        ipc = ALL if self.config.methods[method].is_everything() else "1"
        return [stage for stage in self.METHOD_STAGES if self.jobs_of(stage, method, ipc)]

    def count_of(self, method: str, ipc: str) -> str:
        """Images per class that are sampled, or found as representatives, for a set of `ipc`: a pool is larger."""
        generate = self.generate_of(method)
        return str(int(ipc) * generate.pool) if generate else ipc

    def start_owner(self, method: str) -> str:
        """The first method with the same start and seed: starts do not depend on what is sampled from them."""
        return self._first_equal(method, lambda m: (start := self.start_of(m)) and (start.drawn(), self.seed_of(m)))

    def generation_owner(self, method: str) -> str:
        """The first method that samples alike, at the same side: a pool is shared by all that choose from it."""
        return self._first_equal(
            method, lambda m: (g := self.generate_of(m)) and (_sampled(g), self.side_of(m), self.seed_of(m))
        )

    def score_owner(self, method: str) -> str:
        """The first method with the same scored patches, however it ranks and composes them."""
        return self._first_equal(method, self._scored)

    def rank_owner(self, method: str) -> str:
        """The first method with the same ranked patches."""
        return self._first_equal(
            method, lambda m: (c := self.compose_of(m)) and (self._scored(m), c.rank, self.seed_of(m))
        )

    def _scored(self, method: str) -> tuple | None:
        """What scored patches depend on; nothing of a seed where none is drawn."""
        compose = self.compose_of(method)
        if compose is None:
            return None
        seed = self.seed_of(method) if compose.score.seeded else None
        return compose.score, compose.score.cut_for(compose.grid), seed

    def embedding_owner(self, discovery: str) -> str:
        """The first discovery that embeds alike: embeddings do not depend on how they are clustered."""
        every = {name: self.config.discoveries[name] for name in self.discoveries_that("embed_classes")}
        embeds = {name: (d.encoder, d.umap) for name, d in every.items()}
        return next(name for name in embeds if embeds[name] == embeds[discovery])

    def _first_equal(self, method: str, part: Callable[[str], Any]) -> str:
        return next(m for m in self.config.methods if part(m) == part(method))

    def sampling_of(self, method: str) -> dict:
        """Sampler and guides, steps, the step to begin at (None: the noisiest; -1: none is made), and CFG."""
        generate, start = self.generate_of(method), self.start_of(method)
        settings = {"sampler": generate.sampler, "guidance": generate.guidance, "guides": generate.guides}
        settings["channels"] = generate.guided_channels
        if start is None:
            steps = generate.steps or generate.sampler.usual_steps
            return settings | {"steps": steps, "first": generate.start.begins(steps)}
        inversion = self.config.inversions[self.inversion_of(method)]
        return settings | {"steps": inversion.steps, "first": start.first(inversion.stop)}

    def models_of(self, method: str) -> list[str]:
        """Diffusion models, refiners, encoders and decoders that a method's images depend on."""
        generate, typicality = self.generate_of(method), self.typicality_of(method)
        run = [generate.model] if generate else [self.config.typicalities[typicality].model] if typicality else []
        encoders = [*map(self.encoder_of, run), self.encoder_named_by(method)]
        encoders += [self.config.discoveries[name].encoder for name in self.discoveries_of(method)]
        encoders += [self.decoder_of(generate.model)] if generate else []
        return list(dict.fromkeys(name for name in [*run, *map(self.refiner_of, run), *encoders] if name))

    def provenance_of(self, method: str, ipc: str | None = None) -> dict:
        """The part of the config that a method's sets depend on, for people who find the set without the config.

        ipc: of the set with so many images per class alone, where another has other images.
        """
        config, start, inversion = self.config, self.start_of(method), self.inversion_of(method)
        typicality, dynamics = self.typicality_of(method), self.dynamics_of(method)
        teachers = self.teachers_of(method) | ({config.dynamics[dynamics].teacher} if dynamics else set())
        shared = {
            "models": (config.models, self.models_of(method)),
            "teachers": (config.teachers, sorted(teachers)),
            "inversions": (config.inversions, [inversion] if inversion else []),
            "discoveries": (config.discoveries, self.discoveries_of(method)),
            "typicalities": (config.typicalities, [typicality] if typicality else []),
        } | ({"dynamics": (config.dynamics, [dynamics])} if dynamics else {})
        dump = {"mode": "json", "exclude_none": True}
        unread = {"paper": True, "soft_labels": True}
        unread |= {"fit": True} if config.methods[method].fit == "crop" else {}
        unread |= {} if config.methods[method].seed else {"seed": True}
        unread |= {"generate": {"start": start.unread()}} if start else {}
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


def _stages(method: Method) -> set[str]:
    """The stages that are run for a method alone, by its parts and what it imports; see Part.stage."""
    stages = {part.stage for _, _, part in method.parts()} | ({"import_set"} if method.images else set())
    if method.generate and method.select:
        return stages - {method.select.stage} | set(method.select.pool_stages)
    return stages


def _sampled(generate: Generate | None) -> Generate | None:
    """What is sampled but for the size of a pool, which is counted in images."""
    return generate and generate.model_copy(update={"pool": 1})
