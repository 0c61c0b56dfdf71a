"""What a warm worker holds between its trials is what a process of its own would read."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from kag.data.synth import synthesise
from kag.errors import DataError
from kag.train.console import RunConsole
from kag.train.inputs import read_inputs
from kag.train.worker import Held
from tests.train.conftest import MakeSpec


def test_data_are_held_until_their_file_is_another_one(
    make_spec: MakeSpec, synthetic_file: Path, tmp_path: Path
) -> None:
    file = tmp_path / "sites.h5"
    shutil.copy(synthetic_file, file)
    spec, held = make_spec(**{"data.file": str(file)}), Held()
    assert held.inputs(spec) is None
    held.hold_data(str(file))
    first = held.inputs(spec)
    assert first is not None
    fresh = read_inputs(spec, None, copies=1, console=RunConsole(quiet=True))
    assert (first.sites.digest, first.soundness, first.told) == (fresh.sites.digest, fresh.soundness, fresh.told)
    held.hold_data(str(file))
    again = held.inputs(spec)
    assert again is not None
    assert again.sites is first.sites, "it was not read again"
    assert held.inputs(make_spec()) is None, "another file"
    synthesise(tmp_path / "other.h5", proteins=6, points_per_protein=40, embedding=16)
    os.replace(tmp_path / "other.h5", file)
    assert held.inputs(spec) is None, "it was written anew"
    held.hold_data(str(file))
    second = held.inputs(spec)
    assert second is not None
    assert second.sites.digest != first.sites.digest
    file.write_bytes(b"")
    with pytest.raises(DataError):
        held.hold_data(str(file))
    assert held.inputs(spec) is None, "nothing is held of a file that is at fault"


def test_what_belongs_together_is_read_for_each_trial(
    make_spec: MakeSpec, synthetic_file: Path, tmp_path: Path
) -> None:
    held, file = Held(), tmp_path / "clusters.csv"
    held.hold_data(str(synthetic_file))
    alone = held.inputs(make_spec())
    assert alone is not None
    assert alone.sites.cluster_P is None
    pairs = "".join(f"{protein},{place // 2}\n" for place, protein in enumerate(alone.sites.proteins))
    file.write_text(f"protein,cluster\n{pairs}")
    spec = make_spec(**{"data.clusters": str(file)})
    paired = held.inputs(spec)
    fresh = read_inputs(spec, None, copies=1, console=RunConsole(quiet=True))
    assert paired is not None
    assert paired.sites.cluster_P is not None
    assert fresh.sites.cluster_P is not None
    assert paired.sites.cluster_P.tolist() == fresh.sites.cluster_P.tolist()
    assert paired.soundness == fresh.soundness
    assert held.inputs(make_spec()) == alone, "the trial after it has its own"
