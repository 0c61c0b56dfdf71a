"""Where the centre residue of each point is in the residue table, and what to do where it is not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kag import text
from kag.data import layout as names
from kag.data.hdf5 import LayoutFile
from kag.errors import DataError

COMPARED_ROWS = 256
CHEAP_BYTES = 64 * 2**20
"""Most that is decompressed to compare what the file holds twice: a fraction of a second."""
COMPARED_BYTES = 256 * 2**20
"""The same where a person asked whether the file is sound; two chunks, however large."""
MOST_CHUNKS = 16


INSERTION_CODES = "two residues of the chain share the number, as insertion codes make them (100 and 100A)"
RENUMBER = (
    f"give each residue of a chain a number of its own in `{names.TABLE_NUMBERS.name}`, "
    f"`{names.RESIDUE_NUMBERS.name}` and `{names.NEIGHBOUR_NUMBERS.name}`"
)


@dataclass(frozen=True, eq=False)
class Centres:
    """Centre residues. The table has R rows in the file; centres that it lacks get rows behind them."""

    row_N: NDArray[np.int32]
    """Row of the extended table."""
    lacking_N: NDArray[np.bool_]
    """The file's table has no row for it, or several under one residue number (see `twice_N`)."""
    twice_N: NDArray[np.bool_]
    """The file's table has several rows of its number: insertion codes."""
    key_N: NDArray[np.int64]
    """(protein, residue number) of each point as one number."""
    key_R: NDArray[np.int64]
    """The same of each row of the extended table."""
    number_R: NDArray[np.int32]
    """Residue number of each row of the extended table."""


def find_centres(
    protein_N: NDArray[np.int32],
    number_N: NDArray[np.int32],
    protein_R: NDArray[np.int32],
    table_number_R: NDArray[np.int32],
) -> Centres:
    """Look every (protein, residue number) up in the table.

    Args:
        protein_N: protein of each point.
        number_N: residue number of each point.
        protein_R: protein of each row of the table; -1 if no point belongs to it.
        table_number_R: residue number of each row of the table.
    """
    key_N = _key(protein_N, number_N)
    key_R = _key(protein_R, table_number_R)
    order_R = np.argsort(key_R, kind="stable")
    ordered_R = key_R[order_R]
    first_N = np.searchsorted(ordered_R, key_N, side="left")
    count_N = np.searchsorted(ordered_R, key_N, side="right") - first_N
    lacking_N = count_N != 1
    row_N = order_R[np.minimum(first_N, len(order_R) - 1)].astype(np.int32)
    new_A, which = np.unique(key_N[lacking_N], return_inverse=True)
    row_N[lacking_N] = len(key_R) + which
    number_A = (new_A & 0xFFFFFFFF).astype(np.uint32).view(np.int32)
    return Centres(
        row_N=row_N,
        lacking_N=lacking_N,
        twice_N=count_N > 1,
        key_N=key_N,
        key_R=np.concatenate([key_R, new_A]),
        number_R=np.concatenate([table_number_R, number_A]),
    )


def _key(protein: NDArray[np.int32], number: NDArray[np.int32]) -> NDArray[np.int64]:
    return (protein.astype(np.int64) << 32) | number.view(np.uint32).astype(np.int64)


