"""What the rules ask of the config: what is in a shard, who owns a shared artifact, which results are wanted."""

from collections import Counter
from collections.abc import Callable, Iterable
from functools import cached_property

import pandas as pd

from retort.base.running import Running
from retort.config.schema import Config
from retort.config.schema.evaluation import Protocol
from retort.config.schema.models import DitFineTuning
from retort.config.set_seeds import other_sets
from retort.data.classes import contents_stamp, given_names, published_name
from retort.data.sizes import settings_mark
from retort.plan.compositions import Compositions
from retort.plan.runs import ALL, run_table


class Plan(Compositions):
    """The config and the data set's classes, in label order, arranged for the rules."""

    def __init__(self, config: Config, classes: list[str]):
        super().__init__(config)
        self.classes, self._alone = classes, {}

    # ------------------------------------------------------------ data

    def manifest_settings(self) -> dict:
        """What shapes the manifest apart from the images."""
        dataset = self.dataset
        return {
            "layout": dataset.layout(),
            "names": given_names(dataset, self.classes),
            "on_bad_image": getattr(dataset, "on_bad_image", "stop"),
            "check": getattr(dataset, "check", "decode"),
            "max_per_class": dataset.max_per_class,
        }

    def counted_by(self) -> str:
        """What tells a manifest's count of images from one by other settings or of other classes."""
        return settings_mark(self.classes, **self.manifest_settings())

    def written_layout(self) -> dict:
        """What is read of the layout when images are written out: not how they are split then."""
        return {key: value for key, value in self.dataset.layout().items() if key != "val_fraction"}

    def contents_stamp(self) -> str | None:
        """Changes with the user's images; None where they are not there."""
        return contents_stamp(self.dataset, self.classes)

    def test_fit(self) -> dict:
        """How an evaluation image becomes square (see data.images.Fit)."""
        return {"way": "test", "filter": self.dataset.test_resize, "keep": self.dataset.test_crop}

    def decoded_splits(self) -> list[str]:
        """Splits whose pixels are kept for those who see all of them: students, and models that train on them."""
        taught = [self.config.teachers[name] for name in self.used_teachers(measuring=False)]
        taught += [self.config.models[name] for name in self.used_encoders(trained=True)]
        scored = self.used_dynamics()
        everything = set(self.wanted_methods) & set(self.methods_that_select("all"))
        return ["train", "val"] if everything or scored or any(model.train for model in taught) else ["val"]

    def dataset_identity(self) -> str | None:
        """What the whole data set is called in papers; None for a part of one, and for other validation images."""
        return published_name(self.dataset, self.classes)

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
        """Models of a kind (all kinds by default) that are trained here, fetched, or made in any way."""
        made = {True: lambda model: model.train, False: lambda model: model.source, None: lambda model: True}[trained]
        return [name for name, model in self.config.models.items() if kind in (None, model.kind) and made(model)]

    def model_settings(self, name: str) -> dict:
        """What changes how a diffusion model computes, apart from its weights."""
        read = {"kind", "dtype", "timestep_embedding", "classes", "prompt"}
        settings = self.config.models[name].model_dump(include=read)
        if negative := getattr(self.config.models[name], "negative", None):
            settings["negative"] = negative
        if refiner := self.refiner_of(name):
            handover = {"dtype": self.config.models[refiner].dtype, "start": self.config.models[name].refiner.from_}
            settings["refiner"] = handover
        return settings

    def running_of(self, name: str) -> str:
        """How a model or an encoder is run, which changes no result."""
        return str(Running(**self.config.models[name].run.model_dump()))

    def codec_settings(self, name: str) -> dict:
        """The same for an encoder."""
        vae = self.config.models[name]
        return {"dtype": vae.dtype, "resolution": vae.resolution or self.dataset.resolution}

    def used_models(self, trained: bool | None = None) -> list[str]:
        """Diffusion models that the wanted methods run, in the order of the config."""
        used = {g.model for m in self.wanted_methods if (g := self.generate_of(m))}
        used |= {self.config.typicalities[name].model for name in self.used_typicalities()}
        return [name for name in self.model_names(trained=trained) if name in used]

    def memorised_models(self) -> list[str]:
        """Optimal denoisers that the wanted methods run, in the order of the config."""
        return [name for name in self.used_models() if self.config.models[name].kind == "optimal"]

    def checkpoint_of(self, model: str) -> str | None:
        """The model whose weights the training of another starts from; None where it starts from nothing."""
        train = self.config.models[model].train
        return train.from_ if isinstance(train, DitFineTuning) else None

    def stored_dtype(self, model: str) -> str | None:
        """The narrow dtype in which the weights of a fetched model are stored; None for the dtype that they come in.

        A training that starts from a model goes on from its own weights, not from rounded ones.
        """
        starts = {self.checkpoint_of(other) for other in self.config.models}
        dtype = self.config.models[model].dtype
        return dtype if dtype in ("float16", "bfloat16") and model not in starts else None

    def fetched_models(self) -> list[str]:
        """Models of every kind that the wanted methods need from elsewhere, in the order of the config."""
        used = {*self.used_models(), *self.used_encoders()}
        used |= {self.checkpoint_of(model) for model in self.used_models(trained=True)}
        used |= {self.refiner_of(model) for model in self.used_models()}
        return [name for name in self.model_names(trained=False) if name in used]

    def uses_of_fetched(self) -> list[dict]:
        """Each wanted diffusion model from elsewhere, and the encoder that it works with (see `check_models`)."""
        uses = []
        for name in self.used_models():
            elsewhere = {name: {}} if self.config.models[name].source else {}
            elsewhere |= {other: {"starts": True} for other in [self.checkpoint_of(name)] if other}
            elsewhere |= {other: {} for other in [self.refiner_of(name)] if other}
            for model, role in elsewhere.items():
                classes = getattr(self.config.models[model], "classes", None)
                decoder = {"decoder": self.decoder_of(name)} if model == name and self.decoder_of(name) else {}
                uses.append({"model": model, "encoder": self.encoder_of(name), "classes": classes} | role | decoder)
        return uses

    def encoders_at_work(self) -> dict[str, dict]:
        """Resolution of each wanted encoder, and what is trained here of its shape (see stages.models.check_models)."""
        found = {}
        for name in self.used_encoders():
            train = self.config.models[name].train
            resolution = self.codec_settings(name)["resolution"]
            shape = train.model_dump(include={"channels", "latent_channels"}) if train else None
            found[name] = {"resolution": resolution, "training": shape}
        return found

    def used_encoders(self, trained: bool | None = None) -> list[str]:
        """Encoders, and decoders apart from these, that the wanted methods and their models run, in config order."""
        used = {part(model) for model in self.used_models() for part in (self.encoder_of, self.decoder_of)}
        used |= {self.config.discoveries[name].encoder for name in self.used_discoveries()}
        used |= {name for m in self.wanted_methods if (name := self.encoder_named_by(m))}
        return [name for name in self.model_names("vae", trained) if name in used]

    def measured_encoders(self) -> list[str]:
        """Used encoders from elsewhere that take images as the validation split has them; trained ones are measured
        as they are made."""
        side = self.dataset.resolution
        return [name for name in self.used_encoders(trained=False) if self.codec_settings(name)["resolution"] == side]

    def used_latents(self) -> list[str]:
        """Encoders whose latents of all training images the wanted methods, or the making of their models, need."""
        used = {self.encoder_of(model) for model in [*self.used_models(trained=True), *self.memorised_models()]}
        for method in self.wanted_methods:
            if self.start_of(method) or self.reads_means(method):
                used.add(self.encoder_of(self.generate_of(method).model))
            if method in self.methods_that("select_by_features"):
                used.add(self.selection_space(method).get("encoder"))
        used |= {self.encoder_of(self.config.typicalities[name].model) for name in self.used_typicalities()}
        used |= {self.config.discoveries[name].encoder for name in self.used_discoveries()}
        return [name for name in self.model_names("vae") if name in used]

    def teacher_names(self, trained: bool | None = None) -> list[str]:
        """Teachers that are trained here, fetched, or either."""
        return [n for n, teacher in self.config.teachers.items() if trained in (None, teacher.train is not None)]

    def used_teachers(self, trained: bool | None = None, measuring: bool = True) -> list[str]:
        """Teachers of the wanted protocols and methods, and of the measures of quality, in the order of the config."""
        used = {self.teacher_of(protocol) for protocol in self.runs["protocol"].unique()}
        for method in self.wanted_methods:
            used |= self.teachers_of(method)
        used |= {self.config.quality.teacher} if measuring and self.config.quality else set()
        return [name for name in self.teacher_names(trained) if name in used]

    def used_discoveries(self) -> list[str]:
        used = {name for method in self.wanted_methods for name in self.discoveries_of(method)}
        return [name for name in self.config.discoveries if name in used]

    def used_typicalities(self) -> list[str]:
        return self._used(self.typicality_of, self.config.typicalities)

    def used_dynamics(self) -> list[str]:
        return self._used(self.dynamics_of, self.config.dynamics)

    def _used(self, name_of: Callable[[str], str | None], names: Iterable[str]) -> list[str]:
        used = {name_of(method) for method in self.wanted_methods}
        return [name for name in names if name in used]

    # ------------------------------------------------------------ methods

    @cached_property
    def runs(self) -> pd.DataFrame:
        return run_table(self.config)

    @cached_property
    def _rows(self) -> list[dict]:
        """The run table as plain rows: rules ask for parts of it thousands of times, which costs seconds of pandas."""
        return self.runs.to_dict("records")

    @cached_property
    def _seeds(self) -> Counter:
        return Counter((row["method"], row["ipc"], row["protocol"], row["student"]) for row in self._rows)

    @cached_property
    def wanted_methods(self) -> list[str]:
        return list(self.runs["method"].unique())

    def wanted_that_select(self, select: str) -> list[str]:
        return [method for method in self.methods_that_select(select) if method in self.wanted_methods]

    def only(self, method: str) -> "Plan":
        """The same plan, in which only this method is wanted."""
        if method not in self._alone:
            self._alone[method] = alone = Plan(self.config, self.classes)
            alone.runs = self.runs[self.runs["method"] == method]
        return self._alone[method]

    def with_every_method(self) -> "Plan":
        """The same plan, in which every method of the config is wanted, also those that no run names."""
        every = Plan(self.config, self.classes)
        cells = self.runs[["ipc", "protocol", "student", "seed"]].drop_duplicates()
        every.runs = cells.merge(pd.DataFrame({"method": list(self.config.methods)}), how="cross")
        return every

    # ------------------------------------------------------------ protocols

    def protocol(self, name: str) -> Protocol:
        return self.config.protocols[name]

    def protocol_id(self, name: str) -> str:
        """What stands for a protocol in tables; with how test images are resized, which the data set says."""
        return self.protocol(name).id_with(self.dataset.test_resize)

    def stores_labels(self, protocol: str) -> bool:
        labels = self.protocol(protocol).teacher_labels
        return labels is not None and labels.kind != "online"

    def has_own_labels(self, protocol: str) -> bool:
        """Whether its students learn from the soft labels that a set brings."""
        return self.protocol(protocol).labels == "own"

    def sets_with_own_labels(self) -> list[dict[str, str]]:
        """The sets whose own soft labels are wanted."""
        rows = self.wanted("method", "ipc", "protocol")
        found = {(row["method"], row["ipc"]): None for row in rows if self.has_own_labels(row["protocol"])}
        return [{"method": method, "ipc": ipc} for method, ipc in found]

    def label_owner(self, protocol: str) -> str:
        """The first protocol with the same labels on the same views: stored labels do not depend on the student."""
        return next(p for p in self.config.protocols if self.labelling_of(p) == self.labelling_of(protocol))

    def labelling_of(self, protocol: str) -> dict | None:
        """Everything that stored labels depend on; static ones do not depend on views."""
        if not self.stores_labels(protocol):
            return None
        labels, views = self.protocol(protocol).teacher_labels, self.protocol(protocol).views
        return {
            "teacher": labels.teacher,
            "kind": labels.kind,
            "views": views.model_dump(mode="json") if labels.kind == "region" else None,
            "top": self.top_of(protocol),
            "precision": self.protocol(protocol).precision,
        }

    def top_of(self, protocol: str) -> dict | None:
        """How many logits of a label are kept, and the temperature at which the rest is measured; None for all."""
        labels, temperature = self.protocol(protocol).teacher_labels, self.protocol(protocol).temperature
        kept = labels and labels.top
        return kept and {"count": kept, "temperature": temperature}

    def teacher_of(self, protocol: str) -> str | None:
        labels = self.protocol(protocol).teacher_labels
        return labels and labels.teacher

    def labelling_teacher(self, method: str, ipc: str) -> str | None:
        """The teacher of the first protocol with soft labels that a set is measured by; None without one."""
        return next((teacher for p in self.protocols_of(method, ipc) if (teacher := self.teacher_of(p))), None)

    def labelling_temperature(self, method: str, ipc: str) -> float | None:
        """At which students of that protocol learn from the teacher."""
        soft = (self.protocol(p).temperature for p in self.protocols_of(method, ipc) if self.teacher_of(p))
        return next(soft, None)

    def own_temperatures(self, method: str, ipc: str) -> dict[str, float]:
        """Protocol -> temperature at which students learn from the labels that a set brings."""
        own = (name for name in self.protocols_of(method, ipc) if self.has_own_labels(name))
        return {name: self.protocol(name).temperature for name in own}

    def view_label_owners(self, method: str, ipc: str) -> list[str]:
        """The protocols under whose names the labels of a set's augmented views are stored."""
        stored = [p for p in self.protocols_of(method, ipc) if (self.labelling_of(p) or {}).get("views")]
        return list(dict.fromkeys(map(self.label_owner, stored)))

    def protocols_of(self, method: str, ipc: str) -> list[str]:
        """Those that a set is measured by, in run order."""
        rows = self.wanted("ipc", "protocol", methods=[method])
        return [row["protocol"] for row in rows if row["ipc"] == ipc]

    def views_of(self, protocol: str, method: str, ipc: str) -> dict:
        """What the students of a set see."""
        compose, side = self.compose_of(method), self.dataset.resolution
        cropped = {} if self.side_of(method) == side else {"side": side}
        return self.protocol(protocol).views.at(ipc, compose.grid if compose else 1) | cropped

    def wanted_protocols(self, methods: list[str] | None = None) -> list[str]:
        """Those by which some methods are measured, or all; in the order of the config."""
        used = {row["protocol"] for row in self.wanted("protocol", methods=methods)}
        return [name for name in self.config.protocols if name in used]

    def protocol_ids(self, methods: list[str] | None = None) -> dict[str, str]:
        return {name: self.protocol_id(name) for name in self.wanted_protocols(methods)}

    def hard_protocols(self) -> list[str]:
        return [name for name in self.wanted_protocols() if self.protocol(name).labels == "hard"]

    def plain_twins(self) -> dict[str, str]:
        """For each protocol with augmentation the first one that is the same without, where there is one."""
        twins, unnamed = {}, {"preset": None}
        wanted = {name: self.protocol(name) for name in self.wanted_protocols()}
        for name, protocol in wanted.items():
            bare = protocol.model_copy(update={"views": protocol.views.without_augmentation(), **unnamed})
            same = (
                other for other, found in wanted.items() if found.model_copy(update=unnamed) == bare and other != name
            )
            if twin := next(same, None):
                twins[name] = twin
        return twins

    # ------------------------------------------------------------ what is wanted

    def wanted(self, *columns: str, methods: list[str] | None = None) -> list[dict[str, str]]:
        """Distinct values of columns of the run table, of some methods or all, in run order."""
        rows = (row for row in self._rows if methods is None or row["method"] in methods)
        distinct = dict.fromkeys(tuple(row[column] for column in columns) for row in rows)
        return [dict(zip(columns, values, strict=True)) for values in distinct]

    def wanted_seeds(self, methods: list[str] | None = None) -> list[dict]:
        """The students that a table should have: method, ipc, protocol, student, seeds."""
        cells = self.wanted("method", "ipc", "protocol", "student", methods=methods)
        return [cell | {"seeds": self.seeds_of(**cell)} for cell in cells]

    def unguided_twins(self) -> dict[str, str]:
        """Method -> the method that only samples from the same model, where there is one; first of the wanted ones."""
        twins = {method: self.unguided_of(method, self.wanted_methods) for method in self.wanted_methods}
        return {method: twin for method, twin in twins.items() if twin}

    @cached_property
    def other_sets(self) -> dict[str, dict]:
        """Each method that is another set of one (`set_seeds`) -> the method and the set's seed."""
        return {one.name: one._asdict() for one in other_sets(self.config)}

    def with_other_sets(self, method: str) -> list[str]:
        """A method and its other sets, by their names."""
        return [method, *(name for name, one in self.other_sets.items() if one["method"] == method)]

    def of_one_set(self) -> list[str]:
        """Wanted methods that draw nothing, so that every seed makes the same set."""
        return [method for method in self.wanted_methods if not self.config.methods[method].draws()]

    def distilled_sets(self) -> list[dict[str, str]]:
        """Every wanted set, but for those that are the whole training set."""
        return [row for row in self.wanted("method", "ipc") if row["ipc"] != ALL]

    def exported_sets(self) -> list[dict[str, str]]:
        """The same without other sets of a method: others are given the one that its name stands for."""
        return [row for row in self.distilled_sets() if row["method"] not in self.other_sets]

    def smallest_sets(self) -> list[dict[str, str]]:
        """Each wanted method's set of fewest images, but for those that take the whole training set."""
        return self._extreme_sets(min)

    def largest_sets(self) -> list[dict[str, str]]:
        """The same of most images."""
        return self._extreme_sets(max)

    def _extreme_sets(self, extreme: Callable[[Iterable[int]], int]) -> list[dict[str, str]]:
        sets = self.exported_sets()
        kept = {m: extreme(int(r["ipc"]) for r in sets if r["method"] == m) for m in {r["method"] for r in sets}}
        return [row for row in sets if int(row["ipc"]) == kept[row["method"]]]

    def ipcs_of(self, method: str) -> list[str]:
        """Images per class that the runs ask of any method: for a method that no run names."""
        every = list(dict.fromkeys(row["ipc"] for row in self.wanted("ipc") if row["ipc"] != ALL))
        if isinstance(paths := self.config.methods[method].images, dict):
            return [str(ipc) for ipc in paths]
        return [ALL] if self.config.methods[method].is_everything() else every

    def seeds(self, method: str, ipc: str, protocol: str, student: str) -> list[int]:
        """The seeds of the students of one row."""
        return list(range(self.seeds_of(method, ipc, protocol, student)))

    def seeds_of(self, method: str, ipc: str, protocol: str, student: str) -> int:
        return self._seeds[method, ipc, protocol, student]
