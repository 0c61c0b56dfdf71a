"""What a person sees while a run trains: how far it is, and one line an epoch that goes to `console.log` as well."""

from __future__ import annotations

import io
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from rich.markup import escape
from rich.progress import TaskID, TextColumn

from kag import names
from kag.errors import StorageError
from kag.model.batch import Batch
from kag.track.atomic import storing
from kag.view.progress import Clock, MinuteLines, Pace, bar, busy, draws, pace_line
from kag.view.results import measured
from kag.view.terminal import Terminal, echo

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
        self._heard = True

    def log_to(self, path: Path) -> None:
        """From now on also write to this file."""
        self._log = path

    def print(self, item: Any) -> None:
        """Print text (with markup) or a table."""
        if self._heard:
            self._show(item)
        if self._log is not None:
            plain = Terminal(file=io.StringIO(), width=120, color_system=None)
            plain.print(item, soft_wrap=isinstance(item, str))
            self._write(plain.file.getvalue())  # type: ignore[attr-defined]  # it is the StringIO above

    def _show(self, item: Any) -> None:
        """Print. A stream that takes no more is told of once and given up: a run does not end for it."""
        try:
            self.terminal.print(item, soft_wrap=isinstance(item, str), highlight=False)
        except StorageError as error:
            self._heard = False
            with suppress(StorageError):
                echo(f"the run goes on without its lines here: {error}", err=True)

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

    def busy(self, what: str) -> AbstractContextManager[None]:
        """Say on a terminal, inside a block, what it is that takes time."""
        return busy(what, self.terminal)

    def warn(self, text: str) -> None:
        """Print a warning."""
        self.print(f"[yellow]warning:[/yellow] {escape(text)}")


def epoch_line(row: Mapping[str, float], best: bool) -> str:
    """One line about an epoch."""
    values = "  ".join(f"{title} {measured(key, row[key])}" for title, key in COLUMNS if key in row)
    averaged = row.get(names.averaged(names.OBJECTIVE))
    window = f"  averaged {measured(names.OBJECTIVE, averaged)}" if averaged is not None else ""
    return f"epoch {int(row[names.EPOCH]):3d}  {values}{window}{'  best so far' if best else ''}"


class EpochProgress(Callback):
    """How far a run is, inside an epoch too: a bar on a terminal, elsewhere a line a minute.

    What is said of a batch is known on the CPU: no batch waits for the device because of it.

    Args:
        console: of the run; its `console.log` has neither bar nor lines.
        first_epoch: with which training begins.
        clock: what time it is.
    """

    def __init__(self, console: RunConsole, first_epoch: int, clock: Clock = time.monotonic) -> None:
        self._first = first_epoch
        self._clock = clock
        self._lines = MinuteLines(console.terminal.say, clock)
        fields = [TextColumn(f"{{task.fields[{name}]}}") for name in ("rate", "figures")]
        self._bar = bar(console.terminal, *fields) if draws(console.terminal) else None
        self._task: TaskID | None = None
        self._begin(0)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show the bar, over all batches of the run."""
        if self._bar is not None:
            total = int(trainer.num_training_batches) * ((trainer.max_epochs or 0) - self._first)
            self._task = self._bar.add_task("training", total=total, rate="", figures="")
            self._bar.start()

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """An epoch has a pace of its own: validation is not in it."""
        self._begin(trainer.current_epoch)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        """One batch further."""
        self._points += len(batch.label_B) * trainer.world_size
        self._batches += 1
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, advance=1, description=self._epoch, rate=self._rate())
        else:
            self._lines.offer(lambda: self._line(batch_idx + 1, int(trainer.num_training_batches)))

    def show(self, row: Mapping[str, float]) -> None:
        """Put the figures of a finished epoch beside the bar."""
        if self._bar is not None and self._task is not None:
            figures = "  ".join(f"{title} {measured(key, row[key])}" for title, key in COLUMNS[1:5] if key in row)
            self._bar.update(self._task, figures=figures)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take the bar away."""
        self._end()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Take the bar away."""
        self._end()

    def _begin(self, epoch: int) -> None:
        self._epoch = f"epoch {epoch:3d}"
        self._points, self._batches, self._begun = 0, 0, self._clock()

    def _end(self) -> None:
        if self._bar is not None:
            self._bar.stop()

    def _rate(self) -> str:
        return f"{self._points / max(self._clock() - self._begun, 1e-9):,.0f} samples/s"

    def _line(self, batch: int, batches: int) -> str:
        """Of an epoch that a resume began in the middle, the pace is that of the batches that were trained here."""
        seconds = (self._clock() - self._begun) / self._batches * batch
        return pace_line(self._epoch, Pace(batch, batches, seconds), "batches", self._rate())
