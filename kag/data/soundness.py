"""What is odd about data that can be read. Each rule is a pure function; together they see what no reader can refuse.

A warning stops nobody: `kag data check`, `kag check` and `kag train` print it, and it stands in the record.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from kag.data.residues import Residues
from kag.data.sites import Sites
from kag.finding import Evidence, Finding, error, gravest_first, warning
from kag.names import SPLITS
from kag.spec.run import RunSpec

SAME_SHARE = 1e-3
"""Share of the residues that may have the embedding of another one of their protein before it is said."""

TWIN_SHARE = 0.5
"""Share of a protein's residues that are found in another split, from which on it counts as the same chain."""

NEAREST = (1.2, 20.0)
"""Angstrom between which the median distance to the nearest residue lies. A peptide bond has 1.33, C-alphas 3.8."""

USED_SHARE = 0.1
"""Share of the neighbours within `data.max_distance` below which it is said."""

Rule = Callable[[Sites, Residues], Iterator[Finding]]


def soundness(sites: Sites) -> list[Finding]:
    """Every finding of every rule."""
    arrays = sites.prepared.findings if sites.prepared is not None else findings_of_arrays(sites)
    return [*arrays, *cluster_in_two_splits(sites)]


def findings_of_arrays(sites: Sites) -> list[Finding]:
    """Those that depend on the arrays of the file alone."""
    residues = Residues.of(sites)
    return [finding for rule in RULES for finding in rule(sites, residues)]


def soundness_for(sites: Sites, spec: RunSpec) -> list[Finding]:
    """What a run of a spec should know of its data, errors first."""
    found = [*neighbours_in_reach(sites, spec), *soundness(sites)]
    return gravest_first(found)


def neighbours_in_reach(sites: Sites, spec: RunSpec) -> Iterator[Finding]:
    """Some neighbour is within `data.max_distance`, unless the spec switches the context off."""
    if spec.model.gate.context_scale.bounds()[1] == 0:
        return
    limit = spec.data.max_distance
    there, used = int((sites.neighbour_NK >= 0).sum()), int((sites.distance_NK <= limit).sum())
    smallest = float(sites.distance_NK.min()) if there else None
    numbers: Evidence = {"neighbours": there, "used": used, "max_distance": limit, "smallest": smallest}
    within = f"within data.max_distance = {limit:g} angstrom"
    if not used:
        why = "every neighbour is missing"
        if there:
            why = f"no neighbour is {within}, the smallest distance is {smallest:.4g}"
        sentence = f"{why}: there is no context to learn from, unless model.gate.context_scale is 0"
        yield error("no_neighbours", sentence, **numbers)
    elif used < USED_SHARE * there:
        yield warning("few_neighbours", f"only {used:,} of {there:,} neighbours are {within}", **numbers)


def neighbours_missing(sites: Sites, _: Residues) -> Iterator[Finding]:
    """Somebody has a neighbour."""
    if not (sites.neighbour_NK >= 0).any():
        yield warning("neighbours_missing", "every neighbour is missing", points=sites.points)


def neighbours_repeated(sites: Sites, _: Residues) -> Iterator[Finding]:
    """A centre lists each neighbour once."""
    index_NK = np.sort(sites.neighbour_NK, axis=1)
    twice_N = ((index_NK[:, 1:] == index_NK[:, :-1]) & (index_NK[:, 1:] >= 0)).any(axis=1)
    if twice_N.any():
        points, first = int(twice_N.sum()), int(twice_N.argmax())
        sentence = f"{points:,} points list a neighbour twice, the first in row {first}"
        yield warning("neighbours_repeated", sentence, points=points, first=first)


