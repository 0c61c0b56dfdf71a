"""`scores/<split>.npz` as kag writes it: labels as bits, groups as lengths of runs, draws as float32."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from pydantic import Field, FiniteFloat, ValidationError

from kag.errors import RecordError
from kag.names import Part
from kag.stats.bootstrap import Resampled, metric_draws
from kag.stats.metrics import Array, Floats, Ints
from kag.stats.scores import Drawn, Scores, clustered, clusters_digest, run_lengths
from kag.track.npz import packed_arrays
from kag.track.reading import faults_of
from kag.track.value import Value

VERSIONS = (1, 2, 3)
"""Layouts; others are refused. A file without clusters is of the first one, which an older kag reads, too; the third
one has no draws, which are made when somebody asks for them.
"""

ABOUT = "kag_scores"
"""Array that says what the others are, JSON as bytes; a file without it is another program's."""

DRAWN = (ABOUT, "draws", "left_out")
"""Arrays without which there are no draws: a small part of a file."""

MOST_SAMPLES = 100_000
"""Resamples that are drawn because a file asks for them."""

LONGEST = 2**24
"""Bytes of that array."""


class About(Value):
    """What is no array."""

    version: Literal[1, 2, 3] = 1
    split: Part
    examples: int = Field(ge=0)
    groups: tuple[str, ...]
    clusters: tuple[int, ...] | None = None
    """Number of the cluster of each group; None where each is on its own."""
    threshold: FiniteFloat | None
    weights_digest: str
    data_digest: str
    examples_digest: str
    metrics: dict[str, FiniteFloat]
    """Value of each metric, in the order of the rows of `draws` and `left_out`."""
    samples: int | None = Field(default=None, ge=1, le=MOST_SAMPLES)
    """Resamples that are to be drawn where the file holds none."""


@dataclass(frozen=True, eq=False)
class LaterDraws(Mapping[str, Resampled]):
    """The draws of scores, made when the first of them is asked for: as they would be had they been kept."""

    about: About
    scores: Scores

    @cached_property
    def _made(self) -> Mapping[str, Resampled]:
        one = self.scores
        assert one.label_N is not None
        assert self.about.samples is not None
        found = metric_draws(
            one.value_N,
            one.label_N,
            one.unit_N,
            one.threshold,
            protein_N=one.group_N,
            samples=self.about.samples,
        )
        valued = {name: replace(found[name], value=value) for name, value in self.about.metrics.items()}
        return one.keeping(valued).draws

    def __getitem__(self, name: str) -> Resampled:
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.about.metrics)

    def __len__(self) -> int:
        return len(self.about.metrics)


def packed(scores: Scores, *, with_draws: bool = True) -> bytes:
    """A file of the scores of one of kag's own runs: with labels, groups, digests and draws.

    Args:
        with_draws: without them it is two fifths smaller, and they are made when they are needed.
    """
    assert scores.label_N is not None
    assert scores.groups is not None
    assert scores.weights_digest is not None
    assert scores.data_digest is not None
    draws = scores.draws
    clusters = None if scores.cluster_G is None else tuple(scores.cluster_G.tolist())
    about = About(
        version=3 if not with_draws else 1 if clusters is None else 2,
        split=scores.split,
        examples=len(scores.value_N),
        groups=scores.groups,
        clusters=clusters,
        threshold=scores.threshold,
        weights_digest=scores.weights_digest,
        data_digest=scores.data_digest,
        examples_digest=scores.examples_digest,
        metrics={name: one.value for name, one in draws.items()},
        samples=None if with_draws else max((len(one.draw_S) for one in draws.values()), default=1),
    )
    said = about.model_dump_json(exclude={name for name in ("clusters", "samples") if getattr(about, name) is None})
    group_R, length_R = run_lengths(scores.group_N)
    return packed_arrays(
        {
            ABOUT: np.frombuffer(said.encode(), dtype=np.uint8),
            "logit": scores.value_N.astype(np.float32, casting="same_kind"),
            "label": np.packbits(scores.label_N),
            "group": group_R.astype(np.int32),
            "length": length_R.astype(np.int32),
            **(_drawn_tables(draws) if with_draws else {}),
        }
    )


def _drawn_tables(draws: Mapping[str, Resampled]) -> dict[str, Array]:
    return {
        "draws": _table([one.draw_S for one in draws.values()]),
        "left_out": _table([one.left_out_U for one in draws.values()]),
    }


def unpacked(arrays: dict[str, Array], *, where: str) -> Scores:
    """The scores of a file that kag wrote.

    Raises:
        RecordError: of another version, or damaged.
    """
    about = _about(arrays[ABOUT], where)
    with _damage(where):
        return _scores(about, arrays)


