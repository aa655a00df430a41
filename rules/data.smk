"""From real images to a manifest, and to the pixels that teachers and students see."""

from retort.plan.least import refuse_known_small, word_of_needs
from retort.plan.part_params import code_of_layout
from retort.data.manifest import read_made_of

try:
    refuse_known_small(plan, DATA / "manifest.parquet")
except RetortError as error:
    raise refusal(error)


@cache
def stamp_of_images():
    """The state of the user's images. Those that are not there now have not changed since the manifest was made."""
    return plan.contents_stamp() or read_made_of(DATA / "manifest.parquet").get("data")


def data_stamp(wildcards):
    """Asked only by jobs that depend on it, because it looks at every image, and each job of a cluster reads the rules."""
    return stamp_of_images()


# The layout of the images is a part of its own: an edit of another layout rereads nothing.
CODE_OF_LAYOUT = code_of_layout(plan.dataset)


def images_origin(wildcards):
    """What tells the images that a manifest points at from others of the same names and sizes."""
    return {
        "data": stamp_of_images(),
        "written_by": code_of("export_images", CODE_OF_LAYOUT) if plan.dataset.written_out else None,
    }


def images_needed(wildcards):
    """What the sets of the runs need of each class. A resource: a larger ipc changes no manifest."""
    return word_of_needs(plan)


def exported_images(wildcards):
    """The images that the workflow writes out itself; a folder of the user's is a parameter, not an input."""
    return {"images": DATA / "images"} if plan.dataset.written_out else {}


def split_fit(wildcards):
    """How an image becomes square: one that students are tested on as torchvision makes it, a training image whole."""
    return plan.test_fit() if wildcards.split == "val" else {}


def whole_split(wildcards):
    """The decoded training split, for the set that is all of it; any other set has its images in files."""
    return {"train": TRAIN} if wildcards.method in plan.methods_that_select("all") else {}


if plan.dataset.written_out:

    rule export_images:
        output:
            images=directory(DATA / "images"),
        log:
            LOGS / "export_images.log",
        benchmark:
            BENCHMARKS / "export_images" / "images.tsv"
        priority: LONG_CHAIN
        resources:
            mem_mb=memory(8),
            runtime=minutes(120),
        params:
            data_stamp,
            code=code_of("export_images", CODE_OF_LAYOUT),
            class_ids=as_it_stands(sorted(plan.classes)),
            layout=plan.written_layout(),
        script:
            "../workflow/run.py"


rule build_manifest:
    input:
        unpack(exported_images),
    output:
        manifest=DATA / "manifest.parquet",
        class_table=CLASSES,
        bad_images=DATA / "bad_images.csv",
    log:
        LOGS / "build_manifest.log",
    benchmark:
        BENCHMARKS / "build_manifest" / "manifest.tsv"
    priority: LONG_CHAIN
    threads: 2
    resources:
        mem_mb=memory(8),
        runtime=minutes(240),
        needed=images_needed,
    params:
        code=code_of("build_manifest", CODE_OF_LAYOUT),
        class_ids=as_it_stands(plan.classes),
        arguments=plan.manifest_settings(),
        made_of=images_origin,
    script:
        "../workflow/run.py"


rule decode_split:
    input:
        manifest=rules.build_manifest.output.manifest,
    output:
        pixels=DATA / "pixels" / "{split}.safetensors",
    log:
        LOGS / "decode_split" / "{split}.log",
    benchmark:
        BENCHMARKS / "decode_split" / "{split}.tsv"
    priority: LONG_CHAIN
    threads: 2
    resources:
        mem_mb=memory(8),
        runtime=minutes(240),
    params:
        code=code_of("decode_split"),
        side=plan.dataset.resolution,
        fit=split_fit,
    script:
        "../workflow/run.py"
