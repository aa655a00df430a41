"""Distilled sets: images generated, chosen, refined, selected or imported, written so that others can load them."""

from retort.plan.imports import refuse_absent_sets, stamp_of_import
from retort.plan.part_params import described, origin_of_parts

try:
    if workflow.is_main_process:
        refuse_absent_sets(plan, DATA)
except (RetortError, OSError) as error:
    raise refusal(error)


def chosen_starts(wildcards):
    """The starts that a method samples from: shared with every method that draws them alike; none for noise."""
    if plan.start_of(wildcards.method) is None:
        return {}
    owner = plan.start_owner(wildcards.method)
    return {"starts": path_of(rules.choose_starts.output.starts, method=owner, number=wildcards.number)}


def guiding_representatives(wildcards):
    """What sampling is drawn towards, and its latents; none without a guide that names a discovery."""
    guides = plan.generate_of(wildcards.method).guides
    guide = next((guide for guide in guides if guide.name_in("discoveries")), None)
    return named_representatives(wildcards, guide, "representatives", "latents")


def real_latents(wildcards):
    """Those of the shard's training images, for guides that read their means."""
    return {"real_latents": model_latents(wildcards)} if plan.reads_means(wildcards.method) else {}


def starting_representatives(wildcards):
    """What sampling starts from, noised, and its latents; none where it starts otherwise."""
    return named_representatives(wildcards, plan.generate_of(wildcards.method).start, "seeds", "seed_latents")


def named_representatives(wildcards, part, table, latents):
    discovery = part and part.name_in("discoveries")
    if not discovery:
        return {}
    return dict(zip((table, latents), representatives_of(discovery, wildcards.number, wildcards.shard)))


def generated_by(wildcards):
    """Whose samples a set is made from, and how many a class: shared with every method that samples alike."""
    count = plan.count_of(wildcards.method, wildcards.ipc)
    return {"method": plan.generation_owner(wildcards.method), "number": count}


def shared_generated(wildcards):
    return path_of(rules.generate_images.output.images, **generated_by(wildcards), shard=wildcards.shard)


def generated_shards(wildcards, shards):
    return collect(rules.generate_images.output.images, **generated_by(wildcards), shard=shards)


def selecting_teacher(wildcards):
    """The teacher that chooses from a pool, or in whose features the choice is made; none for latents."""
    teacher = plan.selection_space(wildcards.method).get("teacher")
    return {"teacher": teacher_directory(teacher)} if teacher else {}


def measured_raw(wildcards):
    """What a teacher that judges raw images was measured at, before it does."""
    return collect(rules.measure_raw_teacher.output.quality, teacher=plan.raw_judges([wildcards.method]))


def selection_part(wildcards):
    return described(plan.config.methods[wildcards.method].select)


def start_part(wildcards):
    return described(plan.generate_of(wildcards.method).start)


def sampling_settings(wildcards):
    """How a method samples, with its sampler and its guides as parts."""
    settings = plan.sampling_of(wildcards.method)
    return settings | {"sampler": described(settings["sampler"]), "guides": list(map(described, settings["guides"]))}


def pool_choices(wildcards, shards):
    """Which of a pool to go on with; empty when all of what was generated is wanted."""
    of_set = {"method": wildcards.method, "ipc": wildcards.ipc}
    if wildcards.method in plan.methods_that("choose_subgroups"):
        return [path_of(rules.choose_subgroups.output.selection, **of_set)]
    if wildcards.method not in plan.methods_that("choose_from_pool"):
        return []
    return collect(rules.choose_from_pool.output.selection, **of_set, shard=shards)


def chosen_members(wildcards):
    """The choice of one shard."""
    return pool_choices(wildcards, wildcards.shard)


def refined_shards(wildcards, shards):
    of_set = {"method": wildcards.method, "ipc": wildcards.ipc}
    return collect(rules.refine_latents.output.images, **of_set, shard=shards)


def refinement_part(wildcards):
    return described(plan.refine_of(wildcards.method))


def selecting_features(wildcards):
    """Latents, what a teacher sees, or what networks said in training, of the shard's training images."""
    space = plan.selection_space(wildcards.method)
    if "dynamics" in space:
        return path_of(rules.record_dynamics.output.dynamics, dynamics=space["dynamics"], shard=wildcards.shard)
    if "encoder" in space:
        return path_of(rules.encode_latents.output.latents, encoder=space["encoder"], shard=wildcards.shard)
    return path_of(rules.describe_images.output.features, teacher=space["teacher"], shard=wildcards.shard)


