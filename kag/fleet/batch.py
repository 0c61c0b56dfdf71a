"""The batch script of agents under SLURM: one text for `kag sweep run --on slurm` and for `sweeps/slurm.sh`."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

from kag.fleet.shape import GRACE_SECONDS, PATIENCE, TERM_SECONDS, Shape

HEAD = """\
# Agents of one sweep as a SLURM array: each task is one `wandb agent` on whatever node it gets, all ask one server.
#
#   export WANDB_BASE_URL=https://tracking.example.org WANDB_API_KEY=...      # kag serve, or W&B itself
#   wandb sweep sweeps/swa_window.yaml                                        # prints entity/project/id
#   sbatch --array=0-7 sweeps/slurm.sh entity/project/id
#   sbatch --array=0-7 --gpus=0 --cpus-per-task=4 --time=02:00:00 sweeps/slurm.sh entity/project/id      # CPUs alone
#   scancel --batch --signal=TERM JOB      # ends it: trials save and leave; without these options they have 30 seconds
#
# `kag sweep run SWEEP.yaml --on slurm` does all of this in one command. Options of sbatch win over the lines below:
# --array, --cpus-per-task, --gpus, --time, --partition, --output. Variables that are set win too: OMP_NUM_THREADS
# (cores of a task), TMPDIR (where W&B's local files go). Submit it in the folder that holds runs/ and sweeps/, on a
# file system that all nodes see. With `--gpus=4` a trial may use four GPUs by itself: trainer.devices=4 in its spec.
"""

BODY = """\
set -euo pipefail

sweep=${{1:?the path of the sweep: entity/project/id}}
# Address and key of the server, if they stand in a file, which only its owner can read.
if [ -n "${{2:-}}" ]; then
    set -a
    # shellcheck disable=SC1090
    . "$2"
    set +a
fi
: "${{WANDB_API_KEY:?an API key of the server}}"

# Each task has its own cores; more threads than cores slow training many times over.
export OMP_NUM_THREADS=${{OMP_NUM_THREADS:-${{SLURM_CPUS_PER_TASK:-1}}}}
# W&B's local files are scratch, the run folders are the truth: away from the shared file system.
WANDB_DIR=$(mktemp --directory "${{TMPDIR:-/tmp}}/wandb.XXXXXX")
export WANDB_DIR
# An agent gives up when its first trials fail; the server bounds the retries of a point already.
export {patience}
# One task a trial: Lightning must start the other processes of a trial itself and not wait for SLURM to do so.
export SLURM_JOB_NAME=interactive

# SLURM sends USR1 three minutes before the time is up, or up to a minute earlier: the trial saves, its point goes back,
# and the task queues again. TERM ends the task in the same way, for good.
again=
{agent} &
agent=$!
trap 'again=yes; kill -TERM "$agent" 2>/dev/null || true' USR1
trap 'again=; kill -TERM "$agent" 2>/dev/null || true' TERM INT
# A signal ends a wait, not the agent.
while kill -0 "$agent" 2>/dev/null; do wait "$agent" || true; done
code=0
wait "$agent" || code=$?
# The id of the job of one task may be that of its whole array.
task=${{SLURM_ARRAY_JOB_ID:-$SLURM_JOB_ID}}${{SLURM_ARRAY_TASK_ID:+_$SLURM_ARRAY_TASK_ID}}
if [ -n "$again" ]; then scontrol requeue "$task"; fi
exit "$code"
"""

SHIPPED = Shape(agents=4, cpus=8, gpus=1, time="08:00:00")
"""What `sweeps/slurm.sh` asks for."""


def batch_script(
    shape: Shape, *, name: str, output: str, agent: str, about: str = "", folder: Path | None = None
) -> str:
    """A batch script whose arguments are the path of a sweep and, if wanted, a file of variables.

    Args:
        shape: of the agents.
        name: of the job.
        output: file of a task's log, in sbatch's patterns; `%j` is the id of the job that the record of a run has.
        agent: what starts an agent, as the shell reads it.
        about: comment lines at its head.
        folder: where tasks run; None is where it is submitted.
    """
    options = {
        "job-name": name,
        "chdir": None if folder is None else str(folder),
        "array": f"0-{shape.agents - 1}",
        "ntasks": "1",
        "cpus-per-task": str(shape.cpus),
        "gpus": str(shape.gpus) if shape.gpus else None,
        "time": shape.time,
        "signal": f"B:USR1@{GRACE_SECONDS}",
        "requeue": "",
        "open-mode": "append",
        "output": output,
    }
    lines = [f"#SBATCH {_option(key, value)}" for key, value in options.items() if value is not None]
    patience = " ".join(f"{key}={value}" for key, value in PATIENCE.items())
    return f"#!/usr/bin/env bash\n{about}" + "\n".join(lines) + "\n" + BODY.format(patience=patience, agent=agent)


def shipped_script() -> str:
    """`sweeps/slurm.sh`."""
    agent = f'wandb agent --forward-signals --term-timeout {TERM_SECONDS} "$sweep"'
    return batch_script(SHIPPED, name="kag-agent", output="slurm-%j.log", agent=agent, about=HEAD)


def environment_file(variables: Mapping[str, str]) -> str:
    """The text of a file of variables, as a shell reads it."""
    return "".join(f"{key}={shlex.quote(value)}\n" for key, value in sorted(variables.items()))


def _option(key: str, value: str) -> str:
    return f"--{key}={shlex.quote(value) if ' ' in value else value}" if value else f"--{key}"
