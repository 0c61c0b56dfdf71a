"""SLURM's commands as far as kag uses them: array tasks are processes of this machine, with SLURM's variables.

`install` puts `sbatch`, `squeue`, `scancel` and `scontrol` into a folder for PATH. A task is told to end as SLURM tells
it: `--batch` its script alone, else every process of it. `tests.fleet.slurm` asks the same of a real SLURM.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

NOWHERE = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
COMMANDS = ("sbatch", "squeue", "scancel", "scontrol")


def install(folder: Path) -> Path:
    """Write the commands into a folder; where they keep what they know."""
    folder.mkdir()
    for name in COMMANDS:
        file = folder / name
        file.write_text(f'#!/bin/sh\nexec {sys.executable} -m tests.fleet.slurm_commands {name} {folder} "$@"\n')
        file.chmod(0o755)
    return folder


def tasks(folder: Path) -> dict[Path, dict[str, object]]:
    """What is known of each task that is left, by its file."""
    found = {}
    for file in sorted(folder.glob("task-*.json")):
        with contextlib.suppress(FileNotFoundError):
            found[file] = json.loads(file.read_text())
    return found


def sbatch(folder: Path, words: list[str]) -> int:
    given = [word for word in words if word.startswith("--")]
    script, *arguments = [word for word in words if not word.startswith("--")]
    inside = re.findall(r"^#SBATCH (--\S+)", Path(script).read_text(), re.MULTILINE)
    options = dict(word.partition("=")[::2] for word in (*inside, *given))
    if options.get("--partition") == "none":
        print("sbatch: error: invalid partition specified: none", file=sys.stderr)
        return 1
    job = 70 + 10 * len(list(folder.glob("job-*")))
    (folder / f"job-{job}").write_text(json.dumps(options))
    first, last = map(int, options["--array"].split("-"))
    for number in range(first, last + 1):
        known = {"job": job, "raw": job + number, "task": number, "options": options}
        known |= {"words": ["bash", os.path.abspath(script), *arguments], "cwd": options.get("--chdir", os.getcwd())}
        _keep(folder / f"task-{job + number}.json", known)
        keeper = [sys.executable, "-m", "tests.fleet.slurm_commands", "keep", str(folder), str(job + number)]
        subprocess.Popen(keeper, start_new_session=True, **NOWHERE)
    print(job)
    return 0


def keep(folder: Path, words: list[str]) -> int:
    """See one task through, as often as it is put into the queue again."""
    file = folder / f"task-{words[0]}.json"
    known = json.loads(file.read_text())
    options, raw = known["options"], str(known["raw"])
    job = {"SLURM_JOB_ID": raw, "SLURM_ARRAY_JOB_ID": str(known["job"]), "SLURM_ARRAY_TASK_ID": str(known["task"])}
    place = {"SLURM_NTASKS": "1", "SLURM_NNODES": "1", "SLURM_NODEID": "0", "SLURM_JOB_NODELIST": "localhost"}
    process = {"SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_CPUS_PER_TASK": options["--cpus-per-task"]}
    environment = {**os.environ, **job, **place, **process, "SLURM_JOB_NAME": options["--job-name"]}
    log = Path(known["cwd"], options["--output"].replace("%j", raw))
    again = True
    while again:
        mode = "ab" if options.get("--open-mode") == "append" else "wb"
        with log.open(mode) as output:
            batch = subprocess.Popen(known["words"], cwd=known["cwd"], env=environment, stdout=output, stderr=output)
            _keep(file, {**known, "pid": batch.pid})
            batch.wait()
        again = (folder / f"requeue-{raw}").exists()
        (folder / f"requeue-{raw}").unlink(missing_ok=True)
    file.unlink()
    return 0


def squeue(folder: Path, words: list[str]) -> int:
    assert {"--me", "--array", "--noheader", "--format=%F"} <= set(words)
    name = next(word for word in words if word.startswith("--name=")).removeprefix("--name=")
    for known in tasks(folder).values():
        if known["options"]["--job-name"] == name:  # type: ignore[index]
            print(known["job"])
    return 0


def scancel(folder: Path, words: list[str]) -> int:
    (wanted,) = [word for word in words if not word.startswith("--")]
    for known in tasks(folder).values():
        named = (str(known["job"]), str(known["raw"]), f"{known['job']}_{known['task']}")
        if wanted in named and "pid" in known and "--state=PENDING" not in words:
            _signal(int(str(known["pid"])), only_batch="--batch" in words)
    return 0


def scontrol(folder: Path, words: list[str]) -> int:
    verb, wanted = words
    assert verb == "requeue"
    for known in tasks(folder).values():
        # As SLURM does, which takes the id of the first task for that of the array.
        if wanted in (str(known["job"]), f"{known['job']}_{known['task']}"):
            (folder / f"requeue-{known['raw']}").touch()
            _signal(int(str(known["pid"])), only_batch=False)
    return 0


def _signal(batch: int, *, only_batch: bool) -> None:
    """What SLURM sends to a task that is ended: SIGTERM, to its script or to every process of it."""
    from tests.e2e.tracking import family  # which loads much that most commands do without

    for number in [batch] if only_batch else family(batch):
        if number != os.getpid():
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGTERM)


def _keep(file: Path, known: dict[str, object]) -> None:
    part = file.with_suffix(f".{time.monotonic_ns()}")
    part.write_text(json.dumps(known))
    part.replace(file)


if __name__ == "__main__":
    ACTS = {"sbatch": sbatch, "squeue": squeue, "scancel": scancel, "scontrol": scontrol, "keep": keep}
    sys.exit(ACTS[sys.argv[1]](Path(sys.argv[2]), sys.argv[3:]))
