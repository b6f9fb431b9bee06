"""A real SLURM of two nodes on this machine: munged, slurmctld and two slurmd in a folder of their own, ended with the tests.

Needs Debian's packages slurmctld, slurmd, slurm-client and munge, and root, as slurmd starts jobs for others. Nothing of the
machine's own configuration is read or written, and no port is one that SLURM uses by itself.
"""

from __future__ import annotations

import atexit
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

PROGRAMS = {"slurmctld": "slurmctld", "slurmd": "slurmd", "sbatch": "slurm-client", "munged": "munge"}
"""Programs that are needed, and Debian's packages that hold them."""

CONFIGURATION = """\
ClusterName=concord
FirstJobId={job}
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={controller}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=10
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldParameters=idle_on_node_suspend
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
SchedulerType=sched/builtin
SchedulerParameters=batch_sched_delay=0,sched_interval=1
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
ReturnToService=2
KillWait=2
SlurmdTimeout=30
MailProg=/bin/true
PrologFlags=NoHold
NodeName=node1 NodeHostname=localhost NodeAddr=127.0.0.1 Port={first} CPUs=4 RealMemory=8000
NodeName=node2 NodeHostname=localhost NodeAddr=127.0.0.1 Port={second} CPUs=4 RealMemory=8000
PartitionName=main Nodes=node[1-2] Default=YES MaxTime=60 State=UP
"""
# cred_expire is also how long SLURM holds a requeued job back; by itself that is two minutes. It has to be longer than KillWait and
# what srun adds: the srun of a lost node's job, which still waits for it, else ends the step of the same number that began anew.


def missing() -> str | None:
    """Why no cluster can be started here, in one line; None where one can."""
    packages = sorted({package for program, package in PROGRAMS.items() if shutil.which(program, path=_path()) is None})
    if packages:
        return f"no SLURM here; as root: apt-get install {' '.join(packages)}"
    return None if os.geteuid() == 0 else "a SLURM for the tests needs root"


class Cluster:
    """The running daemons. Several may run beside one another, as where tests are shared among processes.

    Args:
        folder: of the configuration, the state and the logs; its path is short, because munge's socket lies in it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._daemons: list[subprocess.Popen[bytes]] = []
        self.environment = {**os.environ, "PATH": _path(), "SLURM_CONF": str(folder / "slurm.conf"), "OMP_NUM_THREADS": "1"}

    def start(self) -> None:
        """Bring the two nodes up.

        Raises:
            RuntimeError: with the ends of the logs, when they are not idle after half a minute.
        """
        atexit.register(self.stop)
        (self.folder / "state").mkdir(parents=True)
        self.folder.chmod(0o755)  # munge asks of the folders of its socket that all may enter and only the owner may write
        (self.folder / "munge.key").write_bytes(secrets.token_bytes(128))
        (self.folder / "munge.key").chmod(0o600)
        controller, first, second = _free_ports(3)
        # Where the processes of a job meet follows from its number; two clusters on one machine must not give the same ones.
        job = 100 * (1 + secrets.randbelow(98))
        values = {"folder": self.folder, "job": job, "controller": controller, "first": first, "second": second}
        (self.folder / "slurm.conf").write_text(CONFIGURATION.format(**values))
        files = {"key": "munge.key", "socket": "munge.socket", "pid": "munge.pid", "log": "munge.log", "seed": "munge.seed"}
        names = {"key": "--key-file", "socket": "--socket", "pid": "--pid-file", "log": "--log-file", "seed": "--seed-file"}
        self._spawn("munged", "--foreground", "--force", *(f"{names[what]}={self.folder / file}" for what, file in files.items()))
        self._await(lambda: (self.folder / "munge.socket").exists(), "munge's socket")
        self._spawn("slurmctld", "-D", "-c")
        for node in ("node1", "node2"):
            self._spawn("slurmd", "-D", "-N", node)
        self._await(lambda: self.run("sinfo", "--noheader", "--Node", "--format=%T").stdout.split() == ["idle", "idle"], "two idle nodes")

    def stop(self) -> None:
        """End the daemons and whatever they started."""
        atexit.unregister(self.stop)
        if len(self._daemons) > 1:
            self.run("scancel", "--user=root", "--signal=KILL", "--full")
            self.run("scancel", "--user=root")
        for daemon in reversed(self._daemons):
            daemon.send_signal(signal.SIGTERM)
        for daemon in reversed(self._daemons):
            try:
                daemon.wait(timeout=10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        self._daemons.clear()

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """A command in the environment of this cluster."""
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60, check=False)

    def job(self, job: str) -> dict[str, str]:
        """What SLURM knows of a job or an element of an array: JobState, ExitCode, Restarts, NodeList, ..."""
        shown = self.run("scontrol", "show", "job", "--oneliner", job).stdout
        return dict(re.findall(r"(\w+)=(\S*)", shown.splitlines()[0] if shown else ""))

    def wait(self, job: str, *states: str, timeout: float = 120) -> dict[str, str]:
        """Wait until a job is in one of these states.

        Raises:
            RuntimeError: when it is not in time, or ended in another one; with the end of its output.
        """
        final = {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL"}
        until = time.monotonic() + timeout
        while (found := self.job(job)).get("JobState") not in states:
            if time.monotonic() > until or not found or found["JobState"] in final:
                raise RuntimeError(f"job {job} is {found}, not {states}; its output ends with\n{_end(found.get('StdOut'))}")
            time.sleep(0.2)
        return found

    def logs(self) -> str:
        """The ends of the daemons' logs."""
        return "\n".join(f"{path.name}:\n{path.read_text()[-2000:]}" for path in sorted(self.folder.glob("*.log")))

    def _spawn(self, program: str, *arguments: str) -> None:
        name = "-".join([program, *(argument for argument in arguments if argument.startswith("node"))])
        with (self.folder / f"{name}.out.log").open("wb") as log:
            path = shutil.which(program, path=_path())
            # With the tests, however they end: also where they are killed.
            command = ["setpriv", "--pdeathsig", "TERM", str(path), *arguments]
            daemon = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        self._daemons.append(daemon)

    def _await(self, ready: Callable[[], bool], what: str) -> None:
        until = time.monotonic() + 30
        while not ready():
            if time.monotonic() > until or any(daemon.poll() is not None for daemon in self._daemons):
                raise RuntimeError(f"no {what}:\n{self.logs()}")
            time.sleep(0.1)


def _end(log: str | None) -> str:
    """The last lines that a job wrote, if it began."""
    path = Path(log or "")
    return path.read_text(errors="replace")[-4000:] if path.is_file() else "nothing"


def _path() -> str:
    """Debian keeps daemons where not every user looks."""
    return os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
