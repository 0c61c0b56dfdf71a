"""What a program asks a device for, counted on the CPU.

Each makes the host wait until the device has done all that it was given before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

_SIZED = ("nonzero", "nonzero_static", "argwhere", "masked_select", "bincount", "repeat_interleave")
_UNIQUE = ("_unique", "_unique2", "unique_dim", "unique_consecutive", "unique_dim_consecutive")
READ_BY_OPERATOR = frozenset(("_local_scalar_dense", "is_nonzero", "equal", *_SIZED, *_UNIQUE))
"""Operators of aten whose answer, or the size of it, only the device knows."""
INDEXED = frozenset(("index", "index_put", "index_put_", "_index_put_impl_", "_unsafe_index"))
"""With an index of bool they look for what is true first."""
READ_BY_METHOD = frozenset(
    ("item", "tolist", "cpu", "numpy", "__array__", "__bool__", "__float__", "__int__", "__index__", "__contains__")
)
"""Methods that on the CPU call no operator, or none that tells."""


@contextmanager
def device_reads() -> Iterator[Counter[str]]:
    """Count, by name, what would be read from a device inside the block if all tensors lay on one."""
    counted: Counter[str] = Counter()
    with _Methods(counted), _Operators(counted):
        yield counted


class _Operators(TorchDispatchMode):
    """What C++ calls too: the backward pass and the optimizer."""

    def __init__(self, counted: Counter[str]) -> None:
        super().__init__()
        self._counted = counted

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        name = func.overloadpacket.__name__
        by_truth = name in INDEXED and any(_is_bool(index) for index in args[1])
        to_host = name == "_to_copy" and args[0].device.type != "cpu" and _is_cpu((kwargs or {}).get("device"))
        if name in READ_BY_OPERATOR or by_truth or to_host:
            self._counted[name] += 1
        return func(*args, **(kwargs or {}))


class _Methods(TorchFunctionMode):
    def __init__(self, counted: Counter[str]) -> None:
        super().__init__()
        self._counted = counted

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        name = getattr(func, "__name__", "")
        on_tensor = bool(args) and isinstance(args[0], Tensor)
        # Said by name; a `torch.device` is the one on which all this lies, here by chance the CPU.
        to_host = name == "to" and "cpu" in [
            word for word in (*args[1:], *(kwargs or {}).values()) if type(word) is str
        ]
        if on_tensor and (name in READ_BY_METHOD or to_host):
            self._counted[f"Tensor.{name}"] += 1
        return func(*args, **(kwargs or {}))


def _is_cpu(device: Any) -> bool:
    return device is not None and torch.device(device).type == "cpu"


def _is_bool(index: object) -> bool:
    return isinstance(index, Tensor) and index.dtype is torch.bool
