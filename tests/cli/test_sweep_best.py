"""The spec of a sweep's best trial: written anew by each look at the sweep, never over somebody's own file."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from kag.cli.sweep_result import SweepResult, read_result, write_best
from kag.cli.sweep_tables import result_table
from kag.compare.selection import worth_told
from kag.errors import UserError
from kag.spec import build_spec, load_spec, spec_text
from kag.sweep import Trial, TrialState
from kag.sweep.load import parse_sweep
from kag.sweep.progress import Epochs, progress
from kag.sweep.trial import TrialId
from kag.track.record import Found
from kag.track.scores_of_run import write_scores
from tests.changelog.run_logs import make_folder, run_record, run_result
from tests.compare.scored_trials import kept_trial, seeded
from tests.track.made_scores import made_scores


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
            write_best(sweep, result, tmp_path)
            assert load_spec(file).seed == seed
        else:
            with pytest.raises(UserError, match="there is a file already"):
                write_best(sweep, result, tmp_path)
            assert file.read_text() == somebody
    assert load_spec(base).name == "base"


def test_it_is_what_the_trial_trained_with_whatever_has_become_of_the_base_spec(tmp_path: Path) -> None:
    base, file = tmp_path / "base.yaml", tmp_path / "best.yaml"
    base.write_text("name: base\nepochs: 3\ndata: {file: /other.h5}\n")
    tree = {
        "method": "grid",
        "metric": {"name": "val/auprc", "goal": "maximize"},
        "parameters": {"seed": {"values": [1, 2]}},
        "command": ["kag", "train", str(base), "${args}"],
    }
    sweep = parse_sweep(tree)
    trial = Trial(id=TrialId(1), params={"seed": 1}, state=TrialState.FINISHED, run="w1", value=0.4)
    folder = make_folder(tmp_path / "runs", run_record(1, "trained", wandb_id="w1", sweep="abc"))
    trained = build_spec({"name": "trained", "epochs": 9, "seed": 1, "data": {"file": "/x.h5"}})
    folder.spec_file.write_text(spec_text(trained))
    result = SweepResult("e/p/abc", progress(sweep, [trial], Epochs(1, 0)), {}, {}, (), file, (), folder.read_record())
    write_best(sweep, result, tmp_path / "runs")
    assert load_spec(file) == trained


def test_a_trial_that_was_archived_is_not_the_best(tmp_path: Path) -> None:
    tree = {
        "method": "grid",
        "program": "train.py",
        "metric": {"name": "score", "goal": "maximize"},
        "parameters": {"seed": {"values": [1, 2]}},
    }
    sweep, finished = parse_sweep(tree), TrialState.FINISHED
    trials = [
        Trial(id=TrialId(n), params={"seed": n}, state=finished, run=f"w{n}", value=n / 10, history=(n / 10,))
        for n in (1, 2)
    ]
    for number in (1, 2):
        tags = ["archived"] if number == 2 else []
        make_folder(tmp_path, run_record(number, f"t{number}", wandb_id=f"w{number}", sweep="abc", tags=tags))
    best = read_result(sweep, "e/p/abc", trials, tmp_path).progress.best
    assert best is not None
    assert best.run == "w1"
    other = read_result(sweep, "e/p/other", trials, tmp_path).progress.best
    assert other is not None
    assert other.run == "w2"


def test_the_best_trial_is_shown_with_what_it_is_worth(tmp_path: Path) -> None:
    scores = [made_scores("val", other_logits=bool(number), weights_digest=str(number) * 64) for number in range(3)]
    trials = []
    for number, one in enumerate(scores):
        value = one.draws["auprc"].value
        result = run_result("val", value, weights_digest=one.weights_digest)
        record = run_record(number, f"t{number}", wandb_id=f"w{number}", sweep="abc", results=(result,))
        write_scores(make_folder(tmp_path, record.model_copy(update={"data_digest": "bb" * 32})), [one])
        told = {"params": {"seed": number}, "run": f"w{number}", "value": value, "history": (value,)}
        trials.append(Trial(id=TrialId(number), state=TrialState.FINISHED, **told))
    tree = {"method": "grid", "program": "train.py", "metric": {"name": "val/auprc", "goal": "maximize"}}
    sweep = parse_sweep({**tree, "parameters": {"seed": {"values": [0, 1, 2]}}})
    found = read_result(sweep, "e/p/abc", trials, tmp_path)
    assert found.selection is not None
    assert (found.selection.candidates, found.page()["selection"]) == (3, found.selection)
    shown = Console(width=400)
    with shown.capture() as captured:
        shown.print(result_table(found))
    assert "; ".join(worth_told(found.selection)) in captured.get()


def test_the_best_trial_is_sealed_until_somebody_looks(tmp_path: Path) -> None:
    tree = {
        "method": "grid",
        "program": "train.py",
        "metric": {"name": "val/auprc", "goal": "maximize"},
        "parameters": {"seed": {"values": [1]}},
    }
    sweep, results = parse_sweep(tree), [run_result("val", 0.3)]
    trial = Trial(id=TrialId(1), params={"seed": 1}, state=TrialState.FINISHED, run="w1", value=0.3, history=(0.3,))
    record = run_record(1, "t1", wandb_id="w1", sweep="abc", found=Found(), results=results)
    folder = make_folder(tmp_path, record)
    sealed = read_result(sweep, "e/p/abc", [trial], tmp_path)
    look = f"kag eval {record.id} --split test --runs {tmp_path}"
    assert sealed.unsealing == look
    shown = Console(width=400)
    with shown.capture() as captured:
        shown.print(result_table(sealed))
    assert f"sealed; {look} looks at it" in captured.get()
    folder.write_record(record.model_copy(update={"results": (*results, run_result("test", 0.4))}))
    assert read_result(sweep, "e/p/abc", [trial], tmp_path).unsealing is None


def test_of_a_sweep_over_seeds_the_best_mean_is_the_best_and_not_the_luckiest_trial(tmp_path: Path) -> None:
    settings = [(0, 0.1), (1, 0.1), (0, 0.2), (1, 0.2)]
    trials = []
    for number, (noise, (seed, lr)) in enumerate(zip((0.8, 1.0, 0.7, 1.6), settings, strict=True)):
        told = {"params": {"seed": seed, "optimizer.lr": lr}, "run": f"w{number}"}
        record = kept_trial(tmp_path, number, noise=noise, wandb_id=f"w{number}", **seeded(seed, lr))
        value = record.results[0].value
        trials.append(Trial(id=TrialId(number), state=TrialState.FINISHED, value=value, history=(value,), **told))
    tree = {"method": "grid", "program": "train.py", "metric": {"name": "val/auprc", "goal": "maximize"}}
    parameters = {"seed": {"values": [0, 1]}, "optimizer.lr": {"values": [0.1, 0.2]}}
    found = read_result(parse_sweep({**tree, "parameters": parameters}), "e/p/s", trials, tmp_path)
    assert max(trials, key=lambda one: one.result or 0.0).run == "w2"
    assert found.progress.best is not None
    assert found.progress.best.params == {"seed": 1, "optimizer.lr": 0.1}
    assert found.selection is not None
    assert (found.selection.kind, found.selection.candidates, found.selection.seeds) == ("settings", 2, 2)
    shown = Console(width=400)
    with shown.capture() as captured:
        shown.print(result_table(found))
    assert "the best of 2 settings by mean val AUPRC 0." in captured.get()
