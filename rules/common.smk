"""The config, checked, and the look-ups that several rule files share. What needs thought belongs in the library."""

import os
from functools import cache
from pathlib import Path

from snakemake.path_modifier import PathModifier

# Two processes that spin while they wait can slow each other down thirtyfold on few cores.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("TQDM_MININTERVAL", "3")  # seconds between two lines of progress in a log
# diffusers asks for a GPU while it is imported. By NVML that starts no CUDA, so a job can still choose the GPU it sees.
os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")
# Models come by the rules of fetch.smk, which lift this; no other job may ask for one behind the back of the plan.
os.environ.update(HF_HUB_OFFLINE="1")

from retort.plan.used_parts import used_parts
from retort.plan.class_identity import refuse_same_prompts, refuse_uncertain_order, refuse_unknown_names
from retort.plan.fingerprint import fingerprints
from retort.plan.jobs import full_size, shared_jobs
from retort.config.load import load_config
from retort.plan.plan import Plan
from retort.plan.reported import reported_for
from retort.data.classes import class_list, look_into
from retort.parts.foreign import part_folders

# A method is a target by its name, so it may not be called like a rule.
STAGES = {path.stem: path for path in LIBRARY.glob("retort/stages/*/[!_]*.py")}
TARGETS = ["all", "fetch", "tables", "figures", "exports", "tabulate_method", "train_one_student"]
RULE_NAMES = sorted([*TARGETS, *STAGES])

try:
    checked_config = load_config(config, RULE_NAMES)
    plan = Plan(checked_config, class_list(checked_config.dataset))
    refuse_uncertain_order(checked_config, plan.classes)
    refuse_unknown_names(checked_config, plan.classes)
    refuse_same_prompts(checked_config, plan.classes)
    # Once a run: every job reads this file, and a cluster's file system is slow to ask about each class.
    if workflow.is_main_process:
        look_into(checked_config.dataset, plan.classes)
except (RetortError, OSError) as error:
    raise refusal(error)

# Each job finds them in the config (see retort.running.job), whatever that extends. No parameters: `deterministic` changes
# no result but its last bits, and parts have their code among the parameters of the jobs that run them; no variables of
# the environment, which jobs of another module would find, too.
config = {**config, "deterministic": checked_config.deterministic, "parts": part_folders()}

# The prefix that a workflow gives which uses this one as a module. Snakemake would put it before the paths of rules alone;
# here it is before all, also those among parameters and those that are read while the run is planned.
RESULTS = Path(workflow.modifier.path_modifier.replace_prefix("results/"))
workflow.modifier.path_modifier = PathModifier(None, None, workflow)

DATA = RESULTS / plan.dataset.name
FIGURES = RESULTS / "figures" / plan.dataset.name
LOGS = DATA / "logs"
BENCHMARKS = DATA / "benchmarks"
CHECKPOINTS = DATA / "checkpoints"
CAPTIONS = LIBRARY / "report"

# From the images to the samples, each job waits for the one before, and most students wait for the last: where there
# is a choice, this chain goes first and everything else fills the gaps.
LONG_CHAIN = 10

MOST_CLASSES = 20  # in a picture

# Threads of jobs that read many images from files: as many processes decode, and four keep a GPU at a few hundred
# images a second. Digits are read in no time, and a job of one thread need not wait for a second core.
READERS = 1 if plan.dataset.bundled else 4

TRAIN = DATA / "pixels" / "train.safetensors"
VAL = DATA / "pixels" / "val.safetensors"
CLASSES = DATA / "classes.csv"
DISTILLED = DATA / "distilled" / "{method}" / "ipc{ipc}"


def one_of(names):
    """A wildcard that is one of these names, or matches nothing when there are none."""
    return "|".join(names) or "(?!)"


wildcard_constraints:
    split="train|val",
    shard=one_of(plan.shards),
    model=one_of(plan.config.models),
    encoder=one_of(plan.model_names("vae")),
    teacher=one_of(plan.config.teachers),
    inversion=one_of(plan.config.inversions),
    discovery=one_of(plan.config.discoveries),
    typicality=one_of(plan.config.typicalities),
    dynamics=one_of(plan.config.dynamics),
    run=r"\d+",
    method=one_of(plan.config.methods),
    sweep=one_of(plan.config.sweeps),
    protocol=one_of(plan.config.protocols),
    ipc=r"\d+|all",
    number=r"\d+",
    student=r"\w+",
    seed=r"\d+",


def as_it_stands(words):
    """A parameter of words that people wrote: in a plain text or list, Snakemake would look for {wildcards}."""
    return lambda wildcards: words


def path_of(output, **wildcards):
    """The one file or folder that an output pattern names for these wildcards."""
    return str(output).format(**wildcards)


CODES = fingerprints(STAGES.values(), memory=Path(".snakemake", "fingerprints.json"))


def code_of(stage, *parts):
    """The stage that a rule calls, and the fingerprint of all code that this reaches: an edit there reruns the rule.

    parts: fingerprints of what it runs beside, that are parameters of no other name.
    """
    return " ".join([stage, CODES[stage], *parts])


def of(function, *names):
    """A look-up that asks a function for these wildcards of a job."""
    return lambda wildcards: function(*(wildcards[name] for name in names))


# Of a shard, in label order; the side in pixels of the images that a job makes for a set, and the seed of its draws.
shard_class_ids = of(plan.shard_class_ids, "shard")
shard_class_indices = of(plan.shards.get, "shard")
set_side = of(plan.side_of, "method")
own_seed = of(plan.seed_of, "method")


def model_of(wildcards):
    """The diffusion model that a job runs: named itself, or by its inversion, its typicality or its method."""
    if "model" in wildcards.keys():
        return wildcards.model
    if "inversion" in wildcards.keys():
        return plan.config.inversions[wildcards.inversion].model
    if "typicality" in wildcards.keys():
        return plan.config.typicalities[wildcards.typicality].model
    return plan.generate_of(wildcards.method).model


def model_directory(wildcards):
    return DATA / "models" / model_of(wildcards)


def encoder_directory(wildcards):
    """The directory of the encoder whose latents the job's model works on."""
    return DATA / "models" / plan.encoder_of(model_of(wildcards))


def refiner_directory(wildcards):
    """The directory of the model that ends what the job's model begins, where there is one."""
    refiner = plan.refiner_of(model_of(wildcards))
    return {"refiner": DATA / "models" / refiner} if refiner else {}


def decoder_directory(wildcards):
    """The directory of what turns the latents of the job's model into images, where that is not its encoder."""
    decoder = plan.decoder_of(model_of(wildcards))
    return {"decoder": DATA / "models" / decoder} if decoder else {}


def decoder_settings(wildcards):
    """How that decoder computes; empty where there is none."""
    decoder = plan.decoder_of(model_of(wildcards))
    return plan.codec_settings(decoder) if decoder else {}


def model_run(wildcards):
    """How the job's model is run: a resource, because it changes no result."""
    return plan.running_of(model_of(wildcards))


def model_settings(wildcards):
    return plan.model_settings(model_of(wildcards))


def codec_settings(wildcards):
    return plan.codec_settings(plan.encoder_of(model_of(wildcards)))


def teacher_directory(teacher):
    return DATA / "teachers" / teacher
