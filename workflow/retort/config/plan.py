"""What the rules ask of the config: what is in a shard, who owns a shared artifact, which results are wanted."""

from functools import cached_property
from pathlib import Path

import pandas as pd

from retort.config.runs import ALL, run_table
from retort.config.schema import Config, Generate, InversionStart, Protocol
from retort.data.classes import folder_stamp

DEFAULT_STEPS = 50  # DDIM steps from noise, when a method names none


class Plan:
    """The config and the data set's classes, in label order, arranged for the rules."""

    def __init__(self, config: Config, classes: list[str]):
        self.config, self.classes = config, classes
        self.dataset, self.seed = config.dataset, config.seed

    # ------------------------------------------------------------ data

    @property
    def user_folder(self) -> str | None:
        """Where the user's images lie; None when the workflow writes them out itself."""
        return None if self.dataset.kind == "digits" else self.dataset.path

    def manifest_settings(self) -> dict:
        """What shapes the manifest apart from the images."""
        if self.dataset.kind == "digits":
            return {"class_names": {}, "val_fraction": 0.0, "on_bad_image": "stop"}
        return self.dataset.model_dump(include={"class_names", "val_fraction", "on_bad_image"})

    def folder_stamp(self) -> list[str]:
        """Changes when images are added to or removed from the user's folder."""
        return [] if self.dataset.kind == "digits" else folder_stamp(Path(self.dataset.path), self.classes)

    # ------------------------------------------------------------ shards

    @cached_property
    def shards(self) -> dict[str, list[int]]:
        """Shard name -> consecutive label indices of its classes."""
        size, count = self.dataset.shard_classes, len(self.classes)
        return {
            f"{i:04d}": list(range(first, min(first + size, count))) for i, first in enumerate(range(0, count, size))
        }

    def shard_class_ids(self, shard: str) -> list[str]:
        return [self.classes[i] for i in self.shards[shard]]

    # ------------------------------------------------------------ models

    def model_names(self, kind: str | None = None, trained: bool | None = None) -> list[str]:
        """Models of a kind (all kinds by default) that are trained here, fetched, or either."""
        return [
            name
            for name, model in self.config.models.items()
            if kind in (None, model.kind) and trained in (None, model.train is not None)
        ]

    def model_settings(self, name: str) -> dict:
        """What changes how a diffusion model computes, apart from its weights."""
        model = self.config.models[name]
        return {"dtype": model.dtype, "timestep_embedding": model.timestep_embedding}

    def codec_settings(self, name: str) -> dict:
        """The same for an encoder."""
        vae = self.config.models[name]
        return {"dtype": vae.dtype, "resolution": vae.resolution or self.dataset.resolution}

    def encoder_of(self, model: str) -> str:
        return self.config.models[model].encoder

    def used_models(self, trained: bool | None = None) -> list[str]:
        """Diffusion models that the wanted methods sample from, in the order of the config."""
        sampled = {g.model for m in self.wanted_methods if (g := self.generate_of(m))}
        return [name for name in self.model_names(trained=trained) if name in sampled]

    def used_encoders(self, trained: bool | None = None) -> list[str]:
        """Encoders of those models, in the order of the config."""
        used = {self.encoder_of(model) for model in self.used_models()}
        return [name for name in self.model_names("vae", trained) if name in used]

    def used_teachers(self) -> list[str]:
        """Teachers of the wanted protocols, in the order of the config."""
        used = {self.teacher_of(protocol) for protocol in self.runs["protocol"].unique()}
        return [name for name in self.config.teachers if name in used]

    # ------------------------------------------------------------ methods

    @cached_property
    def runs(self) -> pd.DataFrame:
        return run_table(self.config)

    @cached_property
    def wanted_methods(self) -> list[str]:
        return list(self.runs["method"].unique())

    def methods_that_select(self, select: str) -> list[str]:
        return [name for name, method in self.config.methods.items() if method.select == select]

    def generate_of(self, method: str) -> Generate | None:
        return self.config.methods[method].generate

    def start_of(self, method: str) -> InversionStart | None:
        """How a method starts from an inversion, or None when it starts from noise or samples nothing."""
        generate = self.generate_of(method)
        return generate.start if generate and generate.start != "noise" else None

    def start_owner(self, method: str) -> str:
        """The first method with the same start: starts do not depend on what is sampled from them."""
        return next(m for m in self.config.methods if _same_draw(self.start_of(m), self.start_of(method)))

    def sampling_of(self, method: str) -> dict:
        """DDIM steps, the step of the grid to begin at, and guidance."""
        generate, start = self.generate_of(method), self.start_of(method)
        if start is None:
            steps = generate.steps or DEFAULT_STEPS
            return {"steps": steps, "first": steps - 1, "guidance": generate.guidance}
        inversion = self.config.inversions[start.inversion]
        first = inversion.stop + (start.first_step == "reference")
        return {"steps": inversion.steps, "first": first, "guidance": generate.guidance}

    def provenance_of(self, method: str) -> dict:
        """The part of the config that a method's sets depend on, for people who find the set without the config."""
        dump = {"mode": "json", "exclude_none": True}
        generate, start = self.generate_of(method), self.start_of(method)
        models = [generate.model, self.encoder_of(generate.model)] if generate else []
        return {
            "dataset": self.dataset.name,
            "method": method,
            "seed": self.seed,
            "settings": self.config.methods[method].model_dump(**dump),
            "data": self.dataset.model_dump(mode="json", exclude_none=True, exclude={"shard_classes"}),
            "models": {name: self.config.models[name].model_dump(**dump) for name in models},
            "inversions": {start.inversion: self.config.inversions[start.inversion].model_dump(**dump)}
            if start
            else {},
        }

    # ------------------------------------------------------------ protocols

    def protocol(self, name: str) -> Protocol:
        return self.config.protocols[name]

    def stores_labels(self, protocol: str) -> bool:
        labels = self.protocol(protocol).labels
        return labels != "hard" and labels.kind != "online"

    def label_owner(self, protocol: str) -> str:
        """The first protocol with the same labels on the same views: stored labels do not depend on the student."""
        return next(p for p in self.config.protocols if self.labelling_of(p) == self.labelling_of(protocol))

    def labelling_of(self, protocol: str) -> dict | None:
        """Everything that stored labels depend on; static ones do not depend on views."""
        if not self.stores_labels(protocol):
            return None
        labels, views = self.protocol(protocol).labels, self.protocol(protocol).views
        return {
            "teacher": labels.teacher,
            "kind": labels.kind,
            "views": views.model_dump(mode="json") if labels.kind == "region" else None,
        }

    def teacher_of(self, protocol: str) -> str | None:
        labels = self.protocol(protocol).labels
        return None if labels == "hard" else labels.teacher

    # ------------------------------------------------------------ what is wanted

    def wanted(self, *columns: str, methods: list[str] | None = None) -> list[dict[str, str]]:
        """Distinct values of columns of the run table, of some methods or all, in run order."""
        rows = self.runs if methods is None else self.runs[self.runs["method"].isin(methods)]
        return rows[list(columns)].drop_duplicates().to_dict("records")

    def smallest_sets(self) -> list[dict[str, str]]:
        """Each wanted method's set of fewest images, but for those that take the whole training set."""
        sets = [row for row in self.wanted("method", "ipc") if row["ipc"] != ALL]
        least = {m: min(int(r["ipc"]) for r in sets if r["method"] == m) for m in {r["method"] for r in sets}}
        return [row for row in sets if int(row["ipc"]) == least[row["method"]]]

    def ipcs_of(self, method: str) -> list[str]:
        """Images per class that the runs ask of any method: for a method that no run names."""
        every = list(dict.fromkeys(row["ipc"] for row in self.wanted("ipc") if row["ipc"] != ALL))
        return [ALL] if self.config.methods[method].select == "all" else every

    def seeds_of(self, method: str, ipc: str, protocol: str, student: str) -> int:
        runs = self.runs
        same = (
            (runs["method"] == method)
            & (runs["ipc"] == ipc)
            & (runs["protocol"] == protocol)
            & (runs["student"] == student)
        )
        return int(same.sum())


def _same_draw(one: InversionStart | None, other: InversionStart | None) -> bool:
    """Equal but for where sampling begins, which happens after the draw."""
    if one is None or other is None:
        return False
    return one.model_copy(update={"first_step": other.first_step}) == other
