"""A DiT from elsewhere, trained further through the workflow."""

from retort.base.files import read_json
from tests.helpers.workspace import REPOSITORY, Workspace, smoke_config

PIPELINE = str(REPOSITORY / "tests" / "fixtures" / "parity" / "d3hr_sample" / "pipeline")


def test_a_fetched_dit_is_trained_further_on_the_data_sets_own_classes(tmp_path):
    config = smoke_config()
    config["models"] = {
        "vae": {"kind": "vae", "source": PIPELINE},
        "elsewhere": {"kind": "dit", "encoder": "vae", "source": PIPELINE, "classes": "imagenet1k"},
        "dit": {"kind": "dit", "encoder": "vae", "train": {"from": "elsewhere", "steps": 6, "batch": 8, "warmup": 2}},
    }
    workspace = Workspace.fresh(tmp_path / "workspace", config)
    target = "results/smoke/models/dit"
    workspace.run("--cores", "2", "--set-resources", "train_dit:micro_batch=3", "train_dit:recompute=1", "--", target)
    assert (
        "0 of 2 classes start from their own" in workspace.results("smoke", "logs", "train_dit", "dit.log").read_text()
    )
    model = workspace.results("smoke", "models", "dit")
    assert read_json(model / "transformer" / "config.json")["num_embeds_ada_norm"] == 2
    assert read_json(model / "origin.json")["trained_from"]["source"] == PIPELINE
    assert read_json(model / "model_index.json")["id2label"] == {"0": "0", "1": "1"}
    assert workspace.planned(target) == {}  # memory is no reason to train again
    assert workspace.planned("fetch") == {"check_models": 1, "fetch": 1}


def test_a_dit_is_fine_tuned_by_minimax_and_sampled_from(tmp_path):
    config = smoke_config()
    losses = {"represent": 0.002, "diverse": 0.008, "sparse": 0.001, "memory": 4}
    train = {"from": "elsewhere", "steps": 6, "batch": 8, "lr": 0.001, "warmup": 0, "schedule": "constant"}
    config["models"] = {
        "vae": {"kind": "vae", "source": PIPELINE},
        "elsewhere": {"kind": "dit", "encoder": "vae", "source": PIPELINE, "classes": "imagenet1k"},
        "dit": {"kind": "dit", "encoder": "vae", "train": train | {"trainable": "difffit", "losses": losses}},
    }
    config["methods"] = {"minimax": {"generate": {"model": "dit", "sampler": "ddpm", "steps": 4, "guidance": 2.0}}}
    protocol = {"hard": config["protocols"]["hard"]}
    runs = [{"methods": ["minimax"], "ipc": [1], "protocols": ["hard"], "students": ["resnet8"], "seeds": 1}]
    config |= {part: {} for part in ("inversions", "discoveries", "typicalities", "dynamics")}
    workspace = Workspace.fresh(tmp_path / "workspace", config | {"protocols": protocol, "runs": runs})
    target = "results/smoke/distilled/minimax/ipc1"
    workspace.run("--cores", "2", "--", target)
    settings = read_json(workspace.results("smoke", "distilled", "minimax", "ipc1", "provenance.json"))["models"]["dit"]
    assert settings["train"]["losses"] == losses
    assert workspace.planned(target) == {}
    assert not workspace.results("smoke", "checkpoints", "dit.safetensors").exists()