def image_fit(wildcards):
    """How images that are selected or imported become square."""
    return plan.config.methods[wildcards.method].fit


def set_parts(wildcards):
    """What a set is written from, real images or images that were made, and the models and teachers behind it."""
    of_set = {"method": wildcards.method, "ipc": wildcards.ipc}
    models = [DATA / "models" / name for name in plan.models_of(wildcards.method)]
    models += [teacher_directory(teacher) for teacher in sorted(plan.teachers_of(wildcards.method))]
    if plan.compose_of(wildcards.method):
        made = collect(rules.compose_mosaics.output.images, **of_set, shard=plan.shards)
        return {"images": made, "models": models}
    if plan.generate_of(wildcards.method):
        shards_of = refined_shards if plan.refine_of(wildcards.method) else generated_shards
        made, chosen = shards_of(wildcards, plan.shards), pool_choices(wildcards, plan.shards)
        return {"images": made, "models": models, "chosen": chosen}
    if wildcards.method in plan.methods_that("import_set"):
        return {"imported": path_of(rules.import_set.output.imported, **of_set)}
    if discovery := plan.config.methods[wildcards.method].select.name_in("discoveries"):
        shown = [representatives_of(discovery, wildcards.ipc, shard)[0] for shard in plan.shards]
        return {"selection": shown, "models": models}
    if wildcards.method in plan.methods_that("select_by_features"):
        selected = collect(rules.select_by_features.output.selection, **of_set, shard=plan.shards)
    else:
        selected = collect(rules.select_images.output.selection, **of_set)
    return {"selection": selected, "models": models}


def set_origin(wildcards):
    """What provenance.json says of a set, apart from versions and model sources."""
    return plan.provenance_of(wildcards.method, wildcards.ipc) | {
        "ipc": wildcards.ipc,
        "code": {stage: code_of(stage) for stage in plan.makers_of(wildcards.method)},
        "parts": origin_of_parts(
            plan.config.methods[wildcards.method],
            [plan.config.discoveries[name] for name in plan.discoveries_of(wildcards.method)],
        ),
    }


def imported_stamp(wildcards):
    """The state of a set that was made elsewhere, which the user owns; once imported, the set is not needed any more."""
    return stamp_of_set(wildcards.method, wildcards.ipc)


@cache
def stamp_of_set(method, ipc):
    imported = path_of(rules.import_set.output.imported, method=method, ipc=ipc)
    return stamp_of_import(plan.images_of(method, ipc), imported)


def copies_images(wildcards):
    return not plan.config.methods[wildcards.method].is_everything()


rule generate_images:
    input:
        unpack(chosen_starts),
        unpack(guiding_representatives),
        unpack(starting_representatives),
        unpack(real_latents),
        unpack(refiner_directory),
        unpack(decoder_directory),
        model=model_directory,
        encoder=encoder_directory,
        class_table=CLASSES,
    output:
        images=DATA / "generated" / "{method}" / "n{number}" / "{shard}.safetensors",
    log:
        LOGS / "generate_images" / "{method}" / "n{number}" / "{shard}.log",
    benchmark:
        BENCHMARKS / "generate_images" / "{method}" / "n{number}" / "{shard}.tsv"
    priority: LONG_CHAIN
    resources:
        gpu=1,
        mem_mb=memory(model_memory),
        runtime=computing(work.generate_images),
        batch=16,
        run=model_run,
    params:
        code=code_of("generate_images"),
        dataset=plan.dataset.name,
        seed=own_seed,
        side=set_side,
        class_indices=shard_class_indices,
        model_settings=model_settings,
        codec_settings=codec_settings,
        decoder_settings=decoder_settings,
        start=start_part,
        sampling=sampling_settings,
        checkpoint=str(CHECKPOINTS / "generated" / "{method}" / "n{number}" / "{shard}"),
    script:
        "../workflow/run.py"


rule choose_from_pool:
    input:
        measured_raw,
        unpack(selecting_teacher),
        pool=shared_generated,
        class_table=CLASSES,
    output:
        selection=DATA / "selected" / "{method}" / "ipc{ipc}" / "{shard}.csv",
    log:
        LOGS / "choose_from_pool" / "{method}" / "ipc{ipc}" / "{shard}.log",
    benchmark:
        BENCHMARKS / "choose_from_pool" / "{method}" / "ipc{ipc}" / "{shard}.tsv"
    wildcard_constraints:
        method=one_of(plan.methods_that("choose_from_pool")),
    priority: LONG_CHAIN
    resources:
        gpu=1,
        mem_mb=memory(8),
        runtime=computing(work.choose_from_pool),
    params:
        code=code_of("choose_from_pool"),
        dataset=plan.dataset.name,
        seed=own_seed,
        select=selection_part,
    script:
        "../workflow/run.py"


