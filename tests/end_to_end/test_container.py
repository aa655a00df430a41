"""The image that envs/Containerfile makes, built by Buildah without a registry of images: `make container`, as root."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.helpers.workspace import REPOSITORY, Workspace, smoke_config

pytestmark = [pytest.mark.container, pytest.mark.timeout(3600)]

SUITE = "bookworm"  # of Debian: the base that the Containerfile names
BASE, IMAGE = "localhost/retort-test-base", "localhost/retort-test"
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
SOMEBODY = 1234  # a user id that the image does not know
SET = "results/smoke/distilled/random/ipc2"


def buildah(*arguments: str | Path) -> str:
    done = subprocess.run(["buildah", *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return done.stdout.strip()


def make_base(folder: Path) -> None:
    """A bare Debian that trusts what this machine trusts; what the Containerfile installs, it installs itself."""
    tree = folder / "base.tar"
    trusting = ["--include=ca-certificates", f"--customize-hook=copy-in {CERTIFICATES} {Path(CERTIFICATES).parent}"]
    subprocess.run(["mmdebstrap", "--quiet", "--variant=minbase", *trusting, SUITE, tree], check=True)
    container = buildah("from", "scratch")
    buildah("add", container, tree, "/")
    for name in {"SSL_CERT_FILE"} & set(os.environ):
        buildah("config", "--env", f"{name}={CERTIFICATES}", container)
    buildah("commit", "--quiet", container, BASE)
    buildah("rm", container)


@pytest.fixture(scope="module")
def container(tmp_path_factory):
    assert f"BASE=debian:{SUITE}-slim" in (REPOSITORY / "envs" / "Containerfile").read_text()
    make_base(tmp_path_factory.mktemp("base"))
    recipe = ["--file", REPOSITORY / "envs" / "Containerfile", "--build-arg", f"BASE={BASE}", "--tag", IMAGE]
    buildah("build", "--isolation", "chroot", *recipe, REPOSITORY)
    name = buildah("from", "--pull-never", IMAGE)
    yield name
    buildah("rm", name)
    buildah("rmi", IMAGE, BASE)


def entry(container: str) -> list[str]:
    """What the image starts, which `buildah run` does not look at."""
    return json.loads(buildah("inspect", container))["OCIv1"]["config"]["Entrypoint"]


def plain(pin: str) -> str:
    """A pin with its name as package indices compare names."""
    name, version = pin.split("==")
    return f"{re.sub('[-_.]+', '-', name).lower()}=={version}"


def test_somebody_without_a_name_makes_what_is_made_outside(container, tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    os.chown(folder, SOMEBODY, SOMEBODY)
    (folder / "mine.yaml").write_text(yaml.safe_dump(smoke_config(), sort_keys=False))
    command = [*entry(container), "--cores", "2", SET, "--configfile", "mine.yaml"]
    options = ["--isolation", "chroot", "--user", f"{SOMEBODY}:{SOMEBODY}", "--volume", f"{folder}:/data"]
    buildah("run", *options, container, "--", *command)
    inside = Workspace(folder, smoke_config())
    assert inside.results("smoke", "distilled").stat().st_uid == SOMEBODY
    outside = Workspace.fresh(tmp_path / "outside", smoke_config())
    outside.run("--cores", "2", SET)
    assert inside.hashes("smoke", "distilled") == outside.hashes("smoke", "distilled")


def test_nobody_is_root_in_it_or_can_change_the_workflow(container):
    run = ["run", "--isolation", "chroot", container, "--"]
    assert buildah(*run, "id", "-un") == "retort"
    assert buildah(*run, "sh", "-c", "test -w /opt/retort/Snakefile || echo read-only") == "read-only"
    listed = "import importlib.metadata as m; print(*(f'{d.name}=={d.version}' for d in m.distributions()))"
    installed = {plain(pin) for pin in buildah(*run, "python", "-c", listed).split()}
    pins = {plain(pin) for pin in (REPOSITORY / "envs" / "requirements.txt").read_text().split()}
    assert pins - installed == set()
