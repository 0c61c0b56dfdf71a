"""What W&B's client says of itself and of the machine, in the config of a run under `_wandb`.

Fields have numbers there, those of the client's protobuf messages. A run that was resumed has the words of its last
process alone. None of it is promised: what has another form is taken as not said.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from kag.number import count, number
from kag.spec.flat import Scalar
from kag.track.record import Declared

SAID = ("e", "m", "t", "branch_point", "start_time", "python_version", "cli_version")
"""Keys of what is read here: machines, metrics, features, the step of another run at which this one begins, ..."""

RESUMED, SHARED, REWOUND = 5, 67, 72
"""Numbers of what a process of the client has done, among the features that it reports."""

SUMMARIES: Mapping[int, Literal["min", "max", "mean", "best", "last", "none", "first"]] = MappingProxyType(
    {1: "min", 2: "max", 3: "mean", 4: "best", 5: "last", 6: "none", 8: "first"}
)
"""Number -> which value of a run stands for a metric."""

GOALS: Mapping[int, Literal["min", "max"]] = MappingProxyType({1: "min", 2: "max"})
"""Number -> which of two values is better."""

_MACHINE: Mapping[str, str] = MappingProxyType(
    {
        "host": "hostname",
        "os": "platform",
        "python": "python",
        "cpu_count": "cpus",
        "gpu": "gpu",
        "gpu_count": "gpus",
        "cudaVersion": "cuda",
        "program": "program",
    }
)
"""What the client calls a fact of the machine -> what a record calls it."""


class Branch(NamedTuple):
    """The step of a run at which this one begins."""

    run: str
    """W&B id."""
    step: int | None


@dataclass(frozen=True)
class Client:
    """What is known by the client's own words."""

    started: datetime | None = None
    """When its last process began, by the clock of that machine."""
    resumed: bool = False
    """Whether that process went on with a run that was there."""
    commit: str | None = None
    environment: Mapping[str, Scalar] = field(default_factory=dict)
    metrics: Sequence[Declared] = ()
    """What `define_metric` said; the name of one may end in `*`."""
    branch: Branch | None = None

    def declared(self, logged: Sequence[str]) -> tuple[Declared, ...]:
        """What was said of each metric; a pattern stands for what was logged of it."""
        named = {one.metric: one for one in self.metrics if not one.metric.endswith("*")}
        for one in self.metrics:
            if one.metric.endswith("*"):
                fitting = (key for key in logged if fnmatchcase(key, one.metric))
                named |= {key: one.model_copy(update={"metric": key}) for key in fitting if key not in named}
        return tuple(named[key] for key in sorted(named))


def client_of(said: Any) -> Client:
    """What the client said; nothing for what has another form than it writes."""
    internal = _mapping(said)
    machines = sorted(map(_mapping, _mapping(internal.get("e")).values()), key=lambda one: str(one.get("startedAt")))
    machine = machines[-1] if machines else {}
    features = _mapping(internal.get("t")).get("3")
    features = features if isinstance(features, list) else []
    shared = SHARED in features
    return Client(
        started=_moment((machines[0] if shared else machine).get("startedAt")) or _seconds(internal.get("start_time")),
        resumed=not shared and (RESUMED in features or REWOUND in features),
        commit=_text(_mapping(machine.get("git")).get("commit")),
        environment=_environment(internal, machine),
        metrics=tuple(_metrics(internal.get("m"))),
        branch=_branch(internal.get("branch_point")),
    )


def _environment(internal: Mapping[str, Any], machine: Mapping[str, Any]) -> dict[str, Scalar]:
    found = {name: machine.get(word) for word, name in _MACHINE.items()}
    found["git.remote"] = _mapping(machine.get("git")).get("remote")
    # The bare number is what every client writes, and what kag writes of its own runs.
    found["python"] = internal.get("python_version") or found["python"]
    found["package.wandb"] = internal.get("cli_version")
    return {name: value for name, value in found.items() if isinstance(value, (str, int, float))}


def _metrics(said: Any) -> Iterator[Declared]:
    for one in map(_mapping, said if isinstance(said, list) else ()):
        name = _text(one.get("1")) or _text(one.get("2"))
        wanted = one.get("7")
        summaries = [SUMMARIES[kind] for kind in wanted if kind in SUMMARIES] if isinstance(wanted, list) else []
        goal = GOALS.get(count(one.get("8")) or 0)
        if name and (summaries or goal):
            yield Declared(metric=name, goal=goal, summary=summaries[0] if summaries else None)


def _branch(said: Any) -> Branch | None:
    point = _mapping(said)
    run = _text(point.get("run_id") or point.get("run"))
    return Branch(run, count(point.get("step", point.get("value")))) if run else None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _moment(said: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(said)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (TypeError, ValueError, OverflowError):
        return None


def _seconds(said: Any) -> datetime | None:
    found = number(said)
    try:
        return None if found is None else datetime.fromtimestamp(found, UTC)
    except (ValueError, OverflowError, OSError):
        return None
