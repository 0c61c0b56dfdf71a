"""Scores that another program brings: what its files may hold, what is made of them, and how a mistake is said."""

from __future__ import annotations

import contextlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kag.errors import RecordError
from kag.stats import metrics
from kag.stats.metrics import Array
from kag.stats.scores import LARGEST_UNITS, Scores
from kag.track import scores_table
from kag.track.npz import packed_arrays
from kag.track.scores_of_run import read_scores, scores_in

SCORE = np.array([0.9, 0.2, 0.6, 0.4, 0.4, 0.1])
LABEL = np.array([1, 0, 1, 1, 0, 0])
GROUP = np.array(["b", "b", "a", "a", "ü, c", "ü, c"])


def as_csv(**columns: Array) -> bytes:
    rows = zip(*(column.tolist() for column in columns.values()), strict=True)
    lines = [",".join(columns), *(",".join(f'"{cell}"' for cell in row) for row in rows)]
    return "\r\n".join(lines).encode()


def npz(**columns: Any) -> bytes:
    return packed_arrays({name: np.asarray(column) for name, column in columns.items()})


WRITERS: dict[str, Callable[..., bytes]] = {"npz": npz, "csv": as_csv}


def read(content: bytes, ending: str = "npz") -> Scores:
    return read_scores(content, f"scores/val.{ending}", "val", where="W&B run w1")


@pytest.mark.parametrize("ending", WRITERS)
def test_scores_and_labels_tell_four_metrics(ending: str) -> None:
    found = read(WRITERS[ending](score=SCORE, label=LABEL, group=GROUP, other=GROUP), ending)
    assert found.value_N.tolist() == SCORE.tolist(), "no digit is lost"
    assert np.asarray(found.label_N).tolist() == [True, False, True, True, False, False]
    assert found.groups == ("a", "b", "ü, c")
    assert found.group_N.tolist() == [1, 1, 0, 0, 2, 2]
    assert (found.threshold, found.weights_digest, found.data_digest) == (0.5, None, None)
    curve = metrics.curve(SCORE, LABEL)
    told = {name: one.value for name, one in found.draws.items()}
    f1 = metrics.at_threshold(curve, 0.5)["f1"]
    wanted = {"auprc": metrics.auprc(curve), "auroc": metrics.auroc(curve), "f1": f1, "accuracy": 5 / 6}
    assert told == pytest.approx(wanted)
    assert [len(one.left_out_U) for one in found.draws.values()] == [3] * 4


@pytest.mark.parametrize("ending", WRITERS)
def test_losses_have_a_mean(ending: str) -> None:
    found = read(WRITERS[ending](loss=SCORE, group=GROUP), ending)
    assert (found.label_N, found.threshold) == (None, None)
    assert {name: one.value for name, one in found.draws.items()} == {"loss": pytest.approx(SCORE.mean())}
    assert found.draws["loss"].left_out_U == pytest.approx([SCORE[[0, 1, 4, 5]].mean(), 0.375, 0.525])


def test_a_file_of_every_form_holds_the_same_examples() -> None:
    one, other = (read(WRITERS[ending](score=SCORE, label=LABEL, group=GROUP), ending) for ending in WRITERS)
    assert one.examples_digest == other.examples_digest
    assert one.examples_digest != read(npz(score=SCORE, label=LABEL)).examples_digest


@pytest.mark.parametrize("ending", WRITERS)
def test_groups_of_one_cluster_are_drawn_as_one(ending: str) -> None:
    """The same as if they were one group, but that the examples stay those of their groups."""
    columns = {"score": SCORE, "label": LABEL}
    merged = read(WRITERS[ending](**columns, group=np.where(GROUP == "a", "b", GROUP)), ending)
    found = read(WRITERS[ending](**columns, group=GROUP, cluster=np.where(GROUP == "a", "b", GROUP)), ending)
    apart = read(WRITERS[ending](**columns, group=GROUP, cluster=GROUP), ending)
    plain = read(WRITERS[ending](**columns, group=GROUP), ending)
    assert (apart.clusters_digest, apart.drawn.examples_digest) == (None, plain.examples_digest)
    assert found.examples_digest == plain.examples_digest != merged.examples_digest
    for name, one in merged.draws.items():
        left_out_U, merged_U = np.sort(found.draws[name].left_out_U), np.sort(one.left_out_U)
        assert np.array_equal(left_out_U, merged_U, equal_nan=True), name
        assert found.draws[name].value == plain.draws[name].value


