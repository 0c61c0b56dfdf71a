"""Lightning's trainer, without what Lightning looks up, plugs in or handles by itself.

What a run starts from is the spec's and kag's alone. Unasked, Lightning reads arguments from `PL_TRAINER_...`, adds
callbacks of installed packages, asks the scheduler's variables for other processes, goes on from a `hpc_ckpt_1.ckpt` in
the working directory, and handles SIGTERM and SIGUSR1. Where it offers no switch its own attributes are set here.
"""

from __future__ import annotations

import inspect
import logging
from pathlib import Path
from typing import Any

from lightning.fabric.utilities.rank_zero import rank_zero_only
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.trainer.connectors.signal_connector import _SignalConnector

from kag.train.processes import Processes
from kag.train.task import Task


def quieten() -> None:
    """Lightning says little that a person who trains needs; its levels are set when it is imported, as it is here."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)


def build_trainer(task: Task, callbacks: list[Callback], state: Path | None = None) -> Trainer:
    """The trainer of a task. It logs, shows, finds and handles nothing by itself.

    Args:
        callbacks: all that there are.
        state: Lightning checkpoint to go on from; None begins anew, whatever lies in the working directory.
    """
    processes = Processes(task.world)
    # Lightning has read it from the job's variables when it was imported.
    rank_zero_only.rank = processes.global_rank()  # type: ignore[attr-defined]  # Lightning's own way
    # An argument that is not said would be read from the environment.
    unsaid = {name: argument.default for name, argument in inspect.signature(Trainer).parameters.items()}
    trainer = Trainer(**unsaid | _arguments(task) | {"plugins": processes, "callbacks": [*callbacks]})
    own = [callback for callback in trainer.callbacks if callback in callbacks]  # type: ignore[attr-defined]
    vars(trainer)["callbacks"] = own
    trainer.ckpt_path = state
    trainer._checkpoint_connector._user_managed = True
    trainer._signal_connector = _NoSignals(trainer)
    return trainer


def _arguments(task: Task) -> dict[str, Any]:
    trainer = task.spec.trainer
    return {
        "accelerator": "cpu" if task.world.device == "cpu" else "cuda",
        "devices": task.world.devices,
        "num_nodes": task.world.nodes or 1,
        "precision": "32-true" if trainer.precision == "tf32" else trainer.precision,
        "max_epochs": task.spec.last_epoch + 1,
        "gradient_clip_val": trainer.gradient_clip or None,
        "accumulate_grad_batches": trainer.accumulate,
        "reload_dataloaders_every_n_epochs": 1 if task.spec.data.replay else 0,
        "use_distributed_sampler": False,
        "num_sanity_val_steps": 0,
        "sync_batchnorm": trainer.sync_batchnorm,
        "logger": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }


class _NoSignals(_SignalConnector):
    """Leaves the signals to `kag.train.signals`."""

    def register_signal_handlers(self) -> None:
        """Nothing is handled."""
