"""Bring a teacher that was trained elsewhere into results/, with its whole head and a record of what it is."""

from collections.abc import Sequence

from torch import nn

from retort.base.errors import RetortError
from retort.base.files import read_json, sha256_of, whole_directory, write_json
from retort.base.paths import PACKAGED, path_of_source
from retort.data.hub import download, licence_of
from retort.data.imagenet import imagenet_classes, subset_classes
from retort.models.checkpoint import fit_weights, read_weights
from retort.models.classifiers import IMAGENET_MEAN, IMAGENET_STD, build_classifier
from retort.models.sources import find_weights, refuse_unknown
from retort.models.teacher import save_teacher


def fetch_teacher(
    teacher: str,
    *,
    name: str,
    arch: str,
    source: str | None,
    revision: str | None,
    classes: str | None,
    resolution: int | None,
    mean: Sequence[float] | None,
    std: Sequence[float] | None,
    dataset_classes: Sequence[str] = (),
    side: int | None = None,
    stamp: str | None = None,
) -> None:
    """A directory with the weights, teacher.json and origin.json: name, source, revision (of the hub), licence (of
    the hub, or of the model card beside a local source), sha256, and the `stamp` of a local source (`source_stamp`).

    Without a source `arch` has a tag of timm's pretrained weights. Otherwise see `teachers` in the config; where
    that is silent, a teacher.json beside the checkpoint speaks, then `dataset_classes` and `side`, the data set's
    resolution. Raises RetortError when the weights cannot be had or are not those of the architecture.
    """
    try:
        if source is None:
            network, settings, origin = _of_timm(arch, revision, resolution)
        else:
            stated = {"resolution": resolution, "mean": mean, "std": std}
            refuse_unknown(source)
            network, settings, origin = _of_checkpoint(arch, source, classes, stated, dataset_classes, side)
            origin |= {"stamp": stamp} if stamp else {}
    except RetortError as error:
        raise RetortError(f"teachers.{name}: {error}") from None
    with whole_directory(teacher) as scratch:
        save_teacher(network, scratch, **settings)
        write_json(scratch / "origin.json", {"name": name, **origin})


def _of_timm(name: str, revision: str | None, resolution: int | None) -> tuple[nn.Module, dict, dict]:
    # Late, because it takes seconds that other sources need not wait for.
    from retort.models.classifiers.from_timm import load_timm, pretrained_facts

    facts = pretrained_facts(name)
    if facts.num_classes != len(imagenet_classes()):
        raise RetortError(
            f"the weights {name} are for {facts.num_classes} classes; only those of ImageNet's 1,000 can be cut to a "
            "data set, and their tags end in in1k"
        )
    file = facts.hf_hub_filename or "model.safetensors"
    snapshot = download(facts.hf_hub_id, revision, [file], [])
    weights = snapshot.directory / file
    if not weights.is_file():
        raise RetortError(f"{facts.hf_hub_id} has no {file} at {snapshot.commit}")
    checksum = sha256_of(weights)
    if snapshot.stated.get(file, {}).get("sha256") not in (None, checksum):
        raise RetortError(f"{weights} is not what the hub says it is; delete {weights.resolve()} and fetch it again")
    side = resolution or facts.input_size[-1]
    settings = {
        "arch": name.partition(".")[0],
        "classes": imagenet_classes(),
        "resolution": side,
        "mean": facts.mean,
        "std": facts.std,
        "interpolation": "bilinear" if facts.interpolation == "bilinear" else "bicubic",
    }
    if revision != snapshot.commit:
        print(f"for results that stay comparable, write into the config: revision: {snapshot.commit}")
    origin = {"source": facts.hf_hub_id, "revision": snapshot.commit, "sha256": checksum}
    origin |= {"licence": snapshot.licence} if snapshot.licence else {}
    return load_timm(name, weights, side), settings, origin


def _of_checkpoint(
    arch: str, source: str, classes: str | None, stated: dict, dataset_classes: Sequence[str], side: int
) -> tuple[nn.Module, dict, dict]:
    path = find_weights(path_of_source(source))
    beside = path.parent / "teacher.json"
    said = read_json(beside) if beside.is_file() else {}
    if said.get("arch", arch) != arch:
        raise RetortError(f"arch is {arch}, but {beside} says {said['arch']}")
    own = {"resolution": side, "mean": IMAGENET_MEAN, "std": IMAGENET_STD, "interpolation": "bilinear"}
    settings = {key: stated.get(key) or said.get(key, default) for key, default in own.items()}
    if classes is None:
        ids = said.get("classes", dataset_classes)
    else:
        ids = dataset_classes if classes == "dataset" else subset_classes(classes)
    network = build_classifier(arch, len(ids), settings["resolution"])
    fit_weights(network, read_weights(path), path, arch)
    origin = {"source": source if source.startswith(PACKAGED) else str(path), "revision": None}
    origin |= {"sha256": sha256_of(path)}
    origin |= {"licence": licence} if (licence := licence_of(path.parent)) else {}
    return network, {"arch": arch, "classes": ids, **settings}, origin
