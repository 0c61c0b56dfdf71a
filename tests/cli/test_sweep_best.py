"""The spec of a sweep's best trial: written anew by each look at the sweep, never over somebody's own file."""

from __future__ import annotations

from pathlib import Path

import pytest

from kag.cli.sweep_result import SweepResult, write_best
from kag.errors import UserError
from kag.spec import load_spec
from kag.sweep import Trial, TrialState
from kag.sweep.load import parse_sweep
from kag.sweep.progress import Epochs, progress
from kag.sweep.trial import TrialId


@pytest.mark.parametrize("somebody", [None, "name: mine\n"])
def test_it_replaces_what_an_earlier_look_wrote_and_nothing_else(tmp_path: Path, somebody: str | None) -> None:
    base, file = tmp_path / "base.yaml", tmp_path / "planned" / "sweep_abc.yaml"
    base.write_text("name: base\ndata: {file: /x.h5}\n")
    sweep = parse_sweep(
        {
            "method": "grid",
            "metric": {"name": "val/auprc", "goal": "maximize"},
            "parameters": {"seed": {"values": [1, 2]}},
            "command": ["kag", "train", str(base), "${args}"],
        }
    )
    if somebody is not None:
        file.parent.mkdir()
        file.write_text(somebody)
    for seed, value in ((1, 0.3), (2, 0.4)):
        trial = Trial(id=TrialId(seed), params={"seed": seed}, state=TrialState.FINISHED, run="r", value=value)
        now = progress(sweep, [trial], Epochs(1, 0))
        result = SweepResult("e/p/abc", now, {}, {}, (), file)
        if somebody is None:
            write_best(sweep, result)
            assert load_spec(file).seed == seed
        else:
            with pytest.raises(UserError, match="there is a file already"):
                write_best(sweep, result)
            assert file.read_text() == somebody
    assert load_spec(base).name == "base"
