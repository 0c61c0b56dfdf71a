"""What a wandb client does, one feature at a time, read back: `python client_features.py FEATURE PROJECT`.

It runs in the client's own environment, so it imports nothing but the client. A feature that returns works, one that
the server refuses raises the words of the refusal, one that changes nothing without a word raises `Ignored`. The exit
code tells: 0, 1 with the words, `IGNORED`, `ABSENT`.
"""

from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import wandb

ENTITY = "kag"
IGNORED, ABSENT = 3, 4
"""Exit codes."""


class Ignored(Exception):
    """The client did it, the server took it, and nothing is there afterwards."""


class Absent(Exception):
    """This client has no such feature."""


def api() -> Any:
    """An Api that has kept nothing."""
    return wandb.Api(timeout=30)


def run_of(project: str, name: str) -> Any:
    """A run as the server has it now."""
    return api().run(f"{ENTITY}/{project}/{name}")


def rows(project: str, name: str, key: str = "a") -> list[tuple[int, Any]]:
    """Step and value of every row."""
    return [(row["_step"], row.get(key)) for row in run_of(project, name).scan_history()]


def log(project: str, name: str, values: Any, **words: Any) -> None:
    """A run with these values of `a`, in a process of its own: it is another one that resumes or begins anew."""
    code = (
        "import json, sys, wandb\n"
        "name, project, values, words = json.loads(sys.argv[1])\n"
        "with wandb.init(project=project, id=name, **words) as run:\n"
        "    for value in values:\n        run.log({'a': value})\n"
    )
    given = json.dumps([name, project, list(values), words])
    done = subprocess.run([sys.executable, "-c", code, given], env=alone(), capture_output=True, text=True, timeout=200)
    if done.returncode:
        raise RuntimeError(done.stderr[-1500:])


def alone(**more: str) -> dict[str, str]:
    """The environment of a process with a background service of its own."""
    return {name: value for name, value in os.environ.items() if "SERVICE" not in name} | more


def command(*words: str) -> str:
    """The client's command line; what it printed."""
    loud = alone(WANDB_SILENT="false")
    done = subprocess.run(
        [sys.executable, "-m", "wandb", *words], env=loud, capture_output=True, text=True, timeout=280
    )
    if done.returncode:
        raise RuntimeError(f"wandb {words[0]}: {done.stdout[-700:]}{done.stderr[-700:]}")
    return done.stdout + done.stderr


def is_right(found: Any, wanted: Any) -> None:
    """Compare what was read back."""
    if found != wanted:
        raise AssertionError(f"read back {found!r}, logged {wanted!r}")


def logging(project: str) -> None:
    """init, log, config, summary, tags, notes, finish"""
    with wandb.init(project=project, id="plain", config={"lr": 0.1, "m": {"w": 8}}, tags=["t"], notes="n") as run:
        for step in range(3):
            run.log({"a": step, "deep": {"x": step / 2}})
        run.summary["best"] = 2
        run.config.update({"late": True})
    found = run_of(project, "plain")
    is_right(
        [found.state, found.config, found.tags, found.notes],
        ["finished", {"lr": 0.1, "m": {"w": 8}, "late": True}, ["t"], "n"],
    )
    is_right([found.summary["best"], rows(project, "plain")], [2, [(0, 0), (1, 1), (2, 2)]])


def odd_numbers(project: str) -> None:
    """NaN and infinities in history and summary"""
    with wandb.init(project=project, id="odd") as run:
        for value in (1.0, float("nan"), float("inf")):
            run.log({"a": value})
    is_right([value for _, value in rows(project, "odd")], [1, "NaN", "Infinity"])
    is_right([one.summary["a"] for one in api().runs(f"{ENTITY}/{project}", filters={"name": "odd"})], ["Infinity"])


def resume_must(project: str) -> None:
    """resume="must" """
    log(project, "must", [0, 1])
    log(project, "must", [2], resume="must")
    is_right(rows(project, "must"), [(0, 0), (1, 1), (2, 2)])


def resume_allow(project: str) -> None:
    """resume="allow", of a new run and of an old one"""
    log(project, "allow", [0], resume="allow")
    log(project, "allow", [1], resume="allow")
    is_right(rows(project, "allow"), [(0, 0), (1, 1)])


def resume_never(project: str) -> None:
    """resume="never" refuses a run that is there, and changes nothing"""
    log(project, "never", [0, 1])
    try:
        log(project, "never", [2], resume="never")
    except RuntimeError:
        pass
    else:
        raise AssertionError("it was resumed")
    is_right(rows(project, "never"), [(0, 0), (1, 1)])