def drawn(arrays: dict[str, Array], split: Part, *, where: str) -> Drawn:
    """The draws alone, of a file that kag wrote for this split.

    Raises:
        RecordError: of another version or split, or damaged.
    """
    about = _about(arrays[ABOUT], where)
    require_split(about.split, split, where=where)
    with _damage(where):
        cluster_G = _clusters(about)
        clusters = None if cluster_G is None else clusters_digest(cluster_G)
        return Drawn(about.weights_digest, about.examples_digest, _draws(about, cluster_G, arrays), clusters)


def require_split(found: Part, split: Part, *, where: str) -> None:
    """Refuse a file under the name of another split.

    Raises:
        RecordError: it is.
    """
    if found != split:
        raise RecordError(f"holds the scores of {found}, not of {split}", where=where)


@contextmanager
def _damage(where: str) -> Iterator[None]:
    try:
        yield
    except (KeyError, ValueError, IndexError, TypeError, OverflowError) as error:
        raise RecordError(f"is damaged: {error}", where=where, remedy=_REMEDY) from None


_REMEDY = "`kag eval RUN --store` makes it anew once the file is moved away"


def _about(text_B: Array, where: str) -> About:
    try:
        said: Any = json.loads(text_B.tobytes()) if text_B.nbytes <= LONGEST else None
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        raise RecordError("is damaged: what it says of itself is no JSON object", where=where, remedy=_REMEDY)
    version = said.get("version")
    if version not in VERSIONS:
        raise RecordError(
            f"has layout {version!r} of scores, this kag reads up to {VERSIONS[-1]}", where=where, remedy="update kag"
        )
    try:
        return About.model_validate_json(text_B.tobytes())
    except ValidationError as error:
        raise RecordError(f"is damaged: {faults_of(error)}", where=where, remedy=_REMEDY) from None


def _scores(about: About, arrays: dict[str, Array]) -> Scores:
    examples, groups = about.examples, len(about.groups)
    logit_N = _shaped(arrays["logit"], np.float32, (examples,))
    bit_B = _shaped(arrays["label"], np.uint8, (-(-examples // 8),))
    length_R = _shaped(arrays["length"], np.int32, (arrays["length"].size,))
    group_R = _shaped(arrays["group"], np.int32, length_R.shape)
    if (length_R < 1).any() or int(length_R.sum(dtype=np.int64)) != examples:
        raise ValueError("its groups have other examples than its scores")
    if not np.array_equal(np.unique(group_R), np.arange(groups)) or sorted(set(about.groups)) != list(about.groups):
        raise ValueError("its groups are not those that it names")
    cluster_G = _clusters(about)
    if not np.isfinite(logit_N).all():
        raise ValueError("it holds logits that are not finite")
    found = Scores(
        split=about.split,
        value_N=logit_N,
        label_N=np.unpackbits(bit_B, count=examples).astype(bool),
        group_N=np.repeat(group_R, length_R).astype(np.int64),
        groups=about.groups,
        threshold=about.threshold,
        weights_digest=about.weights_digest,
        data_digest=about.data_digest,
        kept=None if about.samples else _draws(about, cluster_G, arrays),
        cluster_G=cluster_G,
    )
    found = replace(found, kept=LaterDraws(about, found)) if about.samples else found
    if found.examples_digest != about.examples_digest:
        raise ValueError("its groups and labels are not those of its digest")
    return found


def _clusters(about: About) -> Ints | None:
    if about.clusters is None:
        return None
    cluster_G = np.array(about.clusters, dtype=np.int64)
    canonical_G = clustered(cluster_G)
    if len(cluster_G) != len(about.groups) or canonical_G is None or not np.array_equal(cluster_G, canonical_G):
        raise ValueError("its clusters are not those of its groups")
    return cluster_G


def _draws(about: About, cluster_G: Ints | None, arrays: dict[str, Array]) -> dict[str, Resampled]:
    metrics, units = len(about.metrics), len(about.groups) if cluster_G is None else int(cluster_G.max()) + 1
    draw_MS = _shaped(arrays["draws"], np.float32, (metrics, arrays["draws"].size // max(metrics, 1)))
    left_out_MU = _shaped(arrays["left_out"], np.float32, (metrics, units if metrics else 0))
    return {
        name: Resampled(value, draw_S.astype(np.float64), left_out_U.astype(np.float64))
        for (name, value), draw_S, left_out_U in zip(about.metrics.items(), draw_MS, left_out_MU, strict=True)
    }


def _shaped(array: Array, dtype: type[np.generic], shape: tuple[int, ...]) -> Array:
    if array.dtype != np.dtype(dtype) or array.shape != shape:
        raise ValueError(f"an array is {array.dtype}{list(array.shape)}, not {np.dtype(dtype)}{list(shape)}")
    return array


def _table(values: list[Floats]) -> Array:
    return np.array(values, dtype=np.float32) if values else np.zeros((0, 0), dtype=np.float32)
