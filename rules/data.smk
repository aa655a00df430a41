"""From real images to a manifest, and to the pixels that teachers and students see."""

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
            code=code_of("export_images"),
            classes=as_it_stands(sorted(plan.classes)),
            layout=plan.written_layout(),
            contents=data_stamp,
        script:
            "../workflow/scripts/export_images.py"


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
    threads: 2
    resources:
        mem_mb=memory(8),
        runtime=minutes(240),
        needed=images_needed,
    params:
        code=code_of("build_manifest"),
        classes=as_it_stands(plan.classes),
        settings=plan.manifest_settings(),
        made_of=images_origin,
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
    threads: 2
    resources:
        mem_mb=memory(8),
        runtime=minutes(240),
    params:
        code=code_of("decode_split"),
        side=plan.dataset.resolution,
        fit=split_fit,
    script:
        "../workflow/scripts/decode_split.py"
