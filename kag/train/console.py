"""What a person sees while a run trains: one bar, and one line an epoch that goes to `console.log` as well."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from kag import names
from kag.errors import StorageError
from kag.track.atomic import storing
from kag.view.results import measured
from kag.view.terminal import Terminal

COLUMNS = (
    ("loss", names.TRAIN_LOSS),
    ("val AUPRC", names.OBJECTIVE),
    ("IoU", names.evaluation("val", "iou")),
    ("alpha", names.ALPHA_MEAN),
    ("entropy", names.ENTROPY),
    ("lr", names.LR),
)


class RunConsole:
    """Prints to the terminal and, line by line, to the run's `console.log`.

    Args:
        log: the file, or None before there is one.
        quiet: print nothing to the terminal.
        stderr: print to the error stream.
    """

    def __init__(self, log: Path | None = None, *, quiet: bool = False, stderr: bool = False) -> None:
        self.terminal = Terminal(quiet=quiet, stderr=stderr)
        self._log = log

    def log_to(self, path: Path) -> None:
        """From now on also write to this file."""
        self._log = path

    def print(self, item: Any) -> None:
        """Print text (with markup) or a table."""
        self.terminal.print(item, soft_wrap=isinstance(item, str), highlight=False)
        if self._log is not None:
            plain = Terminal(file=io.StringIO(), width=120, color_system=None)
            plain.print(item, soft_wrap=isinstance(item, str))
            self._write(plain.file.getvalue())  # type: ignore[attr-defined]  # it is the StringIO above

    def _write(self, text: str) -> None:
        """Add to the log. One that cannot be written is told of once and given up: a run does not end for it."""
        log, self._log = self._log, None
        assert log is not None
        try:
            with storing(log), log.open("a", encoding="utf-8") as file:
                file.write(text)
        except StorageError as error:
            self.warn(str(error))
        else:
            self._log = log

    def say(self, sentence: str) -> None:
        """Print a line as it is."""
        self.print(escape(sentence))

    def warn(self, text: str) -> None:
        """Print a warning."""
        self.print(f"[yellow]warning:[/yellow] {escape(text)}")


def epoch_line(row: Mapping[str, float], best: bool) -> str:
    """One line about an epoch."""
    values = "  ".join(f"{title} {measured(key, row[key])}" for title, key in COLUMNS if key in row)
    averaged = row.get(names.averaged(names.OBJECTIVE))
    window = f"  averaged {measured(names.OBJECTIVE, averaged)}" if averaged is not None else ""
    return f"epoch {int(row[names.EPOCH]):3d}  {values}{window}{'  best so far' if best else ''}"


class ProgressBar(Callback):
    """One bar over all batches of the run, with the time that is left and the newest validation figures."""

    def __init__(self, console: RunConsole, first_epoch: int) -> None:
        self._first = first_epoch
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[figures]}"),
            console=console.terminal,
            transient=True,
            disable=not console.terminal.is_terminal,
        )
        self._task: TaskID | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show the bar."""
        epochs = (trainer.max_epochs or 0) - self._first
        total = int(trainer.num_training_batches) * epochs
        self._task = self._progress.add_task("training", total=total, figures="")
        self._progress.start()

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        """One batch further."""
        if self._task is not None:
            self._progress.update(self._task, advance=1, description=f"epoch {trainer.current_epoch}")

    def show(self, row: Mapping[str, float]) -> None:
        """Put the figures of a finished epoch beside the bar."""
        if self._task is not None:
            figures = "  ".join(f"{title} {measured(key, row[key])}" for title, key in COLUMNS[1:5] if key in row)
            self._progress.update(self._task, figures=figures)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take the bar away."""
        self._progress.stop()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Take the bar away."""
        self._progress.stop()
