from __future__ import annotations

from pathlib import Path

import pytest
from malformed_files import MALFORMED, MESSAGES, attribute, write_small

from kag.data.read import read_sites
from kag.errors import DataError
from kag.text import printable


def test_the_file_that_all_faults_are_made_from_is_good(tmp_path: Path) -> None:
    write_small(tmp_path / "good.h5")
    assert read_sites(tmp_path / "good.h5").points == 100


@pytest.mark.parametrize("fault", MALFORMED)
def test_each_fault_is_one_error_that_names_the_place(tmp_path: Path, fault: str) -> None:
    path = tmp_path / "faulty.h5"
    MALFORMED[fault](path)
    with pytest.raises(DataError) as caught:
        read_sites(path)
    text = str(caught.value)
    assert text.startswith(str(path))
    for part in MESSAGES[fault]:
        assert part in text
    assert text.replace("\n", "") == printable(text.replace("\n", ""))
    assert caught.value.exit_code == 2


def test_a_size_may_be_written_as_text(tmp_path: Path) -> None:
    for name, size in (("knn_k", "2"), ("esm_dimension", b"4"), ("tabular_features", [3])):
        attribute(name, size)(tmp_path / f"{name}.h5")
        assert read_sites(tmp_path / f"{name}.h5").points == 100
