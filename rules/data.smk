"""From real images to a manifest, and to the pixels that teachers and students see."""

if plan.dataset.kind == "digits":

    rule export_digits:
        output:
            images=directory(DATA / "images"),
        log:
            LOGS / "export_digits.log",
        benchmark:
            BENCHMARKS / "export_digits" / "images.tsv"
        priority: LONG_CHAIN
        conda:
            "../envs/retort.yaml"
        params:
            code=code_of("export_digits"),
            classes=plan.classes,
            side=plan.dataset.resolution,
        script:
            "../workflow/scripts/export_digits.py"


rule build_manifest:
    input:
        unpack(exported_images),
    output:
        manifest=DATA / "manifest.parquet",
        classes=CLASSES,
        bad_images=DATA / "bad_images.csv",
    log:
        LOGS / "build_manifest.log",
    benchmark:
        BENCHMARKS / "build_manifest" / "manifest.tsv"
    priority: LONG_CHAIN
    conda:
        "../envs/retort.yaml"
    threads: 2
    params:
        code=code_of("build_manifest"),
        dataset=plan.dataset.name,
        seed=plan.seed,
        classes=plan.classes,
        folder=plan.user_folder,
        settings=plan.manifest_settings(),
        contents=plan.folder_stamp(),
    script:
        "../workflow/scripts/build_manifest.py"


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
    conda:
        "../envs/retort.yaml"
    threads: 2
    params:
        code=code_of("decode_split"),
        side=plan.dataset.resolution,
    script:
        "../workflow/scripts/decode_split.py"
