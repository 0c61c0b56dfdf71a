"""How long texts of variable length are, told by the file's references to them: no text is read for it.

Source: HDF5 File Format Specification, version 3.0, section VIII.A (global heap IDs): a variable-length element is its
length, the address of a heap and its number in there. h5py can tell a length only by reading the text.
"""

from __future__ import annotations

import zlib

import h5py
import numpy as np
from h5py import h5z
from numpy.typing import NDArray

REFERENCE = np.dtype([("length", "<u4"), ("heap", "<u8"), ("place", "<u4")])
"""As files have it whose addresses have 8 bytes."""


def stored_lengths(dataset: h5py.Dataset) -> NDArray[np.int64] | None:
    """Bytes of each text of a dataset with one axis, shape (N,).

    Returns:
        None where the file does not tell: it is stored in one piece or by other filters, or it is damaged, which
        whoever reads the texts meets.
    """
    stored = dataset.id.get_create_plist()
    filters = [stored.get_filter(place)[0] for place in range(stored.get_nfilters())]
    if not dataset.chunks or dataset.file.id.get_create_plist().get_sizes()[0] != 8:
        return None
    rows = dataset.chunks[0]
    length_N = np.empty(len(dataset), np.int64)
    try:
        for start in range(0, len(dataset), rows):
            skipped, chunk = dataset.id.read_direct_chunk((start,))
            # A filter that made a chunk no smaller was left out, and shuffling always is for references.
            applied = [number for place, number in enumerate(filters) if not skipped >> place & 1]
            if applied == [h5z.FILTER_DEFLATE]:
                chunk = zlib.decompressobj().decompress(chunk, rows * REFERENCE.itemsize)
            elif applied:
                return None
            length_N[start : start + rows] = np.frombuffer(chunk, REFERENCE, rows)["length"][: len(dataset) - start]
    except (OSError, RuntimeError, ValueError, zlib.error):
        return None
    return length_N
