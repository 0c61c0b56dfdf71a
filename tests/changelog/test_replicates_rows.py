"""Runs that differ in the seed alone are one row: its numbers, its place, its notes, what is said of it."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from kag.changelog.collect import collect
from kag.changelog.diagnose import entry_of
from kag.changelog.document import NEW
from kag.changelog.formats import as_csv, as_html, as_json
from kag.changelog.logged import Logged
from kag.changelog.markdown import render
from kag.changelog.marker import TABLE, marker
from kag.changelog.rows import Tally
from kag.changelog.siblings import Siblings
from kag.changelog.table import Choice, Row, table
from kag.changelog.write import update
from kag.compare.paired import DrawnOf, Unpaired, not_asked
from kag.names import Part
from kag.stats.scores import Drawn
from kag.track.folders import FolderSource
from kag.track.record import ARCHIVED, Failure, RunRecord, Status
from tests.changelog.run_logs import MemorySource, epochs, make_folder, options, parsed
from tests.compare.test_groups import drawn, seeds
from tests.compare.test_replicates import own

BASE, WIDE = (0.30, 0.31, 0.32), (0.40, 0.42, 0.41)
BROKEN = Failure(error="ValueError", message="no", where="kag/model/gate.py:7")


def rows_of(*records: RunRecord, at: DrawnOf = not_asked, choice: Choice | None = None) -> list[Row]:
    ordered = sorted(records, key=lambda record: (record.start, record.id))
    return table(Siblings([entry_of(Logged(record)) for record in ordered], drawn=at), choice)


def wide(values: Sequence[float | None] = WIDE, day: int = 10, **fields: Any) -> list[RunRecord]:
    return seeds(values, {"epochs": 9}, day=day, **fields)


def said(row: Row) -> dict[str, str]:
    return {finding.code: finding.sentence for finding in row.findings}


def cells_of(*records: RunRecord, **more: Any) -> list[list[str]]:
    return parsed(render(rows_of(*records, **more))).tables[0][1:]


def test_two_groups_are_two_rows_with_means_and_the_tested_difference() -> None:
    base, other = seeds(BASE), wide(parent="run0")
    first, second = rows_of(*base, *other, at=drawn)
    assert [row.entry.id for row in (first, second)] == [base[0].id, other[0].id]
    assert [change.key for change in second.changes] == ["epochs"]
    assert re.fullmatch(
        r"best val AUPRC to date: \+0\.100 \[\+0\.0\d\d, \+0\.1\d\d\] over `.*_run0`, over 3 and 3 seeds",
        said(second)["best_to_date"],
    )
    assert re.fullmatch(
        r"val AUPRC \+0\.100 \[\+0\.0\d\d, \+0\.1\d\d\] against the parent, over 3 and 3 seeds",
        said(second)["told_apart"],
    )
    (one, two) = cells_of(*base, *other, at=drawn)
    assert "_run0</code> and its replicates, seeds 0, 1, 2" in one[0]
    assert one[3] == "<strong>mean 0.310, sd 0.010, 0.300 to 0.320, n = 3</strong>"
    assert two[3] == "<strong>mean 0.410, sd 0.010, 0.400 to 0.420, n = 3</strong>"
    assert f"<summary>3 runs</summary><code>{base[0].id}</code> seed 0 0.300 -<br>" in one[4]


def test_a_mean_that_seeds_do_not_tell_apart_is_not_the_best() -> None:
    other = wide((0.21, 0.34, 0.44), parent="run0")
    row = rows_of(*seeds(BASE), *other, at=drawn)[1]
    assert row.highest_so_far
    assert not row.best_to_date
    assert said(row)["highest_so_far"].endswith(", over 3 and 3 seeds, not distinguishable")
    assert said(row)["not_distinguishable"].endswith("against the parent, over 3 and 3 seeds: not distinguishable")


def test_the_best_is_the_best_mean_and_one_lucky_seed_is_none() -> None:
    lucky = wide((0.9, 0.01, 0.01))
    assert [row.highest_so_far for row in rows_of(*seeds(BASE), *lucky)] == [True, False]
    between = own(20, 5, {"epochs": 7}, val=0.305)
    assert not rows_of(*seeds(BASE), between)[1].highest_so_far, "below the mean, above one of its seeds"
    assert rows_of(*seeds(BASE), own(20, 5, {"epochs": 7}, val=0.315))[1].highest_so_far


def test_a_run_against_replicates_speaks_of_its_very_weights() -> None:
    (alone,) = wide(WIDE[:1], parent="run0")
    row = rows_of(*seeds(BASE), alone, at=drawn)[1]
    assert row.group is None
    assert said(row)["told_apart"].endswith("against the parent, over 3 and 1 seeds, so of these weights alone")


def test_a_seed_that_failed_is_named_and_n_says_so() -> None:
    records = wide((0.40, None, 0.44))
    broken = records[1].model_copy(update={"status": Status.ABORTED, "failure": BROKEN})
    ((_, _, _, val, rest),) = cells_of(records[0], broken, records[2])
    assert val == "<strong>mean 0.420, sd 0.028, 0.400 to 0.440, n = 2 of 3</strong>"
    assert rest.startswith(
        "-; without seed 1 (aborted); seed 1: aborted by ValueError in <code>kag/model/gate.py:7</code>"
    )
    assert "seed 1 - - aborted<br>" in rest
    running = records[1].model_copy(update={"status": Status.RUNNING})
    ((*_, rest),) = cells_of(running, own(30, 4, {"epochs": 9}, status=Status.KILLED))
    assert rest.startswith("-; without seed 1 (running) and seed 4 (killed)")
    lost = records[1].model_copy(update={"status": Status.FINISHED})
    ((*_, rest),) = cells_of(records[0], lost, records[2])
    assert "without seed 1 (no val AUPRC)" in rest


def test_what_several_say_is_said_once_with_how_many() -> None:
    falling, rising = epochs(0.5, 0.4, 0.3, 0.2, 0.1, 0.05, 0.01), epochs(0.1, 0.2, 0.3, 0.4)
    histories = {0: falling, 1: rising, 2: falling}
    entries = [entry_of(Logged(one, histories[place])) for place, one in enumerate(seeds(BASE))]
    (row,) = table(Siblings(entries))
    (finding,) = (one for one in row.findings if one.code == "collapse")
    assert finding.sentence.startswith("2 of 3 runs: val AUPRC collapsed")
    assert (finding.evidence["runs"], finding.evidence["of_runs"]) == (2, 3)
    other = [entry_of(Logged(entries[2].record, [*epochs(0.6), *falling[1:]])), *entries[:2]]
    (row,) = table(Siblings(sorted(other, key=lambda entry: entry.id)))
    (finding,) = (one for one in row.findings if one.code == "collapse")
    assert finding.sentence.startswith("2 of 3 runs, here seed 0: val AUPRC collapsed")


def test_every_run_is_unfolded_in_every_format() -> None:
    records, notes = seeds((0.30, 0.32)), {}
    notes[records[1].id] = "a <b> of seed 1"
    siblings = collect(MemorySource(records, notes))
    rows = table(siblings)
    (found,) = json.loads(as_json(rows))
    assert [(one["run"], one["seed"], one["val_auprc"], one["note"]) for one in found["members"]] == [
        (records[0].id, "0", 0.30, ""),
        (records[1].id, "1", 0.32, "a <b> of seed 1"),
    ]
    (val, _) = found["metrics"]
    assert (found["val_auprc"], val["value"]) == (pytest.approx(0.31), pytest.approx(0.31))
    assert [val["spread"][key] for key in ("n", "of", "min", "max")] == [2, 2, 0.30, 0.32]
    page = as_html(rows)
    assert page.count("<tr><td>") == 1
    assert f"<li>{records[1].id} seed 1 0.320 - a &lt;b&gt; of seed 1</li>" in page
    (_, line) = csv.reader(io.StringIO(as_csv(rows)))
    assert line[3] == "mean 0.310, sd 0.014, 0.300 to 0.320, n = 2"
    assert "a &lt;b> of seed 1" in render(rows)


def test_a_run_alone_has_no_word_of_replicates() -> None:
    (row,) = rows_of(own(0, 1, val=0.3))
    (found,) = json.loads(as_json([row]))
    assert "members" not in found
    assert "spread" not in found["metrics"][0]
    assert cells_of(own(0, 1, val=0.3))[0][3] == "<strong>0.300</strong>"


def test_the_same_run_once_more_is_no_replicate() -> None:
    assert len(rows_of(own(0, 1, val=0.3), own(1, 1, val=0.3))) == 2
    (row,) = rows_of(own(0, 1, val=0.3), own(1, 1, val=0.4), own(2, 2, val=0.5))
    assert row.group is not None
    assert (len(row.group.entries), row.value(row.metrics[0])) == (3, pytest.approx(0.45))


def test_a_choice_shows_the_group_whole_and_archived_runs_have_no_part_in_it() -> None:
    records = seeds(BASE)
    (row,) = rows_of(*records, choice=Choice(since=records[2].start.date()))
    assert row.entry.id == records[0].id
    hidden = records[1].model_copy(update={"tags": (ARCHIVED,)})
    (row,) = rows_of(records[0], hidden, records[2], choice=Choice())
    assert [entry.id for entry in row.runs] == [records[0].id, records[2].id]
    assert len(rows_of(records[0], hidden, records[2], choice=Choice(archived=True))) == 2


def test_holm_counts_groups_and_a_group_is_never_its_own_parent() -> None:
    base, tried = seeds(BASE), [wide((0.32, 0.325, 0.33), day=10 + 5 * n, parent="run0") for n in range(2)]
    tried[1] = [one.model_copy(update={"config": {**one.config, "epochs": 8}}) for one in tried[1]]
    rows = rows_of(*base, *tried[0], *tried[1], at=drawn)
    assert [len(row.runs) for row in rows] == [3, 3, 3]
    assert all("Holm over 2 rows of this parent" in " ".join(said(row).values()) for row in rows[1:])
    child = [one.model_copy(update={"parent": base[0].id}) for one in base[1:]]
    (row,) = rows_of(base[0], *child, at=drawn)
    assert (row.changes, row.against) == ((), "")
    assert not {"told_apart", "not_distinguishable"} & said(row).keys()


def test_trials_of_a_sweep_that_are_replicates_are_one_and_the_best_is_the_best_mean() -> None:
    fields = {"sweep": "s1"}
    single = own(20, 3, {"epochs": 5}, val=0.2, **fields)
    trials = [*seeds((0.30, 0.50), **fields), *wide((0.44, 0.46), **fields), single]
    (row,) = rows_of(*trials)
    assert row.entry.id == trials[2].id, "0.45 on average; the best run alone is of 0.40"
    assert [trial.id for trial in row.trials] == [trials[0].id, trials[4].id]
    assert set(row.searched.values()) == {"epochs 9", "epochs 80", "epochs 5"}
    ((begun, _, _, val, rest),) = cells_of(*trials)
    assert "best mean of 3 settings in 5 trials of sweep <code>s1</code>" in begun
    assert val.startswith("mean 0.450, sd 0.014"), "not tested against what came before"
    assert "<summary>2 others, 3 trials</summary>" in rest
    assert "mean 0.400, sd 0.141, 0.300 to 0.500, n = 2 <code>epochs 80</code><br>" in rest
    assert f"<br><code>{trials[1].id}</code> seed 1 0.500<br>" in rest
    alone = own(30, 0, val=0.3)
    assert len(rows_of(*trials, alone)) == 2, "a run outside the sweep has a row of its own"


def test_the_scores_of_a_run_are_asked_for_once_beside_the_parent_and_once_beside_the_best() -> None:
    asked: Counter[tuple[str, str]] = Counter()

    def counting(record: RunRecord, split: Part) -> Drawn | Unpaired:
        asked[record.name, split] += 1
        return drawn(record, split)

    rows_of(*seeds(BASE), *wide(parent="run0"), at=counting)
    assert {asked[f"run{n}", "val"] for n in (0, 1, 2, 10, 11, 12)} == {2}
    alone: Counter[tuple[str, str]] = Counter()
    asked = alone
    rows_of(own(0, 1, val=0.3), own(1, 1, {"epochs": 9}, val=0.4, parent="run0"), at=counting)
    assert set(alone.values()) <= {1, 2}


@pytest.fixture
def log(tmp_path: Path) -> Path:
    for record in seeds(BASE[:2]):
        make_folder(tmp_path / "runs", record)
    return tmp_path


def write(log: Path) -> tuple[str, Tally]:
    version = update(FolderSource(log / "runs"), log / "LOG.md", options(log))
    return (log / "LOG.md").read_text(), version.tally


def rows_in(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("| 2025")]


def test_the_row_stays_the_same_row_when_another_seed_comes(log: Path) -> None:
    first, second, late = seeds(BASE)
    (row,) = rows_in(write(log)[0])
    (log / "LOG.md").write_text((log / "LOG.md").read_text().replace(row, f"{row.removesuffix(' |')} mine |"))
    make_folder(log / "runs", late)
    text, tally = write(log)
    assert tally == Tally(came=0, changed=1, went=0)
    (now,) = rows_in(text)
    assert now.endswith(" mine |")
    assert re.findall("note ([0-9a-f]+)", now) == re.findall("note ([0-9a-f]+)", row)
    assert FolderSource(log / "runs").notes(first.id) == "mine\n"
    assert write(log) == (text, Tally())
    early = own(0, 9, val=0.33).model_copy(update={"start": first.start - timedelta(days=1), "id": "early"})
    make_folder(log / "runs", early)
    text, tally = write(log)
    assert tally == Tally(came=0, changed=1, went=0), "another run is the first now"
    assert f"`{first.id}` seed 0 0.300 - mine" in rows_in(text)[0]
    assert second.id in rows_in(text)[0]


def test_notes_behind_rows_of_single_runs_stay_with_their_runs_when_these_become_a_group(log: Path) -> None:
    """As a document has them that was written before replicates were one row."""
    records = seeds(BASE[:2])
    lines = [rows_in(render(rows_of(record)))[0] for record in records]
    typed = [f"{line.removesuffix(' |')} of seed {place} |" for place, line in enumerate(lines)]
    head = render([])
    begin, end = marker(TABLE, "begin"), marker(TABLE, "end")
    (log / "LOG.md").write_text(NEW.replace(f"{begin}\n{end}", "\n".join([begin, "", head, *typed, "", end])))
    (log / "LOG.md").write_text((log / "LOG.md").read_text().replace("|---|\n\n| 2025", "|---|\n| 2025"))
    text, tally = write(log)
    assert (tally.came, tally.went) == (0, 0)
    (row,) = rows_in(text)
    assert row.endswith(" of seed 0 |")
    assert f"`{records[1].id}` seed 1 0.310 - of seed 1" in row
    notes = FolderSource(log / "runs").notes
    assert [notes(record.id) for record in records] == ["of seed 0\n", "of seed 1\n"]