def test_examples_without_a_group_may_have_a_cluster() -> None:
    found = read(npz(loss=SCORE, cluster=GROUP))
    assert found.unit_N.tolist() == [0, 0, 1, 1, 2, 2]
    assert len(found.draws["loss"].left_out_U) == 3


@pytest.mark.parametrize(
    ("columns", "threshold"),
    [
        ({"score": SCORE}, 0.5),
        ({"score": SCORE * 3 - 1}, 0.0),
        ({"score": SCORE, "threshold": 0.25}, 0.25),
        ({"score": SCORE, "threshold": np.full(6, -1.0)}, -1.0),
        ({"score": (SCORE * 8).astype(np.int64)}, 0.0),
        ({"score": SCORE.astype(np.float32)}, 0.5),
    ],
)
def test_the_threshold_is_that_of_the_file_or_of_the_scale(columns: dict[str, Any], threshold: float) -> None:
    assert read(npz(label=LABEL, **columns)).threshold == threshold


def test_a_logit_ranks_as_its_probability_does() -> None:
    probability, logit = (read(npz(score=score, label=LABEL)) for score in (SCORE, np.log(SCORE / (1 - SCORE))))
    for name, one in probability.draws.items():
        assert logit.draws[name].value == one.value
        assert np.array_equal(logit.draws[name].draw_S, one.draw_S, equal_nan=True), name


def test_many_examples_of_no_group_are_drawn_in_so_many_parts() -> None:
    """Else a split of a hundred thousand examples would need a table of ten thousand million numbers."""
    points = 20 * LARGEST_UNITS + 7
    generator = np.random.default_rng(3)
    loss_N = generator.normal(size=points)
    drawn = read(npz(loss=loss_N)).draws["loss"]
    assert len(drawn.left_out_U) == LARGEST_UNITS
    assert drawn.draw_S.std() == pytest.approx(loss_N.std() / np.sqrt(points), rel=0.1)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (npz(score=SCORE), "has no column label"),
        (npz(score=SCORE, labels=LABEL), "nearest: labels"),
        (npz(prob=SCORE, label=LABEL), "has no column score"),
        (npz(score=SCORE, loss=SCORE, label=LABEL), "a column score and a column loss"),
        (npz(score=SCORE, label=LABEL[1:]), "column label has another length than its column score"),
        (npz(score=SCORE, label=LABEL, group=GROUP[1:]), "column group has another length"),
        (npz(score=SCORE, label=LABEL, cluster=GROUP[1:]), "column cluster has another length"),
        (
            npz(loss=SCORE, group=GROUP, cluster=list("aabaab")),
            "row 4 is in the cluster a, another row of its group in b",
        ),
        (npz(score=SCORE, label=LABEL + 1), "other numbers than 0 and 1"),
        (npz(score=np.array([1, np.nan, 0]), label=[1, 0, 1]), "column score is not finite in row 2"),
        (npz(loss=[np.inf]), "column loss is not finite in row 1"),
        (npz(score=SCORE.reshape(2, 3), label=LABEL), "it has 2 axes"),
        (npz(score=SCORE + 1j, label=LABEL), "no column of numbers"),
        (npz(score=GROUP, label=LABEL), "no column of numbers"),
        (npz(score=np.zeros(0), label=np.zeros(0)), "holds 0 examples"),
        (npz(score=SCORE, label=LABEL, threshold=[0.1, 0.2]), "threshold is 2 numbers"),
        (npz(score=SCORE, label=LABEL, threshold=[]), "threshold is 0 numbers"),
    ],
)
def test_a_mistake_in_the_columns_is_said(content: bytes, says: str) -> None:
    with pytest.raises(RecordError) as raised:
        read(content)
    assert says in str(raised.value)
    assert str(raised.value).startswith("W&B run w1: ")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "has no column score"),
        (b"score;label\n1;0\n", "has no column score"),
        (b"score,label\n1,0\n1\n", "line 3 has 1 cells, not 2"),
        (b"score,label\n1,yes\n", "column label is no column of numbers"),
        (b"score,label\n,1\n", "column score is no column of numbers"),
        (b'score,label\n"1,0\n', "no csv file"),
        (b"score,label\n\xff,0\n", "no csv file"),
        (b"score,label,group\n1,0," + b"x" * 200_000 + b"\n", "no csv file"),
        (b"score,label,group\n" + b"1,0,a\n" * 2000 + b"1,0," + b"x" * 100_000 + b"\n", "column group is too long"),
    ],
    ids=range(9),
)
def test_a_mistake_in_a_csv_file_is_said(content: bytes, says: str) -> None:
    with pytest.raises(RecordError) as raised:
        read(content, "csv")
    assert says in str(raised.value)


