"""`StateWriter`: puts states of training on the disk while the next epoch trains.

What is written is a copy in the host's memory, made between two steps: training may change its tensors at once. One
thread writes one state at a time, and everybody who needs to know that it is there waits for it: the next state, the
end of training, a signal, a failure. Killed at any moment, a run has the older state, whole.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from types import TracebackType
from typing import Any

from torch import Tensor


class StateWriter:
    """A context around training. Leaving it waits for what is being written.

    Args:
        warn: told of what could not be written where another error has ended the training already.
    """

    def __init__(self, warn: Callable[[str], None]) -> None:
        self._warn = warn
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="states")
        self._pending: Future[None] | None = None

    def start(self, write: Callable[[], None]) -> None:
        """Begin to write, once nothing else is being written.

        Raises:
            StorageError: what was written before is not on the disk.
        """
        self.wait()
        self._pending = self._thread.submit(write)

    def wait(self) -> None:
        """Return when all that was begun is on the disk.

        Raises:
            StorageError: it is not.
        """
        if (failure := self._ended()) is not None:
            raise failure

    def _ended(self) -> BaseException | None:
        if self._pending is None:
            return None
        # A signal may break off the waiting; what is written is waited for all the same.
        wait_for([self._pending])
        done, self._pending = self._pending, None
        return done.exception()

    def __enter__(self) -> StateWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            failure = self._ended()
        finally:
            self._thread.shutdown(wait=True)
        if failure is not None and error is None:
            raise failure
        if failure is not None:
            self._warn(f"the last state of training is not on the disk: {failure}")


def host_copy(value: Any) -> Any:
    """The value with every tensor inside copied to the host's memory; what else mappings and lists hold is shared."""
    if isinstance(value, Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, dict):
        # A copy of the mapping keeps its class and its attributes: torch's state has its version in one.
        copied = copy.copy(value)
        copied.update({key: host_copy(each) for key, each in value.items()})
        return copied
    if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
        return type(value)(map(host_copy, value))
    return value
