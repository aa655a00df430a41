"""A real SLURM on this machine, for tests and measurements: one node, its daemons, configuration and key in a folder.

Needs root, Debian's packages slurm-wlm and munge, and a machine without a SLURM of its own: for as long as it runs, the
place where every command of SLURM looks is a link to its configuration.

    python -m tests.survive.cluster COMMAND ...    # runs a command where sbatch, squeue and sacct find this cluster
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

LOOKED_FOR = Path("/etc/slurm/slurm.conf")  # jobs of Snakemake's executor do not keep SLURM_CONF
GPUS = 2  # declared for scheduling alone: their device files are empty files

CONFIGURATION = """
ClusterName=retort
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={control}
SlurmdPort={node}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SchedulerParameters=sched_min_interval=200000,batch_sched_delay=0
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
GresTypes=gpu
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc={folder}/finished-jobs.txt
MinJobAge=300
KillWait=5
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} Boards=1 SocketsPerBoard=1 CoresPerSocket={cores} ThreadsPerCore=1 \
RealMemory={memory} Gres=gpu:{gpus} State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE DefMemPerCPU=100 State=UP
"""


class Cluster(AbstractContextManager):
    """Running daemons; `environment` is where SLURM's commands, and so Snakemake's executor, find them.

    folder: where everything of it lies; its path must be short, because it holds a socket.
    """

    DAEMONS = ("munged", "slurmctld", "slurmd")

    def __init__(self, folder: Path, cores: int | None = None):
        if missing := [name for name in self.DAEMONS if shutil.which(name, path=_path()) is None]:
            raise RuntimeError(f"{', '.join(missing)} not found: apt-get install slurm-wlm munge")
        if os.geteuid() != 0:
            raise RuntimeError("SLURM's daemons need root here")
        if LOOKED_FOR.exists():
            raise RuntimeError(f"this machine has a SLURM of its own ({LOOKED_FOR}); submit to that one")
        self.folder, self.cores = folder, cores or os.cpu_count()
        self._processes: list[subprocess.Popen] = []

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "SLURM_CONF": str(self.folder / "slurm.conf"), "PATH": _path()}

    def __enter__(self) -> "Cluster":
        self._configure()
        munge = self.folder / "munge"
        options = [f"--{name}={munge}.{name.removesuffix('-file')}" for name in ("key-file", "pid-file", "log-file")]
        options += [f"--socket={munge}.socket", f"--seed-file={munge}.seed"]
        self._start("munged", "--foreground", "--force", *options)
        self._wait("munge answers", lambda: (self.folder / "munge.socket").is_socket())
        self._start("slurmctld", "-D", "-i")
        self._start("slurmd", "-D")
        self._wait("the node is idle", lambda: "idle" in self.command("sinfo", "--noheader", "--format=%T", quiet=True))
        return self

    def __exit__(self, *_) -> None:
        self.command("scancel", "--user=root", quiet=True)
        for process in reversed(self._processes):
            process.terminate()
        for process in self._processes:
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        LOOKED_FOR.unlink(missing_ok=True)

    def command(self, *words: str, quiet: bool = False) -> str:
        """What one of SLURM's commands prints; with `quiet` it may fail."""
        done = subprocess.run(words, env=self.environment, capture_output=True, text=True)
        if done.returncode and not quiet:
            raise RuntimeError(f"{' '.join(words)}: {done.stderr}")
        return done.stdout

    def finished_jobs(self) -> list[dict[str, str]]:
        """What SLURM recorded of each job that ended: JobId, Name, JobState, TimeLimit, Tres and so on."""
        lines = (self.folder / "finished-jobs.txt").read_text().splitlines()
        return [dict(word.split("=", 1) for word in line.split() if "=" in word) for line in lines]

    def _configure(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "state").mkdir()
        (self.folder / "spool").mkdir()
        key = self.folder / "munge.key"
        key.touch(mode=0o600)
        key.write_bytes(os.urandom(1024))
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20
        control, node = _free_ports(2)
        LOOKED_FOR.parent.mkdir(exist_ok=True)
        LOOKED_FOR.unlink(missing_ok=True)  # a link that a killed cluster left, to nowhere
        LOOKED_FOR.symlink_to(self.folder / "slurm.conf")
        (self.folder / "slurm.conf").write_text(
            CONFIGURATION.format(
                host=socket.gethostname().split(".")[0],
                folder=self.folder,
                control=control,
                node=node,
                cores=self.cores,
                memory=memory,
                gpus=GPUS,
            )
        )
        for number in range(GPUS):
            (self.folder / f"gpu{number}").touch()
        (self.folder / "gres.conf").write_text(f"Name=gpu File={self.folder}/gpu[0-{GPUS - 1}]\n")

    def _start(self, *words: str) -> None:
        with open(self.folder / f"{words[0]}.out", "w") as output:
            self._processes.append(
                subprocess.Popen(words, env=self.environment, stdout=output, stderr=subprocess.STDOUT)
            )

    def _wait(self, what: str, happened, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not happened():
            ended = [p.args[0] for p in self._processes if p.poll() is not None]
            if ended or time.monotonic() > deadline:
                said = "\n".join(f"{file.name}: {file.read_text()[-2000:]}" for file in self.folder.glob("*.out"))
                self.__exit__()
                raise RuntimeError(f"waited in vain until {what}; ended: {ended}\n{said}")
            time.sleep(0.1)


def _path() -> str:
    return os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/sbin"])


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def main(words: Sequence[str]) -> int:
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder, Cluster(Path(folder)) as cluster:
        return subprocess.run(words, env=cluster.environment).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