@settings(max_examples=100)
@given(st.binary(max_size=80), st.sampled_from(["csv", "npz"]))
def test_any_bytes_are_read_or_refused(content: bytes, ending: str) -> None:
    with contextlib.suppress(RecordError):
        read(b"score,label\n" + content if ending == "csv" else content, ending)


def test_a_csv_of_a_spreadsheet_is_read() -> None:
    found = read("\ufeff label , score\r\n1, 0.5\r\n\r\n0,1e-3\r\nTRUE,1\r\nFalse,1\r\n".encode(), "csv")
    assert found.value_N.tolist() == [0.5, 0.001, 1.0, 1.0]
    assert np.asarray(found.label_N).tolist() == [True, False, True, False]


def test_parquet_without_pyarrow_is_an_error_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(RecordError, match="takes pyarrow to read") as raised:
        read(b"PAR1", "parquet")
    assert "pip install pyarrow" in str(raised.value)


@pytest.mark.skipif(importlib.util.find_spec("pyarrow") is None, reason="pyarrow is no dependency of kag")
def test_parquet_holds_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    import pyarrow
    import pyarrow.parquet

    def parquet(**columns: Any) -> bytes:
        sink = pyarrow.BufferOutputStream()
        pyarrow.parquet.write_table(pyarrow.table(columns), sink)
        return bytes(sink.getvalue())

    found = read(parquet(score=SCORE, label=LABEL == 1, group=GROUP, other=GROUP), "parquet")
    assert found.examples_digest == read(npz(score=SCORE, label=LABEL, group=GROUP)).examples_digest
    for broken in (b"", b"PAR1", parquet(score=SCORE, label=LABEL)[:-3], parquet(score=GROUP, label=LABEL)):
        with pytest.raises(RecordError, match="W&B run w1"):
            read(broken, "parquet")
    monkeypatch.setattr(scores_table, "EXAMPLES", 5)
    with pytest.raises(RecordError, match="holds more than 5 rows"):
        read(parquet(score=SCORE, label=LABEL), "parquet")


def test_a_folder_with_two_files_of_one_split_does_not_choose(tmp_path: Path) -> None:
    (tmp_path / "scores").mkdir()
    (tmp_path / "scores" / "val.csv").write_bytes(as_csv(score=SCORE, label=LABEL))
    found = scores_in(tmp_path, "val")
    assert found is not None
    assert found.value_N.tolist() == SCORE.tolist()
    (tmp_path / "scores" / "val.npz").write_bytes(npz(score=SCORE, label=LABEL))
    with pytest.raises(RecordError, match=r"has scores/val\.npz and scores/val\.csv"):
        scores_in(tmp_path, "val")
    (tmp_path / "scores" / "test.csv").mkdir()
    with pytest.raises(RecordError, match="no regular file"):
        scores_in(tmp_path, "test")
