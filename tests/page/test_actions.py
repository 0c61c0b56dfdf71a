"""What is done to many runs at once, by their ids or by the filter; what is deleted, and its way back."""

from __future__ import annotations

import csv
import io
import json
import re
from types import SimpleNamespace
from typing import Any

import pytest

from kag.server import parts
from kag.server.keys import new_key
from kag.server.prune import prune
from kag.server.rights import Role
from kag.server.store import count, find
from kag.server.tables import files, lines, runs, trash
from kag.server.trash import KEPT
from kag.text import spreadsheet
from tests.page.conftest import token_of
from tests.page.synthetic import add_runs, add_script_run

NAMES = "query($p: String!){project(name: $p){runCount runs(first: 50){edges{node{name tags}}}}}"


@pytest.fixture
def many(reader: Any) -> Any:
    """Twelve runs of kag, one of a script."""
    add_runs(reader.store, 12, epochs=2)
    add_script_run(reader.store, 3)
    reader.now = 1_770_000_000.0
    reader.restart()
    assert reader.log_in().status_code == 303
    return reader


def act(site: Any, do: str, query: str = "", **fields: str) -> Any:
    """Ask for an action as the script of the page does."""
    token = token_of(site.browse("/kag/many").text)
    site.http.headers.pop("Authorization", None)
    return site.submit(f"/kag/many/actions{query}", {"csrf": token, "do": do, **fields}, Accept="application/json")


def held(site: Any) -> dict[str, list[str]]:
    """What W&B's client sees: names of runs, with their tags."""
    site.as_client()
    found = site.ask(NAMES, p="many")["project"]
    edges = found["runs"]["edges"]
    assert found["runCount"] == len(edges)
    return {edge["node"]["name"]: edge["node"]["tags"] for edge in edges}


def shown(site: Any, query: str = "") -> set[str]:
    """The runs that the table shows."""
    answer = site.fetch(f"/kag/many/runs.json{query}").json()
    return set(answer["fits"]) if answer["fits"] is not None else {run[0] for run in answer["runs"]}


def test_all_that_the_filter_leaves_are_tagged_by_the_filter(many: Any) -> None:
    fitting = shown(many, "?q=run000")
    assert len(fitting) == 10
    told = act(many, "tag", "?q=run000", tag="kept", all="1", count="10").json()
    assert (told["done"], told["same"], told["undone"]) == (10, 0, [])
    assert {name for name, tags in held(many).items() if "kept" in tags} == fitting
    again = act(many, "tag", "?q=run000", tag="kept", all="1", count="10").json()
    assert (again["done"], again["same"]) == (0, 10)
    assert act(many, "untag", "?tag=kept", tag="kept", all="1", count="10").json()["done"] == 10
    assert not any("kept" in tags for tags in held(many).values())


def test_a_filter_that_leaves_other_runs_by_now_changes_none(many: Any) -> None:
    before = held(many)
    answer = act(many, "delete", "?q=run000", all="1", count="9")
    assert answer.status_code == 409
    assert "leaves 10 runs by now" in answer.json()["error"]
    assert held(many) == before


def test_other_tags_keep_their_places(many: Any) -> None:
    before = held(many)["00000003"]
    act(many, "tag", runs="00000003", tag="b")
    act(many, "tag", runs="00000003", tag="a")
    assert held(many)["00000003"] == [*before, "b", "a"]


def test_whoever_looks_is_told_of_what_has_changed_alone(many: Any) -> None:
    known = many.fetch("/kag/many/runs.json").json()["seen"]
    act(many, "tag", runs="00000001\n00000002", tag="x")
    news = many.fetch(f"/kag/many/runs.json?seen={known}").json()
    assert {run[0] for run in news["runs"]} == {"00000001", "00000002"}
    act(many, "delete", runs="00000001")
    news = many.fetch(f"/kag/many/runs.json?seen={news['seen']}").json()
    assert news["whole"]
    assert "00000001" not in {run[0] for run in news["runs"]}


