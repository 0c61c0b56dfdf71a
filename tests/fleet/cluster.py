"""SLURM on this host: two nodes, which may be killed and come back. Root, with slurm-wlm and munge installed."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.e2e.tracking import family, free_port, until

NODES = ("n1", "n2")
NEEDED = ("munged", "slurmctld", "slurmd", "sbatch")
CONF = """
ClusterName=kag
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=cred_expire=10
CredType=cred/munge
SlurmctldPort={port}
StateSaveLocation={root}/state
SlurmctldPidFile={root}/slurmctld.pid
SlurmdPidFile={root}/slurmd-%n.pid
SlurmdSpoolDir={root}/spool-%n
SlurmctldLogFile={root}/slurmctld.log
SlurmdLogFile={root}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
# On a busy host a daemon may not answer for long, and srun ends with code 0 where SLURM takes its node for lost.
SlurmdTimeout=60
KillWait=30
JobRequeue=1
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[0]} CPUs=2 RealMemory=2000 State=UNKNOWN
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=2 RealMemory=2000 State=UNKNOWN
PartitionName=cpu Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP OverSubscribe=NO
"""


def missing() -> str:
    """Why there can be no cluster here; empty where there can."""
    if os.geteuid():
        return "it wants root"
    absent = next((name for name in NEEDED if shutil.which(name) is None), None)
    return f"there is no {absent}: apt install slurm-wlm munge" if absent else ""


class Cluster:
    """SLURM on this host."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.conf = root / "slurm.conf"

    def up(self) -> None:
        """Start munge if nobody has, the controller, and both nodes."""
        for name in ("state", *(f"spool-{node}" for node in NODES)):
            (self.root / name).mkdir(parents=True)
        words = {"host": socket.gethostname().partition(".")[0], "port": free_port(), "root": self.root}
        self.conf.write_text(CONF.format(**words, ports=[free_port(), free_port()]))
        if subprocess.run(["munge", "-n"], capture_output=True, check=False).returncode:
            subprocess.run(["install", "-d", "-o", "munge", "-g", "munge", "-m", "755", "/run/munge"], check=True)
            subprocess.run(["su", "-s", "/bin/sh", "munge", "-c", shutil.which("munged") or "munged"], check=True)
        self._run("slurmctld")
        for node in NODES:
            self._run("slurmd", "-N", node)
        until(lambda: self._run("sinfo", "-N", "-h", "-o", "%t").split() == ["idle"] * len(NODES), what="two nodes")

    def kill(self, node: str) -> None:
        """Kill -9 a node: its daemon and all that runs there."""
        daemon = self._pid(f"slurmd-{node}")
        steps = subprocess.run(["pgrep", "-f", "^slurmstepd: "], capture_output=True, text=True, check=False)
        jobs = self._run("squeue", "--noheader", "--nodelist", node, "--format=%A", "--state=RUNNING").split()
        for step in steps.stdout.split():
            line = Path(f"/proc/{step}/cmdline").read_bytes().decode()
            if any(f"[{job}." in line for job in jobs):
                _kill(family(int(step)))
        _kill([daemon])

    def revive(self, node: str) -> None:
        """The node comes back."""
        until(lambda: "DOWN" in self.state_of(node), what="SLURM to see that it is gone")
        self._run("slurmd", "-N", node)

    def state_of(self, node: str) -> str:
        """What SLURM says of a node, with all its flags: one that is being cleared away is shown in short as that."""
        found = re.search(r"State=(\S+)", self._run("scontrol", "show", "node", node))
        return found[1] if found else ""

    def down(self) -> None:
        """End all of it."""
        self._run("scancel", "--user=root", check=False)
        for name in (*(f"slurmd-{node}" for node in NODES), "slurmctld"):
            with contextlib.suppress(ProcessLookupError, FileNotFoundError):
                os.kill(self._pid(name), signal.SIGTERM)

    def _pid(self, name: str) -> int:
        return int((self.root / f"{name}.pid").read_text())

    @property
    def environment(self) -> dict[str, str]:
        """What SLURM's commands need to know."""
        return {"SLURM_CONF": str(self.conf)}

    def _run(self, *words: str, check: bool = True) -> str:
        done = subprocess.run(
            words, env={**os.environ, **self.environment}, capture_output=True, text=True, check=False
        )
        assert not check or done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout

    def tell(self, *words: str) -> str:
        """Call one of SLURM's commands; what it printed."""
        return self._run(*words)

    def started(self) -> int:
        """How often a task of a job began."""
        log = (self.root / "slurmctld.log").read_text()
        return len(re.findall(r"(?:Allocate|Started|_slurm_rpc_allocate_resources) JobId=", log))


def _kill(processes: Sequence[int]) -> None:
    for number in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)
