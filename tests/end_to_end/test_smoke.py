"""From nothing to tables and pictures on two digits."""

import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from retort.base.tensors import open_tensors
from retort.running.status.logs import read_log
from tests.helpers.workspace import Workspace, smoke_config


def wanted_cells():
    config = smoke_config()
    for run in config["runs"]:
        for method in run["methods"]:
            for ipc in ["all"] if method == "full" else map(str, run["ipc"]):
                for protocol in run["protocols"]:
                    yield method, ipc, protocol, run["seeds"]


def test_a_second_run_does_nothing(twin):
    assert twin.planned() == {}
    assert "Nothing to be done" in twin.run("--cores", "2")


def test_a_folder_whose_path_a_shell_would_split_is_planned_and_resumed(finished, tmp_path):
    """Its Python lies elsewhere."""
    folder = tmp_path / "it's a $new [folder]"
    folder.mkdir()
    workspace = finished.twin(folder / "twin")
    assert workspace.planned() == {}
    workspace.results("figures", "smoke", "accuracy.png").unlink()
    workspace.run("--cores", "1")
    assert workspace.results("figures", "smoke", "accuracy.png").exists()
    assert workspace.planned() == {}


def test_a_folder_with_a_brace_in_its_path_is_refused_in_one_line(tmp_path):
    workspace = Workspace.fresh(tmp_path / "a{b}", smoke_config())
    output = workspace.run("--dry-run", succeeds=False)
    assert "has a brace, which Snakemake takes for the name of a variable" in output
    assert "Traceback" not in output


@pytest.mark.parametrize("taken", ["distilled/random/ipc2", "students/cao2/ipc1/hard/resnet8"])
@pytest.mark.parametrize("of_method", [False, True])
def test_what_a_user_took_away_is_made_again(twin, taken, of_method):
    shutil.rmtree(twin.results("smoke", taken))
    stage = {"distilled": "write_set", "students": "train_students"}[taken.split("/")[0]]
    assert twin.planned(*[taken.split("/")[1]] * of_method)[stage] == 1


def test_the_accuracy_table_has_every_cell_and_its_twin_the_same_rows(finished):
    table = pd.read_csv(finished.results("accuracy.csv"), dtype={"ipc": str})
    cells = [(r.method, r.ipc, r.protocol, r.seeds) for r in table.itertuples()]
    assert sorted(cells) == sorted(set(wanted_cells()))
    assert table[["top1_last_mean", "top1_best_mean", "top5_last_mean"]].to_numpy().min() >= 0
    assert (table["top1_best_mean"] >= table["top1_last_mean"]).all()
    random = table[table["method"] == "random"].set_index("protocol")["top1_last_mean"]
    both = table[(table["method"] == "d3hr") & (table["ipc"] == "2")].set_index("protocol")
    assert np.allclose(both["gap_to_random"], both["top1_last_mean"] - random, atol=0.011)
    rows = [line for line in finished.results("accuracy.md").read_text().splitlines() if line.startswith("| smoke")]
    assert len(rows) == len(table)


def test_distilled_sets_are_image_folders_with_manifest_and_provenance(finished):
    for method, ipc, _, _ in set(wanted_cells()):
        if method == "full":
            continue
        ipc = int(ipc)
        folder = finished.results("smoke", "distilled", method, f"ipc{ipc}")
        manifest = pd.read_csv(folder / "manifest.csv", dtype={"class_id": str})
        assert manifest.groupby("class_id").size().to_dict() == {"0": ipc, "1": ipc}
        for file in manifest["file"]:
            image = Image.open(folder / file)
            assert (image.size, image.mode) == ((32, 32), "RGB")
        assert manifest["source"].notna().all()
        provenance = json.loads((folder / "provenance.json").read_text())
        assert provenance["settings"].keys() == smoke_config()["methods"][method].keys()
        assert provenance["seed"] == 0
        assert "torch" in provenance["versions"]
    assert (finished.results("smoke", "distilled", "d3hr", "ipc2", "card.md")).read_text().startswith("# d3hr")