def test_one_that_cannot_be_changed_leaves_the_others_to_be(many: Any) -> None:
    many.as_client()
    many.run(name="alive", project="many", displayName="still logging")
    told = act(many, "delete", runs="00000001\nalive\nnever\n00000002").json()
    assert told["done"] == 2
    assert {one["run"]: one["why"] for one in told["undone"]} == {
        "never": "it is not there any more",
        "still logging": "it is under way: stop it first",
    }
    assert held(many).keys() >= {"alive", "00000003"}


def test_an_archived_run_is_shown_to_whoever_asks_for_it(many: Any) -> None:
    assert act(many, "archive", runs="00000001").json()["done"] == 1
    assert "00000001" not in shown(many)
    assert "00000001" not in many.fetch("/kag/many/runs.csv").text
    assert shown(many, "?tag=archived") == {"00000001"}
    assert act(many, "unarchive", runs="00000001").json()["done"] == 1
    assert "00000001" in shown(many)


@pytest.mark.parametrize("tag", ["", "  ", "a,b", "x" * 65, "a\nb", "\u202eevil"])
def test_what_is_no_tag_is_refused(many: Any, tag: str) -> None:
    assert act(many, "tag", runs="00000001", tag=tag).status_code == 400


def test_many_are_deleted_in_parts_that_others_see_and_come_back_by_one_word(
    many: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for the database until the last of a thousand is gone."""
    before, between = held(many), []

    def look(seconds: float) -> None:
        with many.store.write() as connection:
            between.append(count(connection, trash))

    monkeypatch.setattr(parts, "AT_ONCE", 4)
    monkeypatch.setattr(parts, "time", SimpleNamespace(sleep=look))
    told = act(many, "delete", all="1", count="13").json()
    assert (told["done"], told["undone"], held(many)) == (13, [], {})
    assert between == [4, 8, 12]
    fields = {"csrf": token_of(many.browse("/kag/many/deleted").text), "at": told["at"]}
    many.http.headers.pop("Authorization", None)
    assert many.submit("/kag/many/deleted", fields, Accept="application/json").json()["done"] == 13
    assert between[3:] == [9, 5, 1]
    assert held(many) == before


def test_a_deleted_run_is_gone_at_once_and_comes_back_whole(many: Any) -> None:
    many.as_client()
    before, page = held(many), many.browse("/kag/many/runs/00000004").text.partition("<main")[2]
    told = act(many, "delete", runs="00000004\n00000005").json()
    assert held(many).keys() == before.keys() - {"00000004", "00000005"}
    assert many.browse("/kag/many/runs/00000004").status_code == 404
    many.as_client()
    sent = {"files": {}, "complete": True}
    assert many.http.post("/files/kag/many/00000004/file_stream", json=sent).status_code == 404
    listed = many.browse("/kag/many/deleted").text
    assert "run0004" in listed
    assert "run0005" in listed
    fields = {"csrf": token_of(listed), "at": told["at"]}
    assert many.submit("/kag/many/deleted", fields, Accept="application/json").json()["done"] == 2
    assert held(many) == before
    assert many.browse("/kag/many/runs/00000004").text.partition("<main")[2] == page
    assert "No run was deleted" in many.browse("/kag/many/deleted").text


def test_a_name_that_is_taken_again_keeps_its_new_run(many: Any) -> None:
    act(many, "delete", runs="script")
    many.as_client()
    many.run(name="script", project="many", displayName="the second", host="h")
    page = many.browse("/kag/many/deleted").text
    answer = many.submit("/kag/many/deleted", {"csrf": token_of(page)})
    assert "another run has the id &#39;script&#39; by now" in answer.text
    assert "the second" in many.browse("/kag/many/runs/script").text
    assert "script" in many.browse("/kag/many/deleted").text


def test_after_a_day_it_is_gone_for_good_with_its_files(many: Any) -> None:
    with many.store.read() as connection:
        number = find(connection, runs, name="00000004")["id"]
    act(many, "delete", runs="00000004")
    many.now += KEPT - 1
    assert "run0004" in many.browse("/kag/many/deleted").text
    with many.store.read() as connection:
        assert count(connection, lines, run_id=number) > 0
    many.now += 1
    assert prune(many.store, many.settings.files, now=many.now, keep_days=None, project=None, dry_run=True).runs == []
    prune(many.store, many.settings.files, now=many.now, keep_days=None, project=None, dry_run=False)
    with many.store.read() as connection:
        assert find(connection, runs, id=number) is None
        for table in (lines, files):
            assert count(connection, table, run_id=number) == 0
        assert count(connection, trash) == 0
    assert "run0004" not in many.browse("/kag/many/deleted").text


def test_a_key_changes_its_own_runs_alone_and_tells_of_the_others(many: Any) -> None:
    with many.store.write() as connection:
        keys = {role: new_key(connection, role.value, now=many.now, role=role) for role in (Role.READ, Role.WRITE)}
        connection.execute(runs.update().filter_by(name="00000002").values(user="write"))
    before = held(many)
    many.http.client.cookies.clear()
    many.log_in(keys[Role.READ])
    assert "Your key is for reading" in many.browse("/kag/many").text
    assert act(many, "tag", runs="00000002", tag="x").status_code == 403
    assert held(many) == before
    many.http.client.cookies.clear()
    many.log_in(keys[Role.WRITE])
    assert act(many, "delete", runs="00000001").status_code == 403
    told = act(many, "delete", runs="00000001\n00000002").json()
    assert told["done"] == 1
    assert "was not made with the key 'write'" in told["undone"][0]["why"]
    assert held(many).keys() == before.keys() - {"00000002"}


def test_the_csv_is_what_is_shown_and_no_formula(many: Any) -> None:
    with many.store.write() as connection:
        connection.execute(runs.update().filter_by(name="00000001").values(notes="=cmd|'/c calc'!A1"))
    answer = many.fetch("/kag/many/runs.csv?q=run000&columns=summary:val/auprc,config:seed")
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["content-disposition"].startswith("attachment")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["name"][-7:] for row in rows] == [f"run{i:04}" for i in range(9, -1, -1)]
    assert all(0 < float(row["val/auprc"]) < 1 for row in rows)
    assert {row["id"]: row["notes"] for row in rows}["00000001"] == "'=cmd|'/c calc'!A1"
    with many.store.read() as connection:
        config = json.loads(find(connection, runs, name="00000003")["config"])
    assert {row["id"]: row["seed"] for row in rows}["00000003"] == str(config["seed"]["value"])


@pytest.mark.parametrize(("text", "safe"), [("-1.5e3", "-1.5e3"), ("-a", "'-a"), ("\t=1", "'\t=1"), ("a=1", "a=1")])
def test_numbers_are_no_formulas(text: str, safe: str) -> None:
    assert spreadsheet(text) == safe


def test_what_a_client_deletes_comes_back_by_the_page(reader: Any) -> None:
    """For the client it is gone, and its id is free; a run that has taken the id meanwhile keeps it."""
    reader.as_client()
    first = reader.run("first", host="node7")["bucket"]["id"]
    reader.log(0, [{"_step": 0, "x": 1.5}])
    delete = "mutation($i: ID!){deleteRun(input:{id:$i}){success}}"
    for _ in range(2):
        assert reader.ask(delete, i=first)["deleteRun"]["success"] is True, "as often as it likes"
    assert reader.ask('{project(name:"p"){run(name:"first"){id} runCount}}')["project"] == {"run": None, "runCount": 0}
    second = reader.run("first", host="node7")
    assert (second["inserted"], second["bucket"]["historyLineCount"]) == (True, 0)
    assert reader.log_in().status_code == 303
    fields = {"csrf": token_of(reader.browse("/kag/p/deleted").text)}
    assert "another run has the id" in reader.submit("/kag/p/deleted", fields).text
    reader.as_client()
    reader.ask(delete, i=second["bucket"]["id"])
    assert reader.log_in().status_code == 303
    listed = reader.browse("/kag/p/deleted").text
    number = min(map(int, re.findall(r'name="run" value="(\d+)"', listed)))
    fields = {"csrf": token_of(listed), "run": str(number)}
    assert reader.submit("/kag/p/deleted", fields, Accept="application/json").json()["done"] == 1
    reader.as_client()
    assert [row["x"] for row in reader.history()] == [1.5]