def resume_auto(project: str) -> None:
    """resume="auto" after a kill"""
    code = (
        "import os, sys, time, wandb\nrun = wandb.init(project=sys.argv[1], resume='auto')\n"
        "for k in range(3): run.log({'a': int(sys.argv[2]) + k})\nopen('auto.txt', 'w').write(run.id)\n"
        "if sys.argv[2] == '0':\n"
        "    until = time.monotonic() + 120\n"
        "    api = wandb.Api()\n"
        "    while time.monotonic() < until and api.run(f'kag/{sys.argv[1]}/{run.id}', ).lastHistoryStep < 2:\n"
        "        time.sleep(0.5); api.flush()\n"
        "    os.kill(os.getpid(), 9)\n"
        "run.finish()\n"
    )
    for first in ("0", "10"):
        subprocess.run([sys.executable, "-c", code, project, first], env=alone(), capture_output=True, timeout=200)
    name = pathlib.Path("auto.txt").read_text()
    is_right([value for _, value in rows(project, name)], [0, 1, 2, 10, 11, 12])


def begun_anew(project: str) -> None:
    """the same id without resume has the new history alone"""
    log(project, "anew", [0, 1, 2])
    log(project, "anew", [7])
    is_right(rows(project, "anew"), [(0, 7)])


def shared(project: str) -> None:
    """mode="shared", a writer that joins when the first has ended"""
    code = (
        "import sys, wandb\nlabel = sys.argv[2]\n"
        "settings = wandb.Settings(mode='shared', x_label=label, x_primary=label == 'one')\n"
        "with wandb.init(project=sys.argv[1], id='shared', settings=settings, config={label: 1}) as run:\n"
        "    for i in range(3): run.log({label: i})\n"
    )
    for label in ("one", "two"):
        done = subprocess.run([sys.executable, "-c", code, project, label], env=alone(), capture_output=True, text=True)
        if "unexpected arguments" in done.stderr:
            raise Absent
        is_right(done.returncode, 0)
    found = run_of(project, "shared")
    logged = list(found.scan_history())
    is_right([[row[one] for row in logged if row.get(one) is not None] for one in ("one", "two")], [[0, 1, 2]] * 2)
    is_right(dict(found.config), {"one": 1, "two": 1})


def fork(project: str) -> None:
    """fork_from"""
    log(project, "stem", range(4))
    log(project, "branch", [9], fork_from="stem?_step=1")
    is_right(rows(project, "branch"), [(0, 0), (1, 1), (2, 9)])


def rewind(project: str) -> None:
    """resume_from"""
    log(project, "back", range(4))
    log(project, "back", [9], resume_from="back?_step=1")
    is_right(rows(project, "back"), [(0, 0), (1, 1), (2, 9)])


def offline(project: str) -> None:
    """an offline run with a table and an artifact, synced twice"""
    with wandb.init(project=project, id="off", mode="offline") as run:
        for value in range(3):
            run.log({"a": value})
        run.log({"table": wandb.Table(columns=["x"], data=[[1], [2]])})
        run.log_artifact(artifact("off", "f.txt"))
    folder = next(pathlib.Path("wandb").glob("offline-run-*"))
    for _ in range(2):
        command("sync", str(folder))
        for mark in folder.glob("*.synced"):
            mark.unlink()
    is_right([value for _, value in rows(project, "off")][:3], [0, 1, 2])
    is_right(len(rows(project, "off")), 4)
    is_right(sorted(one.type for one in run_of(project, "off").logged_artifacts()), ["model", "run_table"])


def artifact(name: str, *files: str, **words: Any) -> Any:
    """An artifact whose files hold their names."""
    made = wandb.Artifact(name, type="model", **words)
    for file in files:
        with made.new_file(file) as opened:
            opened.write(file)
    return made


def files(found: Any, folder: str) -> list[str]:
    """The files that a version downloads."""
    return sorted(os.listdir(found.download(root=folder)))


def artifacts(project: str) -> None:
    """versions, a draft, an incremental version, aliases, use, download"""
    with wandb.init(project=project, id="maker") as run:
        run.log_artifact(artifact("m", "f.txt"), aliases=["first"]).wait()
        draft = api().artifact(f"{ENTITY}/{project}/m:latest").new_draft()
        with draft.new_file("g.txt") as opened:
            opened.write("g.txt")
        run.log_artifact(draft).wait()
        run.log_artifact(artifact("m", "h.txt", incremental=True)).wait()
    with wandb.init(project=project, id="user") as run:
        is_right(files(run.use_artifact("m:first"), "first"), ["f.txt"])
    is_right(files(api().artifact(f"{ENTITY}/{project}/m:latest"), "last"), ["f.txt", "g.txt", "h.txt"])
    is_right([one.source_name for one in run_of(project, "user").used_artifacts()], ["m:v0"])