def test_manifests_say_how_each_image_was_chosen(finished):
    def manifest(method, ipc):
        return pd.read_csv(finished.results("smoke", "distilled", method, f"ipc{ipc}", "manifest.csv"))

    for method in ("cao2", "d3hr-cao2"):
        rows = manifest(method, 1)
        assert rows["correct"].isin([0, 1]).all()
        assert rows["confidence"].between(0.5, 1).all()
        assert rows[["loss_before", "loss_after"]].notna().all(axis=None)
    assert manifest("coda-real", 2)["origin"].notna().all()
    groups = manifest("s3", 1)
    assert (groups["member"] == groups["subgroup"]).all()  # groups of one image
    assert manifest("el2n", 1)["score"].between(0, 2**0.5).all()
    assert manifest("cad", 1)["score"].between(0, 0.71).all()
    assert (manifest("rded-gradient", 1)["row"].str.split().map(len) == 4).all()
    patches = manifest("ddps", 2)["row"].str.split().map(len)
    assert (patches == 4).all()


def test_smaller_sets_of_ddps_are_the_beginning_of_larger_ones(finished):
    one, two = (finished.results("smoke", "distilled", "ddps", f"ipc{n}") for n in (1, 2))
    for digit in ("0", "1"):
        assert (one / digit / "00000.png").read_bytes() == (two / digit / "00000.png").read_bytes()


def test_representatives_are_the_images_that_guide(finished):
    shown = pd.read_csv(finished.results("smoke", "distilled", "coda-real", "ipc2", "manifest.csv"))
    shards = sorted(finished.results("smoke", "representatives", "density", "n2").glob("*.csv"))
    guiding = pd.concat([pd.read_csv(shard) for shard in shards])
    assert shown["source"].tolist() == guiding["image_id"].tolist()
    guided = pd.read_csv(finished.results("smoke", "distilled", "coda", "ipc2", "manifest.csv"))
    assert guided["row"].tolist() == guiding["row"].tolist()


def test_costs_and_model_quality_are_measured(finished):
    costs = pd.read_csv(finished.results("jobs.csv"))
    stages = {"train_vae", "train_dit", "encode_latents", "invert_latents", "train_students", "embed_classes"}
    assert stages | {"score_typicality", "refine_latents", "compose_mosaics"} <= set(costs["stage"])
    assert (costs["seconds"] > 0).all()
    assert len(costs[costs["stage"] == "encode_latents"]) == 1
    models = pd.read_csv(finished.results("models.csv")).set_index("kind")
    assert models.loc["vae", "value"] > 0
    assert 0.5 < models.loc["teacher", "value"] <= 1
    assert models.loc["dit", "value"].between(0, 1).all()


def test_pictures_show_something(finished):
    pictures = ["accuracy.png", "gallery.png", "sets/d3hr-ipc2.png", "sets/full-ipcall.png", "classes/class-0001.png"]
    pictures += ["discovery/density-n2.png", "typicality/ddps.png", "inversion/ddim.png", "refinement/cao2-ipc1.png"]
    for name in pictures:
        pixels = np.asarray(Image.open(finished.results("figures", "smoke", name)).convert("L"))
        assert pixels.std() > 10, f"{name} is blank"


def test_nothing_is_left_half_written(finished):
    leftovers = [p for p in finished.results().rglob("*") if p.name.endswith(".part")]
    assert leftovers == []
    assert [path for path in finished.results("smoke", "checkpoints").rglob("*") if path.is_file()] == []


# Their work does not grow with images, classes, steps or files: they draw what fits on a page, or copy a few lines.
WITHOUT_A_BAR = {"draw_contact_sheet", "draw_discovery", "draw_typicality", "draw_refinement", "draw_accuracy"}
WITHOUT_A_BAR |= {"tabulate_models", "draw_inversion"}


def test_every_job_leaves_a_log_with_its_beginning_its_progress_and_its_end(finished):
    logs = [read_log(path) for path in finished.results("smoke", "logs").rglob("*.log")]
    assert None not in logs
    assert [log.path for log in logs if not log.done] == []
    stages = {log.job.split()[0] for log in logs}
    assert len(stages) == len(finished.planned(forceall=True).keys() - {"all"})
    for log in logs:
        if log.job.split()[0] not in WITHOUT_A_BAR:
            assert log.progress, f"{log.path} has no progress line"
            assert re.search(r"\d+%, \d+/\d+, [\d.]+\w*/\w+, [\d:]+ left", log.progress), f"{log.path}: {log.progress}"


