"""Croissant metadata of an exported set: JSON-LD by version 1.0 of MLCommons' format."""

from collections.abc import Sequence
from pathlib import Path

from retort.base.files import sha256_of
from retort.base.words import images_per_class
from retort.data.licences import KNOWN, terms_of_set
from retort.data.manifest import ClassEntry

SPECIFICATION = "http://mlcommons.org/croissant/1.0"
CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
FIELDS = {
    "image": ("sc:ImageObject", "The image, a PNG."),
    "label": ("sc:Integer", "The number of its class."),
    "class_id": ("sc:Text", "The id of its class."),
    "class_name": ("sc:Text", "The readable name of its class; two classes may have the same."),
    "source": ("sc:Text", "What the image was made from."),
    "logits": ("sc:Float", "A teacher's logits of the image as it is, one for each class, not softened."),
}


def croissant_of(table: str | Path, classes: Sequence[ClassEntry], columns: Sequence[str], provenance: dict) -> dict:
    """The metadata of a Parquet file with these columns, keys of FIELDS, of a set of this provenance.

    Where it will be published, and when, is not known here: `url` and `datePublished` are left to who publishes it.
    """
    file = Path(table)
    dataset, method, ipc = (provenance[key] for key in ("dataset", "method", "ipc"))
    kind, licence = terms_of_set(provenance)
    terms = KNOWN.get(kind)
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": SPECIFICATION,
        "name": f"{dataset}-{method}-ipc{ipc}",
        "description": f"{dataset}, distilled by {method}: {images_per_class(ipc)}, {len(classes):,} classes.",
        **({"license": (terms and terms.link) or licence} if licence else {}),
        "version": "1.0.0",
        "keywords": ["dataset distillation", "image classification"],
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": file.name,
                "name": file.name,
                "contentUrl": file.name,
                "contentSize": f"{file.stat().st_size} B",
                "encodingFormat": "application/x-parquet",
                "sha256": sha256_of(file),
            }
        ],
        "recordSet": [_classes(classes), _images(file.name, columns)],
    }


def _classes(classes: Sequence[ClassEntry]) -> dict:
    texts = {"label": "sc:Integer", "id": "sc:Text", "name": "sc:Text"}
    return {
        "@type": "cr:RecordSet",
        "@id": "classes",
        "name": "classes",
        "dataType": "sc:Enumeration",
        "key": {"@id": "classes/label"},
        "field": [_field("classes", name, kind, f"The {name} of a class.") for name, kind in texts.items()],
        "data": [{"classes/label": c.index, "classes/id": c.id, "classes/name": c.name} for c in classes],
    }


def _images(file: str, columns: Sequence[str]) -> dict:
    fields = []
    for name in columns:
        field = _field("images", name, *FIELDS[name])
        field["source"] = {"fileObject": {"@id": file}, "extract": {"column": name}}
        if name == "image":
            field["source"]["transform"] = {"jsonPath": "bytes"}
        if name == "label":
            field["references"] = {"field": {"@id": "classes/label"}}
        if name == "logits":
            field["repeated"] = True
        fields.append(field)
    return {"@type": "cr:RecordSet", "@id": "images", "name": "images", "field": fields}


def _field(of: str, name: str, kind: str, description: str) -> dict:
    field = {"@type": "cr:Field", "@id": f"{of}/{name}", "name": name, "description": description}
    return field | {"dataType": kind}
