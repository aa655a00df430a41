"""What a SLURM cluster is like, where one is used."""

import re
import subprocess

ASK = ["scontrol", "show", "config"]


def keeps_accounts() -> bool:
    """Whether the cluster has an accounting database, which `sacct` needs; also where no cluster answers."""
    try:
        asked = subprocess.run(ASK, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return True
    return re.search(r"AccountingStorageType\s*=\s*(accounting_storage/none|\(null\))", asked.stdout) is None


def watch_by_squeue_without_accounting(settings) -> None:
    """Have Snakemake's SLURM executor, whose settings these are, ask squeue how jobs are where sacct never answers.

    Settings of other executors, and None, stay as they are.
    """
    if getattr(settings, "status_command", None) == "sacct" and not keeps_accounts():
        settings.status_command = "squeue"