def joint_artifacts(project: str) -> None:
    """one artifact from several runs (distributed_id)"""
    with wandb.init(project=project, id="one") as run:
        run.upsert_artifact(artifact("joint", "p0.txt"), distributed_id="g")
    with wandb.init(project=project, id="two") as run:
        run.finish_artifact(artifact("joint", "p1.txt"), distributed_id="g").wait()
    is_right(files(api().artifact(f"{ENTITY}/{project}/joint:latest"), "joint"), ["p0.txt", "p1.txt"])


def artifact_tags(project: str) -> None:
    """tags of an artifact"""
    with wandb.init(project=project, id="tagger") as run:
        try:
            run.log_artifact(artifact("tagged", "f.txt"), tags=["blue"]).wait()
        except TypeError:
            raise Absent from None
    if api().artifact(f"{ENTITY}/{project}/tagged:latest").tags != ["blue"]:
        raise Ignored


def time_to_live(project: str) -> None:
    """ttl of an artifact"""
    import datetime

    made = artifact("brief", "f.txt")
    made.ttl = datetime.timedelta(days=3)
    with wandb.init(project=project, id="ttl") as run:
        run.log_artifact(made).wait()
    if api().artifact(f"{ENTITY}/{project}/brief:latest").ttl != datetime.timedelta(days=3):
        raise Ignored


def linked_artifacts(project: str) -> None:
    """link_artifact to a collection of a project"""
    with wandb.init(project=project, id="linker") as run:
        made = run.log_artifact(artifact("l", "f.txt")).wait()
        run.link_artifact(made, f"{project}/shelf", aliases=["prod"])
    is_right(files(api().artifact(f"{ENTITY}/{project}/shelf:prod"), "shelf"), ["f.txt"])


def registry(project: str) -> None:
    """link_artifact to a registry"""
    with wandb.init(project=project, id="registrar") as run:
        made = run.log_artifact(artifact("r", "f.txt")).wait()
        run.link_artifact(made, "wandb-registry-model/shelf")
    raise Ignored


def media(project: str) -> None:
    """histograms, HTML, videos"""
    pathlib.Path("film.gif").write_bytes(b"GIF89a" + bytes(32))
    with wandb.init(project=project, id="media") as run:
        bins = wandb.Histogram(np_histogram=([1, 2], [0, 1, 2]))
        run.log({"bins": bins, "page": wandb.Html("<b>x</b>"), "film": wandb.Video("film.gif")})
    row = next(iter(run_of(project, "media").scan_history()))
    is_right([row[key]["_type"] for key in ("bins", "page", "film")], ["histogram", "html-file", "video-file"])
    is_right(
        sorted(file.name[-4:] for file in run_of(project, "media").files() if "media/" in file.name), [".gif", "html"]
    )


def tables(project: str) -> None:
    """wandb.Table"""
    with wandb.init(project=project, id="table") as run:
        run.log({"t": wandb.Table(columns=["x", "y"], data=[[1, "a"], [2, "b"]])})
    (logged,) = run_of(project, "table").logged_artifacts()
    is_right(logged.get("t").data, [[1, "a"], [2, "b"]])


def alerts(project: str) -> None:
    """run.alert"""
    with wandb.init(project=project, id="alert") as run:
        run.alert(title="low", text="loss is low")


def files_of_runs(project: str) -> None:
    """save, upload_file, files, download, delete"""
    pathlib.Path("up.txt").write_text("up")
    with wandb.init(project=project, id="files") as run:
        run.save("up.txt")
    found = run_of(project, "files")
    with found.file("up.txt").download(root="down", replace=True) as file:
        is_right(file.read(), "up")
    found.file("up.txt").delete()
    is_right("up.txt" in [one.name for one in run_of(project, "files").files()], False)


SWEEP = """
program: trial.py
method: METHOD
metric: {name: score, goal: minimize}
parameters: {x: PARAMETER}
command: [PYTHON, "${program}", "${args}"]
"""
TRIAL = "import wandb\nwith wandb.init() as run:\n    run.log({'score': run.config['x']})\n"


def sweep_file(method: str, parameter: str) -> None:
    """A sweep and its program in this folder."""
    pathlib.Path("trial.py").write_text(TRIAL)
    text = SWEEP.replace("METHOD", method).replace("PARAMETER", parameter).replace("PYTHON", sys.executable)
    pathlib.Path("sweep.yaml").write_text(text)


def sweep_path(output: str) -> str:
    """The path that `wandb sweep` prints."""
    return next(line for line in output.splitlines() if "wandb agent" in line).split()[-1]


def sweeps(project: str) -> None:
    """wandb sweep, pause, resume, agent"""
    sweep_file("grid", "{values: [1, 2.5]}")
    path = sweep_path(command("sweep", "--project", project, "sweep.yaml"))
    command("sweep", "--pause", path)
    is_right(api().sweep(path).state, "PAUSED")
    command("sweep", "--resume", path)
    command("agent", path)
    found = api().sweep(path)
    is_right([found.state, sorted(run.summary["score"] for run in found.runs)], ["FINISHED", [1, 2.5]])


