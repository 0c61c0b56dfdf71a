"""What the launcher of a process says of its run: who started how many processes where, and which of them this one is.

All of it stands in variables of the environment, of SLURM, of torchrun, or of kag where Lightning starts the processes;
this is the one room that knows their names. Pure functions over the environment.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from operator import itemgetter
from typing import Any, Literal, NamedTuple

from kag.errors import SpecError

Launcher = Literal["none", "lightning", "torchrun", "slurm"]

Environment = Mapping[str, str]

LAUNCHED = "KAG_LAUNCHED"
"""Set where Lightning starts the processes of a run: what else their environment says is of the job around it.

Its value is the state that they go on from; empty where they begin.
"""

SWEEP, RUN = "WANDB_SWEEP_ID", "WANDB_RUN_ID"
"""What W&B's agents, and kag's, say to a trial: of which sweep it is, and which run."""

LOOPBACK = "127.0.0.1"

_PORTS, _STEPS = range(15000, 32000), 97
"""Below those that systems hand out by themselves. So many steps of a job have each their own beside other jobs'."""

_INTERACTIVE = "one task, with SLURM_JOB_NAME=interactive, starts all of one node"
_HOSTS = re.compile(r"(?P<prefix>[^,\[]+)(?:\[(?P<first>\d+)[^\]]*\](?P<suffix>[^,\[]*))?")
_TASKS = re.compile(r"(\d+)(?:\(x(\d+)\))?")


class Launch(NamedTuple):
    """The processes of a run as its launcher started them, and the place of this one among them."""

    launcher: Launcher = "none"
    rank: int = 0
    """Number of this process among all."""
    local_rank: int = 0
    """Number of this process on its node."""
    node_rank: int = 0
    """Number of its node."""
    processes: int = 1
    each: tuple[int, ...] = (1,)
    """Processes on each node; empty where the launcher does not say."""


def launch_of(environment: Environment, nodes: int = 1, devices: int = 1) -> Launch:
    """How a run that asks for this many processes was started: by the launcher whose variables are complete.

    A run that asks for one is started by nobody, whatever the job around it says.

    Args:
        environment: variables of this process.
        nodes, devices: that the run asks for; devices on each node.
    """
    if nodes * devices == 1:
        return Launch()
    launcher = _launcher(environment)
    if launcher == "torchrun":
        return _by_torchrun(environment, devices)
    if launcher == "slurm":
        return _by_slurm(environment)
    rank = _number(environment, "LOCAL_RANK") if LAUNCHED in environment else 0
    return Launch("lightning", rank, rank, 0, devices, (devices,))


def may_be_first(environment: Environment) -> bool:
    """Whether a process may be the first of its run, as far as its launcher tells it and no spec."""
    return launch_of(environment, devices=2).rank == 0


def require_fit(launch: Launch, nodes: int, devices: int) -> None:
    """Refuse a start that is not what the spec asks for.

    Raises:
        SpecError: the launcher started too few or too many processes, or on too few or too many nodes, or Lightning,
            which knows this machine alone, is asked for several nodes.
    """
    wanted = (devices,) * nodes
    each = launch.each or (wanted if launch.processes == nodes * devices else (launch.processes,))
    if each == wanted:
        return
    by = {"slurm": "srun", "torchrun": "torchrun"}.get(launch.launcher)
    start = by or "without srun or torchrun Lightning"
    spec = f"trainer.nodes={nodes} with trainer.devices={devices}"
    raise SpecError(
        f"{spec} asks for {_places(wanted)}, {start} starts {_places(each)}",
        where="trainer.nodes" if len(each) != nodes else "trainer.devices",
        remedy=start_command(launch.launcher, nodes, devices),
    )


def start_command(launcher: Launcher, nodes: int, devices: int) -> str:
    """What starts this many processes, for a shell."""
    srun = f"srun --nodes={nodes} --ntasks-per-node={devices} kag train ..."
    meeting = "--rdzv-backend=c10d --rdzv-endpoint=HOST:29400" if nodes > 1 else "--standalone"
    torchrun = f"torchrun --nnodes={nodes} --nproc-per-node={devices} {meeting} --no-python kag train ..."
    if launcher == "slurm":
        return f"{srun}, or {_INTERACTIVE}" if nodes == 1 else srun
    return torchrun if launcher == "torchrun" else f"{srun}, or {torchrun}"


def copies(environment: Environment) -> str | None:
    """What to say where one launcher starts a run of one process several times. Trials differ, they are no copies."""
    if SWEEP in environment:
        return None
    in_step = "SLURM_STEP_ID" in environment or _number(environment, "SLURM_PROCID") > 0
    counts = {
        "srun": _number(environment, "SLURM_STEP_NUM_TASKS", *(["SLURM_NTASKS"] if in_step else [])),
        "torchrun": _number(environment, "WORLD_SIZE") if "RANK" in environment else 0,
        "mpirun": _number(environment, "OMPI_COMM_WORLD_SIZE", "PMI_SIZE"),
    }
    launcher, count = max(counts.items(), key=itemgetter(1))
    if count < 2:
        return None
    together = f"trainer.devices={count} trains them together"
    return f"{launcher} starts this {count} times, each is a run of its own, of one process; {together}"


