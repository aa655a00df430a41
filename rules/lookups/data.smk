"""Look-ups of data.smk: where real images come from."""

from retort.data.manifest import read_made_of


@cache
def stamp_of_images():
    """The state of the user's images. Those that are not there now have not changed since the manifest was made."""
    return plan.contents_stamp() or read_made_of(DATA / "manifest.parquet").get("data")


def data_stamp(wildcards):
    """Asked only by jobs that depend on it, because it looks at every image, and each job of a cluster reads the rules."""
    return stamp_of_images()


def images_origin(wildcards):
    """What tells the images that a manifest points at from others of the same names and sizes."""
    return {"data": stamp_of_images(), "written_by": code_of("export_images") if plan.dataset.written_out else None}


def exported_images(wildcards):
    """The images that the workflow writes out itself; a folder of the user's is a parameter, not an input."""
    return {"images": DATA / "images"} if plan.dataset.written_out else {}


def kept_share(wildcards):
    """How much of an image's shorter side the centre crop keeps: all of a training image."""
    return plan.dataset.test_crop if wildcards.split == "val" else 1.0


def whole_split(wildcards):
    """The decoded training split, for the set that is all of it; any other set has its images in files."""
    return {"train": TRAIN} if wildcards.method in plan.methods_that_select("all") else {}
