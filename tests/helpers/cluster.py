"""A real SLURM on this machine, for tests and measurements: nodes, daemons, configuration and key in a folder.

Each node is a slurmd with a port, a spool folder and a log of its own; all of them share the files and cores of this
machine, and their GPUs are declared and not there. It needs root, Debian's packages slurm-wlm and munge, and a machine
without a SLURM of its own: for as long as it runs, the place where every command of SLURM looks is a link to its
configuration.

    python -m tests.helpers.cluster COMMAND ...    # runs a command where sbatch, squeue and sacct find this cluster
"""

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path

import psutil

LOOKED_FOR = Path("/etc/slurm/slurm.conf")  # jobs of Snakemake's executor do not keep SLURM_CONF
NODES = ("n1", "n2", "n3")
GPUS = 2  # of a node that has any; declared for scheduling alone: their device files are those of /dev/null
NULL_DEVICE = os.makedev(1, 3)

CONFIGURATION = """
ClusterName=retort
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={control}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
CredType=cred/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SlurmdTimeout={patience}
SchedulerParameters=sched_min_interval=200000,sched_interval=1,batch_sched_delay=0,bf_interval=1
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory,CR_LLN
GresTypes=gpu
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc={folder}/finished-jobs.txt
MinJobAge=300
KillWait=5
{nodes}
PartitionName=cpu Nodes={without} MaxTime=INFINITE DefMemPerCPU=100 State=UP
PartitionName=gpu Nodes={with_gpus} Default=YES MaxTime=INFINITE DefMemPerCPU=100 State=UP
"""
NODE = (
    "NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs={cores} Boards=1 SocketsPerBoard=1 "
    "CoresPerSocket={cores} ThreadsPerCore=1 RealMemory={memory} {gpus} State=UNKNOWN"
)


