"""What a SLURM cluster says of itself, where one is used, and the executor that Snakemake uses there."""

import re
import subprocess

from snakemake_interface_executor_plugins.registry import ExecutorPluginRegistry

ASK = ["scontrol", "show", "config"]
PING = ["scontrol", "ping"]
WITHOUT = re.compile(r"AccountingStorageType\s*=\s*(accounting_storage/none|\(null\))")


def keeps_accounts() -> bool | None:
    """Whether the cluster has an accounting database, which `sacct` needs; None where its controller does not answer.

    Also True where there is no `scontrol`, as on a machine that reaches its cluster in another way.
    """
    said = _asked(ASK)
    if said is None:
        return True
    if WITHOUT.search(said):
        return False
    return True if "AccountingStorageType" in said else None


def controller_answers() -> bool:
    """Whether a controller of the cluster takes jobs and says how they are; also True where there is no `scontrol`."""
    said = _asked(PING)
    return said is None or re.search(r"\bUP\b", said) is not None


def keep_jobs_while_slurm_is_silent() -> None:
    """Put `PatientExecutor` in the place of the plugin's own executor, before Snakemake makes one of that.

    Nothing happens where the plugin is not installed.
    """
    registry = ExecutorPluginRegistry()
    if registry.is_installed("slurm"):
        from retort.running.slurm_executor import PatientExecutor

        registry.get_plugin("slurm").executor = PatientExecutor


def _asked(command: list[str]) -> str | None:
    """What the command prints, which may be nothing; None where it is not installed."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=60).stdout
    except OSError:
        return None
    except subprocess.TimeoutExpired:
        return ""
