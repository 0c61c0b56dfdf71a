"""The threads of a training process. How many is decided by `kag.track.world`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from kag.track.world import THREADS, World


@contextmanager
def with_threads(world: World) -> Iterator[None]:
    """Torch computes inside the block with as many threads as the world has; with as many as before after it.

    The environment says so too: the processes that Lightning starts read it there, and it sets its own number unless
    somebody has decided.
    """
    threads, said = torch.get_num_threads(), os.environ.get(THREADS)
    if world.threads not in (None, threads):
        torch.set_num_threads(world.threads)
    os.environ[THREADS] = str(torch.get_num_threads())
    try:
        yield
    finally:
        if threads != torch.get_num_threads():
            torch.set_num_threads(threads)
        os.environ.pop(THREADS)
        if said is not None:
            os.environ[THREADS] = said
