"""`kag sweep`: a sweep from its file to its result, with or without a W&B server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from kag.errors import SweepError, UserError

if TYPE_CHECKING:
    from kag.spec import RunSpec
    from kag.sweep import Sweep, Trial

POLL_SECONDS = 2.0
STATES = {"finished": "finished", "failed": "failed", "crashed": "failed", "killed": "stopped", "running": "leased"}


def sweep(
    target: Annotated[str, typer.Argument(metavar="SWEEP.yaml | show", help="Sweep file, or the word `show`.")],
    identifier: Annotated[str | None, typer.Argument(metavar="[ID]", help="With show: the sweep's id.")] = None,
    agents: Annotated[
        int, typer.Option(help="Agents that run at the same time; one a GPU where there are any.", min=1)
    ] = 1,
    count: Annotated[int | None, typer.Option(help="Most trials that this call starts.", min=1)] = None,
    runs: Annotated[Path, typer.Option(help="Folder of the run folders.", file_okay=False)] = Path("runs"),
) -> None:
    """Run a sweep, or show one; a second call continues where the first one stopped.

    Examples:

      kag sweep sweeps/swa_window.yaml --agents 2

      kag sweep show 1a2b3c4d
    """
    from kag.sweep import read_sweep

    if target == "show":
        if identifier is None:
            raise UserError("no sweep named", remedy="kag sweep show ID")
        with connected(runs):
            show(_path(identifier, _kept(runs)), runs)
        return
    file = Path(target)
    parsed = read_sweep(file)
    base = checked(parsed, file)
    _announce(parsed, base)
    with connected(runs) as tracking:
        path = open_sweep(parsed, file, tracking.name, runs)
        run_agents(path, parsed, tracking.environment, agents=agents, count=count)
        show(path, runs)


def is_sweep(file: Path) -> bool:
    """Whether a YAML file is a sweep: it has `parameters`, which no run spec has."""
    from kag.spec.text import read_yaml

    return "parameters" in read_yaml(file)[0]


def check_sweep(file: Path, overrides: Sequence[str]) -> None:
    """Say what a sweep would run.

    Raises:
        SweepError: it breaks W&B's schema, or what its base spec allows.
    """
    from kag.sweep import read_sweep

    if overrides:
        raise UserError("a sweep takes no overrides", where=str(file), remedy="change its file, or its base spec")
    parsed = read_sweep(file)
    _announce(parsed, checked(parsed, file))


def checked(parsed: Sweep, file: Path) -> RunSpec:
    """The base spec of a sweep that is sound.

    Raises:
        SweepError: the command names no spec file, or the sweep breaks what its base spec allows.
    """
    from kag.spec import load_spec
    from kag.sweep import violations

    specs = [str(word) for word in parsed.command or () if str(word).endswith((".yaml", ".yml"))]
    if len(specs) != 1:
        raise SweepError("the command must name one run spec", where=str(file), remedy="kag train runs/specs/NAME.yaml")
    base = load_spec(Path(specs[0]))
    problems = violations(parsed, base)
    if problems:
        raise SweepError("\n  ".join([f"{len(problems)} problems", *problems]), where=str(file))
    return base


def _announce(parsed: Sweep, base: RunSpec) -> None:
    from kag.sweep.check import epoch_count, trial_count

    trials, epochs = trial_count(parsed), epoch_count(parsed, base)
    size = "without end" if trials is None else f"{trials} trials, at most {epochs} epochs trained separately"
    typer.echo(f"{parsed.method} search, {size}")


class Tracking(NamedTuple):
    """A W&B server."""

    name: str
    """Its URL, or `embedded`: an embedded server has another port at each call and is the same one all the same."""
    environment: dict[str, str]


@contextmanager
def connected(runs: Path) -> Iterator[Tracking]:
    """The configured W&B, or an embedded server."""
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_BASE_URL"):
        yield Tracking(os.environ.get("WANDB_BASE_URL", "W&B"), dict(os.environ))
        return
    from kag.server.embedded import embedded_server

    with embedded_server(runs / ".server", now=time.time()) as extra:
        os.environ.update(extra)
        yield Tracking("embedded", dict(os.environ))


def _kept(runs: Path) -> dict[str, str]:
    """Digest of a sweep's content -> its path; also id -> path."""
    file = runs / ".server" / "sweeps.json"
    return dict(json.loads(file.read_text())) if file.exists() else {}


def _path(identifier: str, known: Mapping[str, str]) -> str:
    found = known.get(identifier, identifier)
    if found.count("/") != 2:
        raise UserError(f"no sweep {identifier!r} was made here", remedy="give it as entity/project/id")
    return found


def open_sweep(parsed: Sweep, file: Path, server: str, runs: Path) -> str:
    """`entity/project/id` of the sweep of this file: the unfinished one of an earlier call, or a new one."""
    import hashlib

    import wandb
    import yaml

    tree: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    content = json.dumps([server, tree], sort_keys=True)
    digest = hashlib.sha256(content.encode()).hexdigest()
    known = _kept(runs)
    api = wandb.Api()
    if digest in known:
        old: Any = api.sweep(known[digest])  # type: ignore[no-untyped-call]
        if old.state.upper() in ("RUNNING", "PAUSED", "PENDING"):
            typer.echo(f"continuing sweep {known[digest]}")
            return known[digest]
    entity, project = parsed.entity or api.default_entity, parsed.project or "kag"
    identifier = wandb.sweep(tree, entity=entity, project=project)
    path = f"{entity}/{project}/{identifier}"
    kept = runs / ".server" / "sweeps.json"
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps({**known, digest: path, identifier: path}, indent=1))
    return path