def test_a_set_is_exported_and_its_quality_measured_when_asked_for(twin):
    config = twin.config
    config["quality"] = {"teacher": "resnet", "measures": ["density-coverage"]}
    twin.configure(config)
    measured = "results/smoke/quality/d3hr-ipc2-by-resnet.json"
    exported = [f"results/smoke/exports/d3hr-ipc2/{name}" for name in ("train.parquet", "README.md")]
    twin.run("--cores", "2", "--", *exported, measured)
    rows = pd.read_parquet(twin.results("smoke", "exports", "d3hr-ipc2", "train.parquet"))
    assert rows["label"].tolist() == [0, 0, 1, 1]
    assert {len(logits) for logits in rows["logits"]} == {2}
    accuracy = pd.read_csv(twin.results("accuracy.csv"), dtype={"ipc": str}).query("method == 'd3hr' and ipc == '2'")
    card = twin.results("smoke", "exports", "d3hr-ipc2", "README.md").read_text()
    assert all(f"{mean:.1f}" in card for mean in accuracy["top1_last_mean"])
    values = {row["measure"]: row["value"] for row in json.loads((twin.folder / measured).read_text())}
    assert values.keys() == {"density", "coverage"}
    assert 0 <= values["coverage"] <= 1


@pytest.mark.parametrize("method", ["d3hr-exact", "mine"])
def test_a_method_of_the_config_is_a_target_without_touching_a_rule(twin, method):
    config = smoke_config()
    config["methods"]["mine"] = {"generate": {"model": "dit", "steps": 5, "guidance": 1.5}}
    twin.configure(config)
    planned = twin.planned(method)
    assert planned.items() >= {"generate_images": 2, "write_set": 2}.items()  # two image counts
    assert not planned.keys() & {"train_dit", "encode_latents", "invert_latents", "train_students"}


def test_the_optimal_denoiser_of_the_training_latents_only_repeats_them(twin):
    config = smoke_config()
    config["models"]["ideal"] = {"kind": "optimal", "encoder": "vae"}
    config["methods"]["ideal"] = {"generate": {"model": "ideal", "steps": 25, "guidance": 1.0}}
    config["runs"] = [{"methods": ["ideal"], "ipc": [2], "protocols": ["soft"], "students": ["resnet8"], "seeds": 1}]
    twin.configure(config)
    assert twin.planned("ideal")["memorise_latents"] == 1
    assert not twin.planned("ideal").keys() & {"train_dit", "fetch_model", "encode_latents"}
    twin.run("--cores", "2", "ideal", "results/models.csv", "results/costs.csv")
    latents = open_tensors(twin.results("smoke", "latents", "vae", "0000.safetensors"))
    (made,) = twin.results("smoke", "generated", "ideal").rglob("*.safetensors")
    found = open_tensors(made)
    for latent, label in zip(found["latents"], found["class_index"], strict=True):
        away = np.sqrt(((latents[f"latents/{label}"] - latent) ** 2).mean((1, 2, 3)))
        assert away.min() < 0.1 * np.median(away)
    assert len(list(twin.results("smoke", "distilled", "ideal", "ipc2").rglob("*.png"))) == 4
    assert "ideal" in pd.read_csv(twin.results("models.csv"))["model"].tolist()
    assert "memorise_latents" in pd.read_csv(twin.results("costs.csv"))["stage"].tolist()


def test_one_method_alone_gets_its_own_table(finished):
    plan = finished.planned("d3hr")
    assert plan == {"tabulate_method": 1, "d3hr": 1}


def test_the_report_stands_alone_and_names_what_it_shows(twin, tmp_path):
    report = tmp_path / "report.html"
    twin.run("--report", str(report))
    text = report.read_text()
    for words in ("Distilled sets", "Accuracy", "images per class", "chosen on the test set", "Classes across methods"):
        assert words in text


def test_a_bad_config_stops_before_anything_runs(twin):
    config = smoke_config()
    config["methods"]["d3hr"]["generate"]["guidence"] = 3
    twin.configure(config)
    output = twin.run("--cores", "2", succeeds=False)
    for words in ("methods.d3hr.generate", "guidence", "did you mean 'guidance'"):
        assert words in output
    assert "Traceback" not in output


def test_a_model_with_a_source_is_fetched_instead_of_trained(twin):
    config = smoke_config()
    config["models"]["dit"] = {"kind": "dit", "encoder": "vae", "source": "some/diffusers/directory"}
    twin.configure(config)
    planned = twin.planned()
    assert planned["fetch_model"] == 1
    assert "train_dit" not in planned


def test_a_missing_source_is_one_clear_error_and_keeps_what_was_there(twin):
    config = smoke_config()
    config["models"]["other"] = {"kind": "dit", "encoder": "vae", "source": str(twin.folder / "nowhere")}
    twin.configure(config)
    before = twin.hashes("smoke", "distilled")
    output = twin.run("--cores", "1", "--", "results/smoke/models/other", succeeds=False)
    assert "neither a directory nor a model" in output
    assert twin.hashes("smoke", "distilled") == before