def job_of(environment: Environment) -> dict[str, Any]:
    """The fields of `World` by which a run leads to the log of its job; None where nobody says.

    A job that torchrun started by itself is known by its run id, where somebody gave it one.
    """
    elastic = environment.get("TORCHELASTIC_RUN_ID")
    array, task = environment.get("SLURM_ARRAY_JOB_ID"), environment.get("SLURM_ARRAY_TASK_ID")
    return {
        "job": environment.get("SLURM_JOB_ID") or (elastic if elastic != "none" else None),
        "task": f"{array}_{task}" if array and task else None,
        "node": environment.get("SLURMD_NODENAME"),
        "restarts": restarts(environment) or None,
    }


def restarts(environment: Environment) -> int:
    """How often the launcher has started the job again: SLURM that was requeued, torchrun that lost a process."""
    return sum(_number(environment, name) for name in ("SLURM_RESTART_COUNT", "TORCHELASTIC_RESTART_COUNT"))


def first_host(environment: Environment, nodes: int) -> str:
    """Address at which the first process of a run that a launcher started is found."""
    said = environment.get("MASTER_ADDR")
    if _launcher(environment) == "torchrun":
        return said or LOOPBACK
    if nodes == 1:
        return LOOPBACK
    listed = environment.get("SLURM_STEP_NODELIST") or environment.get("SLURM_JOB_NODELIST") or LOOPBACK
    return said or first_of(listed)


def first_of(hosts: str) -> str:
    """The first of SLURM's list of hosts: `gpu07` of `gpu[07-09,12],big1`."""
    found = _HOSTS.match(hosts)
    return "".join(part or "" for part in found.group("prefix", "first", "suffix")) if found else hosts


def meeting_port(environment: Environment) -> int:
    """Port at which the processes of a run that a launcher started find the first one."""
    said = _number(environment, "MASTER_PORT")
    if _launcher(environment) == "torchrun":
        return said or 12910
    place = _number(environment, "SLURM_JOB_ID") * _STEPS + _number(environment, "SLURM_STEP_ID")
    return said or _PORTS[place % len(_PORTS)]


def _by_torchrun(environment: Environment, devices: int) -> Launch:
    """torchrun starts as many on each node; a scheduler that only speaks its words may leave out how many."""
    rank, processes = _number(environment, "RANK"), _number(environment, "WORLD_SIZE")
    local = _number(environment, "LOCAL_WORLD_SIZE")
    each = (local,) * -(-processes // local) if local else ()
    at, node = (environment.get(name, "") for name in ("LOCAL_RANK", "GROUP_RANK"))
    local_rank = int(at) if at.isdecimal() else rank % devices
    return Launch("torchrun", rank, local_rank, int(node) if node.isdecimal() else rank // devices, processes, each)


def _by_slurm(environment: Environment) -> Launch:
    place = [_number(environment, f"SLURM_{name}") for name in ("PROCID", "LOCALID", "NODEID")]
    tasks = _number(environment, "SLURM_STEP_NUM_TASKS", "SLURM_NTASKS")
    nodes = _number(environment, "SLURM_STEP_NUM_NODES", "SLURM_NNODES") or 1
    listed = environment.get("SLURM_STEP_TASKS_PER_NODE", "")
    each = tuple(int(count) for count, times in _TASKS.findall(listed) for _ in range(int(times or 1)))
    even = sum(each) == tasks and len(each) == nodes
    return Launch("slurm", place[0], place[1], place[2], tasks, each if even else _spread(tasks, nodes))


def _spread(tasks: int, nodes: int) -> tuple[int, ...]:
    return tuple(tasks // nodes + (number < tasks % nodes) for number in range(nodes))


def _places(each: tuple[int, ...]) -> str:
    """`2 processes`, `8 processes on 2 nodes`, `4 processes on 2 nodes, 3 and 1`."""
    processes = f"{sum(each)} process{'es' if sum(each) != 1 else ''}"
    uneven = f", {' and '.join(map(str, each))}" if len(set(each)) > 1 else ""
    return f"{processes} on {len(each)} nodes{uneven}" if len(each) > 1 else processes


def _launcher(environment: Environment) -> Launcher:
    said = environment.keys()
    if LAUNCHED in said:
        return "lightning"
    if {"RANK", "WORLD_SIZE"} <= said and ("TORCHELASTIC_RUN_ID" in said or {"MASTER_ADDR", "MASTER_PORT"} <= said):
        return "torchrun"
    interactive = environment.get("SLURM_JOB_NAME") in ("bash", "interactive")
    return "slurm" if {"SLURM_NTASKS", "SLURM_PROCID"} <= said and not interactive else "lightning"


def _number(environment: Environment, *names: str) -> int:
    """The first of these variables that is a number, else 0: what is no number was not set by a launcher."""
    words = (environment.get(name, "") for name in names)
    return next((int(word) for word in words if word.isdecimal()), 0)