class Cluster(AbstractContextManager):
    """Running daemons; `environment` is where SLURM's commands, and so Snakemake's executor, find them.

    folder: where everything of it lies; its path must be short, because it holds a socket. nodes: their names; the
    first one has no GPU and is partition `cpu`, the others, or that one where it is alone, are partition `gpu`, to
    which jobs go that name none. cores: of each node. patience: seconds until a node that does not answer is down.
    """

    DAEMONS = ("munged", "slurmctld", "slurmd")

    def __init__(self, folder: Path, nodes: Sequence[str] = NODES, cores: int | None = None, patience: int = 300):
        if missing := [name for name in self.DAEMONS if shutil.which(name, path=_path()) is None]:
            raise RuntimeError(f"{', '.join(missing)} not found: apt-get install slurm-wlm munge")
        if os.geteuid() != 0:
            raise RuntimeError("SLURM's daemons need root here")
        if LOOKED_FOR.exists():
            raise RuntimeError(f"this machine has a SLURM of its own ({LOOKED_FOR}); submit to that one")
        self.folder, self.nodes, self.cores, self.patience = folder, tuple(nodes), cores or os.cpu_count(), patience
        self._daemons: dict[str, subprocess.Popen] = {}

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "SLURM_CONF": str(self.folder / "slurm.conf"), "PATH": _path()}

    @property
    def with_gpus(self) -> tuple[str, ...]:
        return self.nodes[1:] or self.nodes

    def __enter__(self) -> "Cluster":
        self._configure()
        munge = self.folder / "munge"
        options = [f"--{name}={munge}.{name.removesuffix('-file')}" for name in ("key-file", "pid-file", "log-file")]
        options += [f"--socket={munge}.socket", f"--seed-file={munge}.seed"]
        self._start("munged", "munged", "--foreground", "--force", *options)
        self._wait("munge answers", lambda: (self.folder / "munge.socket").is_socket())
        self.start_controller("-i")
        for name in self.nodes:
            self.start_node(name)
        return self

    def __exit__(self, *_) -> None:
        for name in self.nodes:
            if name in self._daemons:
                self.kill_node(name)
        for name in ("slurmctld", "munged"):
            if name in self._daemons:
                self._daemons[name].terminate()
                self._ended(name)
        LOOKED_FOR.unlink(missing_ok=True)

    def command(self, *words: str, quiet: bool = False) -> str:
        """What one of SLURM's commands prints; with `quiet` it may fail."""
        done = subprocess.run(words, env=self.environment, capture_output=True, text=True)
        if done.returncode and not quiet:
            raise RuntimeError(f"{' '.join(words)}: {done.stderr}")
        return done.stdout

    def finished_jobs(self) -> list[dict[str, str]]:
        """What SLURM recorded of each job that ended, or was requeued: JobId, JobState, NodeList, Tres and so on."""
        lines = (self.folder / "finished-jobs.txt").read_text().splitlines()
        return [dict(word.split("=", 1) for word in line.split() if "=" in word) for line in lines]

    def running_on(self) -> dict[str, str]:
        """Job -> node of the jobs that run now."""
        lines = self.command("squeue", "--noheader", "--states=RUNNING", "--format=%i %N", quiet=True).splitlines()
        return dict(line.split() for line in lines)

    def stop_controller(self) -> None:
        """As a failure of its machine does, without a word to anyone."""
        self._daemons["slurmctld"].kill()
        self._ended("slurmctld")

    def start_controller(self, *options: str) -> None:
        self._start("slurmctld", "slurmctld", "-D", *options)
        self._wait("the controller answers", lambda: "UP" in self.command("scontrol", "ping", quiet=True))

    def start_node(self, name: str) -> None:
        """A node that was stopped comes back empty, as after a reboot."""
        self._start(name, "slurmd", "-D", "-N", name)
        state = ("sinfo", "--noheader", f"--nodes={name}", "--states=idle,mixed,allocated")
        self._wait(f"node {name} takes jobs", lambda: name in self.command(*state, quiet=True).split())

    def kill_node(self, name: str) -> None:
        """As a loss of power does: its daemon and all processes of its jobs are gone at once, without a word."""
        self._daemons[name].send_signal(signal.SIGSTOP)  # from now on nothing starts there
        processes = self._processes_of(name)
        for number in (signal.SIGSTOP, signal.SIGKILL):  # so that none of them sees another one end
            for process in processes:
                with suppress(psutil.NoSuchProcess):
                    process.send_signal(number)
        self._daemons[name].kill()
        self._ended(name)

    def _processes_of(self, name: str) -> list[psutil.Process]:
        """Of a node's jobs: what they started has its name in the environment, what watches over them logs for it."""
        log, found = str(self.folder / f"slurmd.{name}.log"), []
        for process in psutil.process_iter():
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                watches = process.name().startswith("slurmstepd") and log in {f.path for f in process.open_files()}
                if watches or self._is_of_job(process, name):
                    found.append(process)
        return found

    def _is_of_job(self, process: psutil.Process, name: str) -> bool:
        environment = process.environ()
        here = environment.get("SLURM_CONF") == str(self.folder / "slurm.conf")
        return here and environment.get("SLURMD_NODENAME") == name

    def _configure(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "state").mkdir()
        key = self.folder / "munge.key"
        key.touch(mode=0o600)
        key.write_bytes(os.urandom(1024))
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20
        control, *ports = _free_ports(1 + len(self.nodes))
        LOOKED_FOR.parent.mkdir(exist_ok=True)
        LOOKED_FOR.unlink(missing_ok=True)  # a link that a killed cluster left, to nowhere
        LOOKED_FOR.symlink_to(self.folder / "slurm.conf")
        host = socket.gethostname().split(".")[0]
        nodes = [
            NODE.format(
                name=name,
                host=host,
                port=port,
                cores=self.cores,
                memory=memory,
                gpus=f"Gres=gpu:{GPUS}" if name in self.with_gpus else "",
            )
            for name, port in zip(self.nodes, ports, strict=True)
        ]
        (self.folder / "slurm.conf").write_text(
            CONFIGURATION.format(
                host=host,
                folder=self.folder,
                control=control,
                patience=self.patience,
                nodes="\n".join(nodes),
                without=self.nodes[0],
                with_gpus=",".join(self.with_gpus),
            )
        )
        for number in range(GPUS):
            os.mknod(self.folder / f"gpu{number}", 0o666 | stat.S_IFCHR, NULL_DEVICE)
        (self.folder / "gres.conf").write_text(
            f"NodeName={','.join(self.with_gpus)} Name=gpu File={self.folder}/gpu[0-{GPUS - 1}]\n"
        )

    def _start(self, name: str, *words: str) -> None:
        with open(self.folder / f"{name}.out", "w") as output:
            self._daemons[name] = subprocess.Popen(words, env=self.environment, stdout=output, stderr=subprocess.STDOUT)

    def _ended(self, name: str) -> None:
        """Wait for the end of a daemon that was asked to end, and forget it."""
        process = self._daemons[name]
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _wait(self, what: str, happened, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not happened():
            ended = [name for name, process in self._daemons.items() if process.poll() is not None]
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
