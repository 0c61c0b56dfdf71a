"""Runs of TensorBoard: each folder with event files is one, read by TensorBoard's own loader."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kag.errors import UserError
from kag.transfer.facts import RunFacts
from kag.transfer.stored import StoredOrigin, last_values, moment_text, run_id_of, wrapped

EVENTS = "*tfevents*"


@dataclass
class _Logged:
    rows: list[dict[str, Any]] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)
    """Tag -> what it holds: only the first event of a tag says so."""
    left: dict[str, int] = field(default_factory=dict)
    """Kind of value that is no number -> how many there are."""


class TensorboardOrigin(StoredOrigin):
    """The runs below a folder; see `Origin`.

    Args:
        folder: as `tensorboard --logdir` takes it.

    Raises:
        UserError: there are no event files, or TensorBoard is not installed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._rows: dict[str, Sequence[Mapping[str, Any]]] = {}
        self._remarks: list[str] = []
        if not any(folder.rglob(EVENTS)):
            raise UserError("there are no event files below this folder", where=str(folder))
        require_tensorboard()

    def __str__(self) -> str:
        return f"tensorboard:{self.folder}"

    def remarks(self) -> Sequence[str]:
        """What could be read in part only; see `Origin.remarks`."""
        return self._remarks

    def run_facts(self) -> Iterator[RunFacts]:
        """Every run; see `Origin.run_facts`."""
        folders = sorted({file.parent for file in self.folder.rglob(EVENTS)})
        for folder in folders:
            name = folder.relative_to(self.folder).as_posix()
            found = _read(folder)
            if found.left:
                kinds = ", ".join(f"{count} of {kind}" for kind, count in sorted(found.left.items()))
                self._remarks.append(f"run {name}: numbers alone are taken, and not {kinds}")
            if not found.rows:
                self._remarks.append(f"run {name} has no numbers, and is not taken")
                continue
            run = run_id_of(self.folder.resolve().name if name == "." else name)
            self._rows[run] = found.rows
            times = [row["_timestamp"] for row in found.rows]
            yield RunFacts(
                id=run,
                name=run if name == "." else name,
                config=wrapped(found.config),
                summary=last_values(found.rows),
                created=moment_text(min(times)),
                heard=moment_text(max(times)),
                state="finished",
                exit_code=0,
            )

    def rows(self, run: RunFacts) -> Sequence[Mapping[str, Any]]:
        """One row for what was written one after another of one step; see `StoredOrigin.rows`."""
        return self._rows[run.id]


def require_tensorboard() -> None:
    """Say what is missing where event files are to be read or written.

    Raises:
        UserError: TensorBoard is not installed.
    """
    try:
        import tensorboard.compat.proto.event_pb2  # noqa: F401
    except ModuleNotFoundError as error:
        raise UserError("event files need TensorBoard", remedy="pip install 'kag[tensorboard]'") from error


def _read(folder: Path) -> _Logged:
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    found = _Logged()
    for file in sorted(folder.glob(EVENTS)):
        for event in EventFileLoader(str(file)).Load():
            for value in event.summary.value if event.HasField("summary") else ():
                _take(found, event, value)
    return found


def _take(found: _Logged, event: Any, value: Any) -> None:
    from tensorboard.util.tensor_util import make_ndarray

    plugin = value.metadata.plugin_data.plugin_name or found.kinds.get(value.tag, "")
    found.kinds[value.tag] = plugin
    if plugin == "hparams":
        found.config |= _hyperparameters(value.metadata.plugin_data.content)
    elif plugin != "scalars":
        found.left[plugin or "another kind"] = found.left.get(plugin or "another kind", 0) + 1
    else:
        last = found.rows[-1] if found.rows else None
        if last is None or last["_step"] != event.step or value.tag in last:
            last = {"_step": event.step, "_timestamp": event.wall_time}
            found.rows.append(last)
        last[value.tag] = float(make_ndarray(value.tensor).item())


def _hyperparameters(content: bytes) -> dict[str, Any]:
    from tensorboard.plugins.hparams import metadata, plugin_data_pb2

    data = plugin_data_pb2.HParamsPluginData.FromString(content)
    if data.WhichOneof("data") != "session_start_info":
        return {}
    given = metadata.parse_session_start_info_plugin_data(content).hparams
    return {name: getattr(value, value.WhichOneof("kind")) for name, value in given.items() if value.WhichOneof("kind")}