def prior_runs(project: str) -> None:
    """wandb sweep --prior_run"""
    for value in (3.0, 1.0):
        with wandb.init(project=project, id=f"prior{value:.0f}", config={"x": value}) as run:
            run.log({"score": value})
    sweep_file("bayes", "{min: 0.0, max: 10.0}")
    path = sweep_path(command("sweep", "-p", project, "-R", "prior3", "-R", "prior1", "sweep.yaml"))
    if sorted(run.id for run in api().sweep(path).runs) != ["prior1", "prior3"]:
        raise Ignored


def function_agent(project: str) -> None:
    """wandb.agent with a function"""
    seen: list[bool] = []

    def trial() -> None:
        with wandb.init() as run:
            seen.append(1 <= run.config["x"] <= 5)

    config = {"method": "random", "run_cap": 2, "parameters": {"x": {"min": 1, "max": 5}}}
    wandb.agent(wandb.sweep(config, project=project), trial, project=project, count=2)
    is_right(seen, [True, True])


def preempting(project: str) -> None:
    """mark_preempting"""
    with wandb.init(project=project, id="taken") as run:
        run.log({"a": 1})
        run.mark_preempting()
        run.finish(exit_code=1)
    is_right(run_of(project, "taken").state, "preempted")


def comes(name: str) -> None:
    """Wait for a file of another process. A stop that reaches it before its own code runs would end it without one."""
    until = time.monotonic() + 120
    while not pathlib.Path(name).exists():
        if time.monotonic() > until:
            raise AssertionError(f"no {name} in two minutes")
        time.sleep(0.1)


def stopping(project: str) -> None:
    """Api run.stop reaches the process"""
    code = (
        "import sys, time, wandb\nrun = wandb.init(project=sys.argv[1], id='endless')\n"
        "try:\n    open('begun.txt', 'w').close()\n    while True:\n        run.log({'a': 1}); time.sleep(0.05)\n"
        "except KeyboardInterrupt:\n    open('stopped.txt', 'w').close()\n"
    )
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen([sys.executable, "-c", code, project], env=alone(), **quiet)
    try:
        comes("begun.txt")
        found = run_of(project, "endless")
        if not hasattr(found, "stop"):
            raise Absent
        found.stop()
        comes("stopped.txt")
    finally:
        process.send_signal(signal.SIGKILL)


def lists(project: str) -> None:
    """Api lists with filters and order; runs deleted on the way are each seen once"""
    count = int(os.environ.get("RUNS", "120"))
    mutation = "mutation U($n: String!, $p: String!){upsertBucket(input: {name: $n, modelName: $p}){bucket{id}}}"
    post(mutation, [{"n": f"run{place:04}", "p": project} for place in range(count)])
    seen = []
    for run in api().runs(f"{ENTITY}/{project}"):
        seen.append(run.id)
        run.delete()
    is_right([len(seen), len(set(seen)), len(api().runs(f"{ENTITY}/{project}"))], [count, count, 0])


def post(query: str, variables: list[dict[str, Any]]) -> None:
    """Send a document many times, without the client, which would take half a second for each run."""
    import requests

    session = requests.Session()
    session.auth = ("api", os.environ["WANDB_API_KEY"])
    for one in variables:
        address = f"{os.environ['WANDB_BASE_URL']}/graphql"
        session.post(address, json={"query": query, "variables": one}, timeout=30).raise_for_status()


def automations(project: str) -> None:
    """Api automations"""
    found = api()
    if not hasattr(found, "automations"):
        raise Absent
    list(found.automations(entity=ENTITY))
    raise Ignored


def reports(project: str) -> None:
    """Api reports"""
    list(api().reports(f"{ENTITY}/{project}"))
    raise Ignored


def queues(project: str) -> None:
    """launch queues"""
    api().create_run_queue(name="q", type="local-container", entity=ENTITY)
    raise Ignored


FEATURES: dict[str, Callable[[str], None]] = {
    one.__name__: one
    for one in (
        logging, odd_numbers, resume_must, resume_allow, resume_never, resume_auto, begun_anew, shared, fork, rewind,
        offline, artifacts, joint_artifacts, artifact_tags, time_to_live, linked_artifacts, registry, media, tables,
        alerts, files_of_runs, sweeps, prior_runs, function_agent, preempting, stopping, lists, automations, reports,
        queues,
    )
}  # fmt: skip
"""Name -> what does it; its first line says what it is called in the table."""


if __name__ == "__main__":
    try:
        FEATURES[sys.argv[1]](sys.argv[2])
    except (Ignored, Absent) as known:
        raise SystemExit({Ignored: IGNORED, Absent: ABSENT}[type(known)]) from None