def run_agents(path: str, parsed: Sweep, environment: Mapping[str, str], *, agents: int, count: int | None) -> None:
    """Run `wandb agent` that many times and show the sweep until all have ended."""
    from rich.live import Live

    processes = [_agent(path, environment, number, share) for number, share in enumerate(_shares(agents, count))]
    begun = time.monotonic()
    try:
        with Live(refresh_per_second=2, transient=False) as live:
            while any(process.poll() is None for process in processes):
                live.update(table(path, parsed, trials_of(path, parsed), time.monotonic() - begun))
                time.sleep(POLL_SECONDS)
    finally:
        for process in processes:
            if process.poll() is None:
                process.terminate()
        for process in processes:
            process.wait()


def _shares(agents: int, count: int | None) -> list[int | None]:
    """How many trials each agent may start."""
    if count is None:
        return [None] * agents
    return [share for share in (count // agents + (number < count % agents) for number in range(agents)) if share]


def _agent(path: str, environment: Mapping[str, str], number: int, count: int | None) -> subprocess.Popen[bytes]:
    graphics = sorted(Path("/proc/driver/nvidia/gpus").glob("*"))
    extra = {"WANDB_AGENT_DISABLE_FLAPPING": "true", "WANDB_AGENT_MAX_INITIAL_FAILURES": "1000"}
    if graphics and "CUDA_VISIBLE_DEVICES" not in environment:
        extra["CUDA_VISIBLE_DEVICES"] = str(number % len(graphics))
    words = [sys.executable, "-m", "wandb", "agent", *(["--count", str(count)] if count else []), path]
    log = Path(environment.get("WANDB_DIR", ".")) / "wandb" / f"agent-{path.rsplit('/', 1)[-1]}-{number}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.Popen(words, env={**environment, **extra}, stdout=output, stderr=output)


def trials_of(path: str, parsed: Sweep) -> list[Trial]:
    """The trials of a sweep as its runs show them; of several attempts at a point the one that got farthest."""
    import wandb

    from kag.sweep import Trial, TrialState
    from kag.sweep.trial import point_digest

    found: dict[str, Trial] = {}
    for number, run in enumerate(
        wandb.Api().runs(path.rsplit("/", 1)[0], {"sweep": path.rsplit("/", 1)[1]}, lazy=False)
    ):
        config = run.config
        if any(key not in config for key in parsed.leaves()):
            continue
        params = {key: config[key] for key in parsed.leaves()}
        value = run.summary_metrics.get(parsed.metric.name) if parsed.metric else None
        number_or_none = float(value) if isinstance(value, (int, float)) else None
        state = TrialState(STATES.get(run.state, "leased"))
        trial = Trial(id=number, params=params, state=state, value=number_or_none, run=run.id)
        held = found.get(point_digest(params))
        if held is None or held.state is not TrialState.FINISHED:
            found[point_digest(params)] = trial
    return list(found.values())


def table(path: str, parsed: Sweep, trials: Sequence[Trial], seconds: float) -> Any:
    """The live picture of a sweep."""
    from rich.table import Table

    from kag.sweep.check import trial_count
    from kag.sweep.importance import best

    total, done = trial_count(parsed), sum(trial.state.over for trial in trials)
    leader = best(parsed, trials)
    rest = None if total is None or not done else seconds / done * (total - done)
    made = Table(title=path, show_header=False)
    made.add_row("trials", f"{done} of {total if total is not None else '?'} ended, {len(trials) - done} running")
    made.add_row("best", "–" if leader is None else f"{leader.result:.4f}  {json.dumps(leader.params)}")
    made.add_row("time left", "–" if rest is None else f"about {rest / 60:.0f} min")
    return made


def show(path: str, runs: Path) -> None:
    """Print the result of a sweep and write a spec for its best trial."""
    import wandb

    from kag.sweep import TrialState, parse_sweep
    from kag.sweep.check import trial_count
    from kag.sweep.importance import best, importance

    found: Any = wandb.Api().sweep(path)  # type: ignore[no-untyped-call]
    parsed = parse_sweep(found.config)
    trials = trials_of(path, parsed)
    leader = best(parsed, trials)
    expected, finished = trial_count(parsed), sum(trial.state is TrialState.FINISHED for trial in trials)
    typer.echo(f"{path}: {finished} of {expected if expected is not None else '?'} trials finished")
    for key, share in importance(parsed, trials).items():
        typer.echo(f"  {share:6.1%}  {key}")
    if leader is None:
        typer.echo("no trial has finished with a result")
        return
    typer.echo(f"best: {leader.result:.6f} of run {leader.run}: {json.dumps(leader.params)}")
    file = runs / "specs" / "planned" / f"sweep_{path.rsplit('/', 1)[-1]}.yaml"
    write_best(parsed, leader, file)
    typer.echo(f"its spec: {file}")
    _epochs(path, runs)


def write_best(parsed: Sweep, leader: Trial, file: Path) -> None:
    """Write the base spec with the best trial's values."""
    from kag.spec import load_spec, spec_text

    base = next(Path(str(word)) for word in parsed.command or () if str(word).endswith((".yaml", ".yml")))
    spec = load_spec(base, [json.dumps(leader.params)])
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(spec_text(spec), encoding="utf-8")


def _epochs(path: str, runs: Path) -> None:
    """How many epochs forks have saved, from the run records."""
    from kag.track.folder import RunFolder

    records = [folder.read_record() for folder in RunFolder.all(runs)]
    mine = [record for record in records if record.sweep == path.rsplit("/", 1)[-1]]
    inherited = sum(source.epochs or 0 for record in mine for source in record.sources)
    trained = sum(record.epochs_trained for record in mine)
    if mine:
        typer.echo(f"epochs: {trained} trained, {inherited} shared through forks")
