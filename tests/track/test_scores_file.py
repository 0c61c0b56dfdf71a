"""Files of scores as kag writes them: what was written comes back bit for bit, what is damaged is a sentence."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kag.errors import RecordError
from kag.names import Part
from kag.stats.bootstrap import Resampled, metric_draws
from kag.stats.metrics import Array
from kag.stats.scores import Scores, clustered, grouped
from kag.track.folder import RunFolder
from kag.track.npz import UNPACKED, arrays_of, packed_arrays
from kag.track.scores_file import ABOUT, packed
from kag.track.scores_of_run import LARGEST, read_drawn, read_scores, scores_in, write_scores
from tests.track.made_scores import made_scores, same_scores

FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)


@st.composite
def any_scores(draw: st.DrawFn) -> Scores:
    """Scores of any size, none included, with groups in any order and of any name."""
    names = draw(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6)))
    group_N, groups = grouped(np.array(names, dtype=str))
    cluster_G = clustered(np.array(draw(st.lists(st.integers(0, 3), min_size=len(groups), max_size=len(groups)))))
    units = len(groups) if cluster_G is None else int(cluster_G.max()) + 1
    size, samples = len(names), draw(st.integers(0, 3))
    row = st.lists(FLOATS, min_size=size, max_size=size)
    draws = st.builds(
        lambda value, drawn, left: Resampled(value, np.array(drawn), np.array(left)),
        st.floats(allow_nan=False, allow_infinity=False),
        st.lists(st.one_of(FLOATS, st.just(np.nan)), min_size=samples, max_size=samples),
        st.lists(FLOATS, min_size=units, max_size=units),
    )
    scores = Scores(
        split=draw(st.sampled_from(["train", "val", "test", "all"])),
        value_N=np.array(draw(row), dtype=np.float32),
        label_N=np.array(draw(st.lists(st.booleans(), min_size=size, max_size=size)), dtype=bool),
        group_N=group_N,
        groups=groups,
        threshold=draw(st.none() | st.floats(allow_nan=False, allow_infinity=False)),
        weights_digest="w" * 64,
        data_digest="d" * 64,
        cluster_G=cluster_G,
    )
    return scores.keeping(draw(st.dictionaries(st.text(max_size=5), draws, max_size=3)))


def read(content: bytes, split: Any = "val", name: str = "scores/val.npz") -> Scores:
    return read_scores(content, name, split, where="run a")


@settings(max_examples=40)
@given(any_scores())
def test_what_was_written_comes_back_bit_for_bit(scores: Scores) -> None:
    found = read(packed(scores), scores.split)
    assert same_scores(found, scores)
    assert (found.examples_digest, found.clusters_digest) == (scores.examples_digest, scores.clusters_digest)
    version = json.loads(arrays_of(packed(scores), where="it")[ABOUT].tobytes())["version"]
    assert version == (1 if scores.cluster_G is None else 2), "an older kag reads what has no clusters"


def test_the_digest_tells_whether_two_runs_scored_the_same_examples() -> None:
    one = made_scores("val", seed=1)
    assert one.examples_digest == made_scores("test", seed=1, other_logits=True).examples_digest
    together = replace(one, cluster_G=np.array([0, 0, 1]), kept=None)
    assert (together.examples_digest, one.clusters_digest) == (one.examples_digest, None)
    assert together.clusters_digest != replace(one, cluster_G=np.array([0, 1, 1])).clusters_digest
    assert len(together.draws["auprc"].left_out_U) == 2
    for other in (
        made_scores("val", seed=2),
        made_scores("val", seed=1, groups=("p0", "p1", "p9")),
        Scores("val", one.value_N, ~np.asarray(one.label_N), one.group_N, one.groups, None),
        Scores("val", one.value_N, one.label_N, one.group_N[::-1], one.groups, None),
        Scores("val", one.value_N, one.label_N, np.arange(len(one.value_N)), None, None),
        Scores("val", one.value_N, None, one.group_N, one.groups, None),
    ):
        assert other.examples_digest != one.examples_digest


def test_it_is_small() -> None:
    """Labels are bits, groups are runs: what is left are the logits and the draws."""
    points, proteins = 30_000, 36
    generator = np.random.default_rng(0)
    unit_N = np.repeat(np.arange(proteins), -(-points // proteins))[:points]
    logit_N = generator.normal(size=points).astype(np.float32)
    label_N = generator.random(points) < 0.03
    names = tuple(f"{protein:04d}_A" for protein in range(proteins))
    scores = Scores("val", logit_N, label_N, unit_N, names, 0.5, "w" * 64, "d" * 64)
    full = packed(scores.keeping(metric_draws(logit_N, label_N, unit_N, 0.5)))
    assert len(full) < 4 * points + 4 * 9 * (1000 + proteins) + 8000


def about(**changes: Any) -> Callable[[dict[str, Array]], None]:
    def change(arrays: dict[str, Array]) -> None:
        said = {**json.loads(arrays[ABOUT].tobytes()), **changes}
        arrays[ABOUT] = np.frombuffer(json.dumps(said).encode(), dtype=np.uint8)

    return change


def put(name: str, make: Callable[[Array], Array]) -> Callable[[dict[str, Array]], None]:
    def change(arrays: dict[str, Array]) -> None:
        arrays[name] = make(arrays[name])

    return change


def without(name: str) -> Callable[[dict[str, Array]], None]:
    def change(arrays: dict[str, Array]) -> None:
        del arrays[name]

    return change


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (about(version=4), "has layout 4 of scores, this kag reads up to 3"),
        (about(version=2, clusters=[0, 0]), "clusters are not those of its groups"),
        (about(version=2, clusters=[1, 1, 0]), "clusters are not those of its groups"),
        (about(version=2, clusters=[0, 1, 2]), "clusters are not those of its groups"),
        (about(version=2, clusters=[0, 0, 1]), "damaged: an array is"),
        (about(version=2, clusters=[0, 0, 10**30]), "damaged"),
        (about(version="1"), "has layout '1'"),
        (about(split="dev"), "damaged: split"),
        (about(extra=1), "damaged: extra"),
        (about(examples=10**15), "damaged: an array is"),
        (about(examples=-8), "damaged: examples"),
        (about(groups=["p0"]), "groups are not those"),
        (about(groups=["p1", "p0", "p2"]), "groups are not those"),
        (about(groups=["p0", "p1", "p9"]), "not those of its digest"),
        (about(metrics={}), "damaged: an array is"),
        (about(threshold=None, weights_digest=None), "damaged: weights_digest"),
        (put(ABOUT, lambda text_B: text_B[:-3]), "no JSON object"),
        (put(ABOUT, lambda text_B: np.frombuffer(b"[]", dtype=np.uint8)), "no JSON object"),
        (put(ABOUT, lambda text_B: np.frombuffer(b"[" * 100_000, dtype=np.uint8)), "no JSON object"),
        (put("logit", lambda logit_N: logit_N.astype(np.float64)), "float64"),
        (put("logit", lambda logit_N: logit_N[:-1]), "damaged: an array is"),
        (put("logit", lambda logit_N: logit_N * np.float32(np.nan)), "not finite"),
        (put("label", lambda bit_B: ~bit_B), "not those of its digest"),
        (put("length", lambda length_R: length_R * 1000), "other examples"),
        (put("length", lambda length_R: -length_R), "other examples"),
        (put("length", lambda length_R: length_R[0]), "damaged"),
        (put("group", lambda group_R: group_R + 1), "groups are not those"),
        (put("draws", lambda draw_MS: draw_MS.reshape(-1)), "damaged: an array is"),
        (put("left_out", lambda left_out_MU: left_out_MU[:, 1:]), "damaged: an array is"),
        (without("draws"), "damaged: 'draws'"),
    ],
)
def test_what_is_damaged_or_of_another_version_is_said_in_a_sentence(
    change: Callable[[dict[str, Array]], None], says: str
) -> None:
    arrays = arrays_of(packed(made_scores("val")), where="it")
    change(arrays)
    with pytest.raises(RecordError) as raised:
        read(packed_arrays(arrays))
    assert says in str(raised.value)
    assert str(raised.value).startswith("run a: ")
    assert raised.value.remedy


def test_scores_of_another_split_are_not_taken_for_these() -> None:
    with pytest.raises(RecordError, match="holds the scores of test, not of val"):
        read(packed(made_scores("test")))


@settings(max_examples=100)
@given(st.data())
def test_a_file_with_any_byte_changed_or_any_end_cut_off_is_read_or_refused(data: st.DataObject) -> None:
    content = bytearray(packed(made_scores("val")))
    place = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        del content[place:]
    else:
        content[place] ^= data.draw(st.integers(1, 255))
    try:
        found = read(bytes(content))
    except RecordError:
        return
    assert same_scores(found, made_scores("val")), "a changed byte that zip passes over changes nothing"


def zipped(header: bytes, content: bytes = b"", *, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A file with one array of a given header."""
    padded = header.ljust(117) + b"\n"
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr("score.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(padded)) + padded + content)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "no npz file"),
        (b"PK\x03\x04 not a zip", "no npz file"),
        (zipped(b"{'descr': '<f8', 'fortran_order': False, 'shape': (9999999999999,)}"), "claims"),
        (zipped(b"{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", b"cposix\n"), "Python objects"),
        (zipped(b"{'descr': '<f8', 'fortran_order': False, 'shape': (1,)}", b"0" * 9), "holds more than its array"),
        (zipped(b"{'descr': '<f8', 'fortran_order': False, 'shape': (-1, -2)}", b"0" * 99), "no npz file"),
        (zipped(b"("), "no npz file"),
        (zipped(b"(" * 117), "no npz file"),
        (zipped(b"{'descr': '<f8', 'fortran_order': False, 'shape': ()}", method=zipfile.ZIP_LZMA), "packed as"),
        (bytes(LARGEST + 1), "of at most"),
    ],
    ids=range(10),
)
def test_a_file_from_outside_takes_no_more_than_was_said(content: bytes, says: str) -> None:
    with pytest.raises(RecordError) as raised:
        read(content)
    assert says in str(raised.value)


