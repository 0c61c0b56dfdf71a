"""Which run a word of a person means: an id, its beginning, a name, `latest`; of several that fit, none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from kag.errors import RecordError
from kag.track.folder import RunFolder
from kag.view.words import NamedRuns, find_run, nearest, run_meant
from tests.changelog.foreign_logs import foreign
from tests.changelog.run_logs import START, make_folder, run_record


def made(runs: Path, number: int, name: str, **fields: Any) -> RunFolder:
    return make_folder(runs, run_record(number, name, **fields))


def test_a_name_that_several_runs_have_lists_them_with_what_tells_them_apart(tmp_path: Path) -> None:
    base = {"optimizer.lr": 0.1, "seed": 1}
    first = made(tmp_path, 0, "demo", val=0.3, config=base)
    second = made(tmp_path, 1, "demo", config=base | {"optimizer.lr": 0.2}, change="a higher rate", status="killed")
    with pytest.raises(RecordError, match="'demo' stands for 2 runs") as caught:
        find_run(tmp_path, "demo")
    _, one, two = str(caught.value.what).split("\n")
    assert one == f"  {first.id}  finished, val AUPRC 0.300, optimizer.lr 0.1"
    assert two == f"  {second.id}  killed, optimizer.lr 0.2, a higher rate"
    assert caught.value.exit_code == 2
    assert find_run(tmp_path, second.id) == second


def test_of_many_the_newest_are_listed_and_one_that_is_broken_hides_none(tmp_path: Path) -> None:
    folders = [made(tmp_path, number, "demo") for number in range(8)]
    folders[6].record_file.write_text("{")
    with pytest.raises(RecordError, match="stands for 8 runs") as caught:
        find_run(tmp_path, "demo")
    assert [line.split()[0] for line in caught.value.what.split("\n")[1:-1]] == [one.id for one in folders[3:]]
    assert f"{folders[6].id}  its record cannot be read" in caught.value.what
    assert caught.value.what.endswith("and 3 older ones")


def test_runs_of_one_name_and_one_second_are_several(tmp_path: Path) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    for _ in range(2):
        folder = RunFolder.create(tmp_path, "twin", start)
        folder.write_record(run_record(0, "twin", start=start).model_copy(update={"id": folder.id}))
    for word in ("twin", "2026-01-01"):
        with pytest.raises(RecordError, match="stands for 2 runs"):
            find_run(tmp_path, word)
    assert find_run(tmp_path, folder.id) == folder


def test_an_archived_run_steps_back_where_another_one_fits(tmp_path: Path) -> None:
    junk, good = made(tmp_path, 1, "demo", tags=["archived"]), made(tmp_path, 0, "demo")
    assert find_run(tmp_path, "demo") == good
    assert find_run(tmp_path, "latest") == good
    assert find_run(tmp_path, junk.id) == junk
    made(tmp_path, 2, "other", tags=["archived"])
    assert find_run(tmp_path, "other").id.endswith("other"), "alone it is meant"


def test_the_latest_is_the_run_that_began_last(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="no run 'latest'"):
        find_run(tmp_path, "latest")
    made(tmp_path, 3, "a")
    last = made(tmp_path, 5, "b", status="running")
    made(tmp_path, 4, "z")
    assert find_run(tmp_path, "latest") == last
    last.record_file.write_text("{")
    assert find_run(tmp_path, "latest") == last, "it says itself that it is broken"
    named = make_folder(tmp_path, run_record(1, "latest"))
    with pytest.raises(RecordError, match="'latest' stands for 2 runs"):
        find_run(tmp_path, "latest")
    assert find_run(tmp_path, named.id) == named
    odd = make_folder(tmp_path / "odd", run_record(9, "x").model_copy(update={"id": "my-own-id"}))
    made(tmp_path / "odd", 8, "y")
    assert find_run(tmp_path / "odd", "latest") == odd, "an id that does not begin with its start"


def test_a_mere_ending_is_enough_to_look_at_a_run_and_for_nothing_else(tmp_path: Path) -> None:
    folder = made(tmp_path, 0, "first_averaged")
    for word in ("averaged", "raged"):
        assert find_run(tmp_path, word) == folder
        with pytest.raises(RecordError, match="no run") as caught:
            find_run(tmp_path, word, ending=False)
        assert caught.value.nearest == folder.id
    for word in (folder.id, folder.id[:12], "first_averaged"):
        assert find_run(tmp_path, word, ending=False) == folder


def test_the_remedy_lists_the_runs_of_that_folder(tmp_path: Path) -> None:
    made(tmp_path / "my runs", 0, "demo")
    with pytest.raises(RecordError) as caught:
        find_run(tmp_path / "my runs", "dmo")
    assert caught.value.remedy == f"`kag runs list --runs '{tmp_path}/my runs'` shows them"


def test_runs_of_another_source_are_named_alike_and_by_their_id_there() -> None:
    records = [foreign(0, "base"), foreign(1, "wide"), foreign(2, "wide")]
    assert run_meant("w1wide", records, where="wandb:a/b") == records[1]
    assert run_meant("latest", records, where="wandb:a/b") == records[2]
    assert run_meant("base", records, where="wandb:a/b") == records[0]
    with pytest.raises(RecordError, match="'wide' stands for 2 runs") as caught:
        run_meant("wide", records, where="wandb:a/b")
    assert caught.value.where == "wandb:a/b"
    with pytest.raises(RecordError, match="no run 'wd'") as caught:
        run_meant("wd", records, where="offline:my runs")
    assert caught.value.remedy == "`kag runs list --source 'offline:my runs'` shows them"


def test_what_a_record_names_keeps_its_own_reading() -> None:
    """A name in a record means the newest run of that name that began before it, archived or not."""
    old, new = run_record(0, "base"), run_record(1, "base", tags=["archived"])
    child = run_record(2, "child", parent="base")
    assert NamedRuns([old, new, child]).parent(child) == new
    assert NamedRuns([old, new, child, run_record(3, "base")]).parent(child) == new


def test_what_ends_so_is_nearest() -> None:
    ids = [f"{START + timedelta(days=n):%Y-%m-%d_%H-%M-%S}_{name}" for n, name in enumerate(("my-oct17", "oct16"))]
    assert nearest("oct17", ids)[0] == ids[0]