def distances_odd(sites: Sites, _: Residues) -> Iterator[Finding]:
    """Distances are in angstrom."""
    nearest_N = sites.distance_NK.min(axis=1)
    nearest_N = nearest_N[np.isfinite(nearest_N)]
    low, high = NEAREST
    middle = float(np.median(nearest_N)) if nearest_N.size else low
    if not low <= middle <= high:
        looks = "like nanometres" if middle < low else "too large for neighbours, like picometres"
        sentence = f"the median distance to the nearest neighbour is {middle:.4g} angstrom, which looks {looks}"
        yield warning("distances_odd", sentence, median=middle)


def embeddings_zero(sites: Sites, residues: Residues) -> Iterator[Finding]:
    """A residue has an embedding."""
    zero = int(residues.zero_R.sum())
    if zero:
        sentence = f"{zero:,} of {sites.residues:,} residues ({zero / sites.residues:.1%}) have an embedding of zeros"
        yield warning("embeddings_zero", sentence, zero=zero, residues=sites.residues)


def embeddings_repeated(_: Sites, residues: Residues) -> Iterator[Finding]:
    """Residues of a protein differ in their embeddings."""
    known = len(residues.protein_U)
    again = known - len(np.unique(residues.first_alike(residues.protein_U)))
    if again > max(1.0, SAME_SHARE * known):
        sentence = f"{again:,} of {known:,} residues ({again / known:.1%}) have the embedding of another one"
        yield warning("embeddings_repeated", f"{sentence} of their protein", again=again, residues=known)


def chain_in_two_splits(sites: Sites, residues: Residues) -> Iterator[Finding]:
    """A chain is in one split, under whatever key: it is told by residues of one number and one embedding."""
    proteins = len(sites.proteins)
    split_P = np.empty(proteins, np.int8)
    split_P[sites.protein_N] = sites.split_N
    protein_U = residues.protein_U
    # The first one alike is looked for split by split, so that the chain of the later split is the one that is told.
    order_U = np.argsort(split_P[protein_U], kind="stable")
    other_U = protein_U[residues.first_alike(residues.number_U, order_U)]
    shared_U = split_P[other_U] != split_P[protein_U]
    shared_P = np.bincount(protein_U[shared_U], minlength=proteins)
    twin = np.flatnonzero(shared_P > TWIN_SHARE * np.bincount(protein_U, minlength=proteins))
    if twin.size:
        first = int(twin[0])
        other = int(np.bincount(other_U[shared_U & (protein_U == first)]).argmax())
        one, two = (f"{sites.proteins[place]} ({SPLITS[split_P[place]]})" for place in (first, other))
        more = f"; of {len(twin) - 1:,} more the same can be said" if len(twin) > 1 else ""
        sentence = f"{one} and {two} have the same residue numbers and embeddings: one chain in two splits{more}"
        yield warning("chain_in_two_splits", sentence, proteins=len(twin), first=sites.proteins[first])


def cluster_in_two_splits(sites: Sites) -> Iterator[Finding]:
    """Proteins that belong together are in one split: what is like a train protein is no test of unseen ones."""
    if sites.cluster_P is None:
        return
    split_P = np.empty(len(sites.proteins), np.int8)
    split_P[sites.protein_N] = sites.split_N
    first_C = np.unique(sites.cluster_P, return_index=True)[1]
    astray_P = split_P != split_P[first_C][sites.cluster_P]
    torn = np.unique(sites.cluster_P[astray_P])
    if torn.size:
        second = int(astray_P.argmax())
        first = int(first_C[sites.cluster_P[second]])
        one, two = (f"{sites.proteins[place]} ({SPLITS[split_P[place]]})" for place in (first, second))
        counted = f"{len(torn):,} of {len(first_C):,} clusters lie in two splits"
        sentence = f"{counted}: {one} and {two} belong together, so that one tells of the other"
        yield warning("cluster_in_two_splits", sentence, clusters=len(torn), first=sites.proteins[second])


RULES: tuple[Rule, ...] = (
    neighbours_missing,
    neighbours_repeated,
    distances_odd,
    embeddings_zero,
    embeddings_repeated,
    chain_in_two_splits,
)
