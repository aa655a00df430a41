"""What the rules ask of the config: what is in a shard, who owns a shared artifact, which results are wanted."""

from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path

import pandas as pd

from retort.config.compositions import Compositions
from retort.config.runs import ALL, run_table
from retort.config.schema import Config
from retort.config.schema.evaluation import Protocol
from retort.data.classes import folder_stamp


class Plan(Compositions):
    """The config and the data set's classes, in label order, arranged for the rules."""

    def __init__(self, config: Config, classes: list[str]):
        super().__init__(config)
        self.classes = classes

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

    def shards_of_first(self, classes: int) -> list[str]:
        """The shards that hold the first `classes` classes."""
        return [shard for shard, members in self.shards.items() if members[0] < classes]

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
        return self.config.models[name].model_dump(include={"kind", "dtype", "timestep_embedding", "prompt"})

    def codec_settings(self, name: str) -> dict:
        """The same for an encoder."""
        vae = self.config.models[name]
        return {"dtype": vae.dtype, "resolution": vae.resolution or self.dataset.resolution}

    def used_models(self, trained: bool | None = None) -> list[str]:
        """Diffusion models that the wanted methods run, in the order of the config."""
        used = {g.model for m in self.wanted_methods if (g := self.generate_of(m))}
        used |= {self.config.typicalities[name].model for name in self.used_typicalities()}
        return [name for name in self.model_names(trained=trained) if name in used]

    def used_encoders(self, trained: bool | None = None) -> list[str]:
        """Encoders that the wanted methods and their models run, in the order of the config."""
        used = {self.encoder_of(model) for model in self.used_models()}
        used |= {self.config.discoveries[name].encoder for name in self.used_discoveries()}
        used |= {
            space["encoder"] for m in self.wanted_methods if (space := self.feature_space(m)) and "encoder" in space
        }
        return [name for name in self.model_names("vae", trained) if name in used]

    def used_latents(self) -> list[str]:
        """Encoders whose latents of all training images the wanted methods, or the training of their models, need."""
        used = {self.encoder_of(model) for model in self.used_models(trained=True)}
        for method in self.wanted_methods:
            if self.start_of(method):
                used.add(self.encoder_of(self.generate_of(method).model))
            if method in self.methods_that("select_by_features"):
                used.add(self.selection_space(method).get("encoder"))
        used |= {self.encoder_of(self.config.typicalities[name].model) for name in self.used_typicalities()}
        used |= {self.config.discoveries[name].encoder for name in self.used_discoveries()}
        return [name for name in self.model_names("vae") if name in used]

    def used_teachers(self) -> list[str]:
        """Teachers of the wanted protocols and methods, in the order of the config."""
        used = {self.teacher_of(protocol) for protocol in self.runs["protocol"].unique()}
        for method in self.wanted_methods:
            used |= self.teachers_of(method)
        return [name for name in self.config.teachers if name in used]

    def used_discoveries(self) -> list[str]:
        return self._used(self.discovery_of, self.config.discoveries)

    def used_typicalities(self) -> list[str]:
        return self._used(self.typicality_of, self.config.typicalities)

    def _used(self, name_of: Callable[[str], str | None], names: Iterable[str]) -> list[str]:
        used = {name_of(method) for method in self.wanted_methods}
        return [name for name in names if name in used]

    # ------------------------------------------------------------ methods

    @cached_property
    def runs(self) -> pd.DataFrame:
        return run_table(self.config)

    @cached_property
    def wanted_methods(self) -> list[str]:
        return list(self.runs["method"].unique())

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
        return self._extreme_sets(min)

    def largest_sets(self) -> list[dict[str, str]]:
        """The same of most images."""
        return self._extreme_sets(max)

    def _extreme_sets(self, extreme: Callable[[Iterable[int]], int]) -> list[dict[str, str]]:
        sets = [row for row in self.wanted("method", "ipc") if row["ipc"] != ALL]
        kept = {m: extreme(int(r["ipc"]) for r in sets if r["method"] == m) for m in {r["method"] for r in sets}}
        return [row for row in sets if int(row["ipc"]) == kept[row["method"]]]

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
