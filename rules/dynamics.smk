"""How networks learn the training images: trained by epochs, and what they say of every image after each (coresets)."""


def recipe_of_dynamics(wildcards):
    """How the network is trained: as the teacher is, but for the number of its steps."""
    teacher = plan.config.teachers[plan.config.dynamics[wildcards.dynamics].teacher]
    return teacher.train.model_dump(mode="json", exclude={"steps"})


def length_of_dynamics(wildcards):
    """Which network it is, and for how many epochs it is trained."""
    dynamics = plan.config.dynamics[wildcards.dynamics]
    arch = plan.config.teachers[dynamics.teacher].arch
    return {"arch": arch, "epochs": dynamics.epochs, "until": dynamics.recorded()}


def recorded_epochs(wildcards):
    return {"recorded": plan.config.dynamics[wildcards.dynamics].recorded()}


def trainings_of_dynamics(wildcards):
    runs = range(plan.config.dynamics[wildcards.dynamics].runs)
    return collect(rules.train_dynamics.output.training, dynamics=wildcards.dynamics, run=runs)


rule train_dynamics:
    input:
        train=TRAIN,
        val=VAL,
        class_table=CLASSES,
    output:
        training=directory(DATA / "dynamics" / "{dynamics}" / "run{run}"),
    log:
        LOGS / "train_dynamics" / "{dynamics}" / "run{run}.log",
    benchmark:
        BENCHMARKS / "train_dynamics" / "{dynamics}" / "run{run}.tsv"
    resources:
        gpu=1,
        mem_mb=memory(8),
        runtime=computing(work.train_dynamics),
    params:
        code=code_of("train_dynamics"),
        name="{dynamics}",
        arguments=length_of_dynamics,
        settings=recipe_of_dynamics,
        seed=plan.seed,
        checkpoint=str(CHECKPOINTS / "dynamics" / "{dynamics}" / "run{run}.safetensors"),
    script:
        "../workflow/run.py"


rule record_dynamics:
    input:
        trainings=trainings_of_dynamics,
        train=TRAIN,
        class_table=CLASSES,
    output:
        dynamics=DATA / "dynamics" / "{dynamics}" / "{shard}.safetensors",
    log:
        LOGS / "record_dynamics" / "{dynamics}" / "{shard}.log",
    benchmark:
        BENCHMARKS / "record_dynamics" / "{dynamics}" / "{shard}.tsv"
    resources:
        gpu=1,
        mem_mb=memory(8),
        runtime=computing(work.record_dynamics),
    params:
        code=code_of("record_dynamics"),
        class_indices=shard_class_indices,
        arguments=recorded_epochs,
    script:
        "../workflow/run.py"