def append_from_esm(
    file: LayoutFile, centres: Centres, residue_RD: NDArray[np.float32], proteins: tuple[str, ...]
) -> None:
    """Fill the rows behind the file's table from the `esm` rows of the points that need them.

    Raises:
        DataError: `esm` is missing or not finite, no chunk of it fits into memory, or two points of one residue
            differ in it.
    """
    if not file.has(names.ESM):
        raise _without_embedding(file, centres, proteins)
    file.require_chunk(names.ESM)
    filled_R = np.zeros(len(residue_RD), bool)
    for rows in file.blocks(names.ESM):
        wanted = np.flatnonzero(centres.lacking_N[rows])
        if not wanted.size:
            continue
        block = file.rows(names.ESM, rows)[wanted]
        bad = np.zeros(rows.stop - rows.start, bool)
        bad[wanted] = ~np.isfinite(block).all(axis=1)
        file.refuse_rows(bad, names.ESM, "the value is NaN or infinite", rows=rows)
        target = centres.row_N[rows][wanted]
        fresh, first = np.unique(target, return_index=True)
        first = first[~filled_R[fresh]]
        residue_RD[target[first]] = block[first]
        filled_R[target[first]] = True
        bad[wanted] = (block != residue_RD[target]).any(axis=1)
        differs = "another point of the same residue has another embedding"
        twice = bad & centres.twice_N[rows]
        file.refuse_rows(twice, names.ESM, f"{differs}: {INSERTION_CODES}", rows=rows, remedy=RENUMBER)
        file.refuse_rows(bad, names.ESM, differs, rows=rows)


def _without_embedding(file: LayoutFile, centres: Centres, proteins: tuple[str, ...]) -> DataError:
    twice = bool(centres.twice_N.any())
    bad_N = centres.twice_N if twice else centres.lacking_N
    row = int(bad_N.argmax())
    protein = proteins[int(centres.key_N[row] >> 32)]
    how = "are in the residue table several times" if twice else "are not in the residue table"
    return DataError(
        f"{int(bad_N.sum())} centre residues {how}, and there is no `{names.ESM.name}` to take them from; "
        f"the first is {protein} {centres.number_R[centres.row_N[row]]}" + (f": {INSERTION_CODES}" if twice else ""),
        where=file.where(names.RESIDUE_NUMBERS, row),
        remedy=RENUMBER if twice else None,
    )


def prove_table(
    file: LayoutFile, centres: Centres, residue_RD: NDArray[np.float32], *, thorough: bool
) -> tuple[str, ...]:
    """Compare a sample of the `esm` rows with the table rows that stand for them.

    Chunks that hold the sample are read whole by HDF5, so the sample is drawn from a few chunks over the file.

    Args:
        thorough: whatever it costs; otherwise only where few bytes must be decompressed for it.

    Returns:
        A sentence if nothing was compared.

    Raises:
        DataError: a row differs, or no chunk fits into memory.
    """
    compared = _sampled_rows(file, thorough=thorough)
    if not compared:
        chunk = text.size(file.chunk_bytes(names.ESM))
        return (
            f"`{names.ESM.name}` was not compared with the residue table: for a row of it {chunk} would have to be "
            "read; `kag data check` does that",
        )
    file.require_chunk(names.ESM)
    for rows in compared:
        block = file.rows(names.ESM, rows)
        expected = residue_RD[centres.row_N[rows]]
        if file.item_bytes(names.ESM) < 4 or file.item_bytes(names.RESIDUE_EMBEDDINGS) < 4:
            with np.errstate(over="ignore"):
                block, expected = block.astype(np.float16), expected.astype(np.float16)
        file.refuse_rows(
            (block != expected).any(axis=1),
            names.ESM,
            f"the embedding differs from the centre's row of `{names.RESIDUE_EMBEDDINGS.name}`",
            rows=rows,
        )
    return ()


def _sampled_rows(file: LayoutFile, *, thorough: bool) -> list[slice]:
    """Strided rows of at most 16 chunks, about 256 in all, spread evenly, first and last chunk among them; none where
    that is too much.
    """
    points, chunk, size = file.sizes["N"], file.chunk_rows(names.ESM), file.chunk_bytes(names.ESM)
    chunks = -(-points // chunk)
    affordable = max(2, COMPARED_BYTES // size) if thorough else CHEAP_BYTES // size
    if not affordable:
        return []
    if chunks == 1:
        return [slice(0, points, -(-points // COMPARED_ROWS))]
    picked = np.unique(np.linspace(0, chunks - 1, min(affordable, MOST_CHUNKS)).astype(int)).tolist()
    step = max(1, chunk * len(picked) // COMPARED_ROWS)
    return [slice(index * chunk, min((index + 1) * chunk, points), step) for index in picked]
