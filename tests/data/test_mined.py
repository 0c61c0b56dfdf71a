from __future__ import annotations

import json
from pathlib import Path

import pytest

from kag.data.mined import Mined, load_mined, read_mined, write_mined
from kag.data.sites import Sites
from kag.errors import DataError


def mined(sites: Sites, **changes: object) -> Mined:
    train = sites.index("train")
    fields = {
        "data_digest": sites.digest,
        "split": "train",
        "indices": train[[9, 3, 7]].tolist(),
        "run": "2025-01-01_00-00-00_x",
        "weights_digest": "ab" * 32,
    }
    return Mined.model_validate({**fields, **changes})


def test_what_is_written_comes_back_in_order(tmp_path: Path, synthetic_sites: Sites) -> None:
    path = tmp_path / "new folder" / "hard.json"
    write_mined(path, mined(synthetic_sites))
    assert read_mined(path, synthetic_sites).tolist() == synthetic_sites.index("train")[[9, 3, 7]].tolist()
    assert load_mined(path) == mined(synthetic_sites)
    assert [item.name for item in path.parent.iterdir()] == ["hard.json"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"data_digest": "cd" * 32}, "other data (digest cdcdcdcdcdcd)"),
        ({"split": "val"}, "of the val split"),
        ({"indices": []}, "empty"),
        ({"indices": [0, 10**9]}, "row 1000000000 does not exist"),
        ({"indices": [-1]}, "row -1 does not exist"),
    ],
)
def test_samples_that_must_not_be_replayed_are_refused(
    tmp_path: Path, synthetic_sites: Sites, changes: dict[str, object], says: str
) -> None:
    write_mined(tmp_path / "hard.json", mined(synthetic_sites, **changes))
    with pytest.raises(DataError) as caught:
        read_mined(tmp_path / "hard.json", synthetic_sites)
    assert says in str(caught.value)
    assert "hard.json" in str(caught.value)


def test_a_row_of_another_split_is_refused(tmp_path: Path, synthetic_sites: Sites) -> None:
    stray = int(synthetic_sites.index("test")[0])
    good = int(synthetic_sites.index("train")[0])
    write_mined(tmp_path / "hard.json", mined(synthetic_sites, indices=[good, stray]))
    with pytest.raises(DataError, match=rf"indices\[1\]: row {stray} is not in the train split"):
        read_mined(tmp_path / "hard.json", synthetic_sites)


@pytest.mark.parametrize("text", ["", "[1, 2]", '{"format": "other"}', "{", "\x00"])
def test_another_file_is_refused(tmp_path: Path, synthetic_sites: Sites, text: str) -> None:
    (tmp_path / "hard.json").write_text(text)
    with pytest.raises(DataError, match="not a file of mined samples"):
        read_mined(tmp_path / "hard.json", synthetic_sites)


def test_indices_that_are_no_integers_are_refused(tmp_path: Path, synthetic_sites: Sites) -> None:
    content = mined(synthetic_sites).model_dump() | {"indices": [1, "2"]}
    (tmp_path / "hard.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"indices\.1"):
        read_mined(tmp_path / "hard.json", synthetic_sites)


def test_a_missing_file_names_the_command_that_makes_it(tmp_path: Path, synthetic_sites: Sites) -> None:
    with pytest.raises(DataError, match="kag mine"):
        read_mined(tmp_path / "hard.json", synthetic_sites)