def test_a_file_that_unpacks_to_more_than_was_said_is_refused_before_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    assert UNPACKED > LARGEST
    monkeypatch.setattr("kag.track.npz.UNPACKED", 1000)
    with pytest.raises(RecordError, match="holds more than"):
        read(packed_arrays({"score": np.zeros(1000)}))
    many = packed_arrays({f"column{number}": np.zeros(1, dtype=np.uint8) for number in range(40)})
    with pytest.raises(RecordError, match="holds more than"):
        read(many)


def test_nothing_is_left_beside_the_file(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, "a", datetime(2025, 1, 1, tzinfo=UTC))
    for seed in (1, 2):
        write_scores(folder, [made_scores(split, seed=seed) for split in ("val", "test")])
        assert same_scores(scores_in(folder.path, "test"), made_scores("test", seed=seed))
    assert sorted(path.name for path in folder.scores.iterdir()) == ["test.npz", "val.npz"]
    assert scores_in(folder.path, "train") is None


@pytest.mark.parametrize("cluster_G", [None, np.array([0, 0, 1])], ids=["groups", "clusters"])
@pytest.mark.parametrize("split", ["val", "test"])
def test_draws_are_read_without_the_examples(
    split: Part, cluster_G: Array | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = packed(replace(made_scores(split), cluster_G=cluster_G, kept=None))
    whole = read_scores(content, f"scores/{split}.npz", split, where="run a").drawn
    monkeypatch.setattr("kag.track.scores_of_run.read_scores", None)
    found = read_drawn(content, f"scores/{split}.npz", split, where="run a")
    assert found[:2] == whole[:2]
    assert found.clusters_digest == whole.clusters_digest
    for name, one in whole.draws.items():
        other = found.draws[name]
        assert (other.value, other.draw_S.tolist()) == (one.value, one.draw_S.tolist())
        assert other.left_out_U.tolist() == one.left_out_U.tolist()


def test_draws_of_another_split_or_of_no_draws_are_refused() -> None:
    content = packed(made_scores("val"))
    with pytest.raises(RecordError, match="holds the scores of val, not of test"):
        read_drawn(content, "scores/test.npz", "test", where="run a")
    with pytest.raises(RecordError, match="no npz file"):
        read_drawn(content[:100], "scores/val.npz", "val", where="run a")
    less = {name: array for name, array in arrays_of(content, where="run a").items() if name != "left_out"}
    with pytest.raises(RecordError, match="is damaged"):
        read_drawn(packed_arrays(less), "scores/val.npz", "val", where="run a")


def test_draws_of_another_program_come_by_way_of_its_scores() -> None:
    made = made_scores("val")
    assert made.label_N is not None
    content = packed_arrays({"label": made.label_N.astype(np.int64), "score": made.value_N, "group": made.group_N})
    found = read_drawn(content, "scores/val.npz", "val", where="run a")
    assert set(found.draws) == {"auprc", "auroc", "accuracy", "f1"}
    assert found.weights_digest is None


@pytest.mark.parametrize("split", ["val", "test"])
def test_draws_that_are_left_out_are_those_that_were_kept(split: Part) -> None:
    whole = made_scores(split)
    small = packed(whole, with_draws=False)
    assert len(small) < len(packed(whole))
    assert same_scores(read_scores(small, f"{split}.npz", split, where="it"), whole)
    told, kept = (read_drawn(one, f"{split}.npz", split, where="it") for one in (small, packed(whole)))
    assert told._replace(draws={}) == kept._replace(draws={})
    assert list(told.draws) == list(kept.draws)
    for name in kept.draws:
        np.testing.assert_array_equal(told.draws[name].draw_S, kept.draws[name].draw_S)
        np.testing.assert_array_equal(told.draws[name].left_out_U, kept.draws[name].left_out_U)
        assert told.draws[name].value == kept.draws[name].value


def test_no_file_has_more_drawn_than_anybody_would() -> None:
    arrays = arrays_of(packed(made_scores("val"), with_draws=False), where="it")
    about(samples=10**9)(arrays)
    with pytest.raises(RecordError, match="samples"):
        read_scores(packed_arrays(arrays), "val.npz", "val", where="it")
