"""Models from the Hugging Face hub: downloaded once into its own shared cache, with the revision and the checksums."""

import re
from dataclasses import dataclass
from pathlib import Path

import yaml

from retort.base.errors import RetortError


@dataclass(frozen=True)
class Snapshot:
    """A repository at one commit. stated: file -> what the hub says of it, {"bytes": int, "sha256": str or None}.

    The hub knows the sha256 of large files (LFS) only; of none when it could not be asked. licence: as its card has it;
    None where it has none, or was not seen.
    """

    directory: Path
    commit: str
    stated: dict[str, dict]
    licence: str | None = None


def download(hub_id: str, revision: str | None, wanted: list[str], unwanted: list[str]) -> Snapshot:
    """The files of a repository that match a pattern of `wanted` and none of `unwanted`; * matches / too.

    Asks for the commit that `revision` (a branch, a tag, a commit; None for the default branch) stands for, and takes
    all files at that one. Where the hub cannot be reached, what the cache has is taken. Raises RetortError when the
    hub has no such thing or does not give it out, and when it is neither reached nor cached.
    """
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, HTTPError, OfflineModeIsEnabled

    patterns = {"allow_patterns": wanted, "ignore_patterns": unwanted}
    try:
        try:
            info = huggingface_hub.HfApi().model_info(hub_id, revision=revision, files_metadata=True)
        except HfHubHTTPError:  # it answered
            raise
        except (HTTPError, OfflineModeIsEnabled) as error:
            print(f"{hub_id}: the hub cannot be reached ({error}); taking what the cache has, unchecked")
            directory = huggingface_hub.snapshot_download(hub_id, revision=revision, local_files_only=True, **patterns)
            return Snapshot(Path(directory), Path(directory).name, {})
        directory = huggingface_hub.snapshot_download(hub_id, revision=info.sha, **patterns)
    except (HTTPError, HFValidationError, OSError) as error:
        raise RetortError(
            f"{hub_id!r} is neither a directory nor a model that the hub gives out at revision "
            f"{revision or 'main'!r}: {error}"
        ) from None
    stated = {
        file.rfilename: {"bytes": file.size, "sha256": file.lfs.sha256 if file.lfs else None} for file in info.siblings
    }
    return Snapshot(Path(directory), info.sha, stated, getattr(getattr(info, "card_data", None), "license", None))


def licence_of(directory: str | Path) -> str | None:
    """The licence that the card of a repository names, a README.md that begins with YAML; None where none does."""
    card = Path(directory, "README.md")
    if not card.is_file():
        return None
    front = re.match(r"---\n(.*?)\n---\s", card.read_text(encoding="utf-8", errors="replace"), re.DOTALL)
    try:
        stated = yaml.safe_load(front[1]) if front else None
    except yaml.YAMLError:
        return None
    licence = stated.get("license") if isinstance(stated, dict) else None
    return licence if isinstance(licence, str) else None


def looks_like_a_path(source: str) -> bool:
    """Whether a source that is not there was meant as a path: hub ids are NAME or OWNER/NAME."""
    return not re.fullmatch(r"[\w][\w.-]*(/[\w.-]+)?", source) or source.endswith((".pt", ".pth", ".safetensors"))