rule refine_latents:
    input:
        unpack(refiner_directory),
        unpack(decoder_directory),
        generated=shared_generated,
        chosen=chosen_members,
        model=model_directory,
        encoder=encoder_directory,
        class_table=CLASSES,
    output:
        images=DATA / "refined" / "{method}" / "ipc{ipc}" / "{shard}.safetensors",
    log:
        LOGS / "refine_latents" / "{method}" / "ipc{ipc}" / "{shard}.log",
    benchmark:
        BENCHMARKS / "refine_latents" / "{method}" / "ipc{ipc}" / "{shard}.tsv"
    wildcard_constraints:
        method=one_of(plan.methods_that("refine_latents")),
    priority: LONG_CHAIN
    resources:
        gpu=1,
        mem_mb=memory(model_memory),
        runtime=computing(work.refine_latents),
        batch=images_at_once(16),
        run=model_run,
    params:
        code=code_of("refine_latents"),
        dataset=plan.dataset.name,
        seed=own_seed,
        side=set_side,
        class_indices=shard_class_indices,
        model_settings=model_settings,
        codec_settings=codec_settings,
        decoder_settings=decoder_settings,
        refinement=refinement_part,
    script:
        "../workflow/run.py"


rule select_images:
    input:
        manifest=rules.build_manifest.output.manifest,
        class_table=CLASSES,
    output:
        selection=DATA / "selected" / "{method}" / "ipc{ipc}.csv",
    log:
        LOGS / "select_images" / "{method}" / "ipc{ipc}.log",
    benchmark:
        BENCHMARKS / "select_images" / "{method}" / "ipc{ipc}.tsv"
    wildcard_constraints:
        method=one_of(plan.methods_that("select_images")),
    resources:
        mem_mb=memory(4),
        runtime=minutes(30),
    params:
        code=code_of("select_images"),
        dataset=plan.dataset.name,
        seed=own_seed,
        select=selection_part,
    script:
        "../workflow/run.py"


rule select_by_features:
    input:
        features=selecting_features,
        manifest=rules.build_manifest.output.manifest,
        class_table=CLASSES,
    output:
        selection=DATA / "selected" / "{method}" / "ipc{ipc}" / "{shard}.csv",
    log:
        LOGS / "select_by_features" / "{method}" / "ipc{ipc}" / "{shard}.log",
    benchmark:
        BENCHMARKS / "select_by_features" / "{method}" / "ipc{ipc}" / "{shard}.tsv"
    wildcard_constraints:
        method=one_of(plan.methods_that("select_by_features")),
    resources:
        mem_mb=memory(8),
        runtime=minutes(15, per_class=0.5),
    params:
        code=code_of("select_by_features"),
        dataset=plan.dataset.name,
        seed=own_seed,
        select=selection_part,
        class_indices=shard_class_indices,
    script:
        "../workflow/run.py"


rule import_set:
    input:
        class_table=CLASSES,
    output:
        imported=directory(DATA / "imported" / "{method}" / "ipc{ipc}"),
    log:
        LOGS / "import_set" / "{method}" / "ipc{ipc}.log",
    benchmark:
        BENCHMARKS / "import_set" / "{method}" / "ipc{ipc}.tsv"
    wildcard_constraints:
        method=one_of(plan.methods_that("import_set")),
        ipc=r"\d+",
    threads: READERS
    resources:
        mem_mb=memory(8),
        runtime=minutes(120),
    params:
        code=code_of("import_set"),
        asked=of(plan.import_of, "method", "ipc"),
        made_of=imported_stamp,
        side=set_side,
        fit=image_fit,
    script:
        "../workflow/run.py"


rule write_set:
    input:
        unpack(set_parts),
        manifest=rules.build_manifest.output.manifest,
        class_table=CLASSES,
    output:
        distilled=directory(DISTILLED),
    log:
        LOGS / "write_set" / "{method}" / "ipc{ipc}.log",
    benchmark:
        BENCHMARKS / "write_set" / "{method}" / "ipc{ipc}.tsv"
    threads: READERS
    resources:
        mem_mb=memory(8),
        runtime=minutes(120),
    params:
        code=code_of("write_set"),
        side=set_side,
        fit=image_fit,
        copy_images=copies_images,
        store=plan.config.sets.store,
        origin=set_origin,
    script:
        "../workflow/run.py"
