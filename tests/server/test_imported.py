"""Kag's own calls for `kag import`: times, states, names and numbers of another server, by those who may."""

from __future__ import annotations

from typing import Any

import pytest

from kag.server.keys import new_key
from kag.server.rights import Role
from tests.server.conftest import Site

CONFIG = "method: grid\nparameters: {x: {values: [1]}}\n"


def change(site: Site, mutation: str, fields: str, **given: Any) -> Any:
    kind = f"{mutation[0].upper()}{mutation[1:]}Input!"
    query = f"mutation($input: {kind}) {{ {mutation}(input: $input) {{ {fields} }} }}"
    return site.post(query, input=given).json()


def refusal(answer: Any) -> str:
    return str(answer["errors"][0]["message"])


def test_a_run_has_the_times_and_the_state_that_it_had(site: Site) -> None:
    number = site.run()["bucket"]["id"]
    times = {"createdAt": "2020-01-02T03:04:05Z", "heartbeatAt": "2020-01-02T04:00:00"}
    fields = "run { createdAt heartbeatAt state exitcode }"
    found = change(site, "importRun", fields, id=number, state="failed", exitcode=3, **times)
    told = {"createdAt": "2020-01-02T03:04:05Z", "heartbeatAt": "2020-01-02T04:00:00Z"}
    assert found["data"]["importRun"]["run"] == {**told, "state": "failed", "exitcode": 3}


def test_a_run_that_crashed_elsewhere_is_one_here(site: Site) -> None:
    number = site.run()["bucket"]["id"]
    change(site, "importRun", "run { id }", id=number, state="crashed", heartbeatAt="1970-01-02T00:00:00Z")
    assert site.state() == "crashed"


@pytest.mark.parametrize(("given", "why"), [({"state": "asleep"}, "no state"), ({"createdAt": "soon"}, "no time")])
def test_what_is_no_state_and_no_time(site: Site, given: dict[str, str], why: str) -> None:
    number = site.run()["bucket"]["id"]
    assert why in refusal(change(site, "importRun", "run { id }", id=number, **given))


def test_a_sweep_keeps_its_name_and_is_of_one_project(site: Site) -> None:
    given = {"projectName": "p", "name": "1a2b3c4d", "config": CONFIG, "state": "FINISHED"}
    for _ in range(2):
        found = change(site, "importSweep", "sweep { name state updatedAt }", updatedAt="2020-01-02T03:04:05Z", **given)
        sweep = {"name": "1a2b3c4d", "state": "FINISHED", "updatedAt": "2020-01-02T03:04:05Z"}
        assert found["data"]["importSweep"]["sweep"] == sweep
    assert "another project" in refusal(change(site, "importSweep", "sweep { id }", **{**given, "projectName": "q"}))
    assert "sweep config" in refusal(change(site, "importSweep", "sweep { id }", **{**given, "config": "no: [config"}))
    assert "no sweep state" in refusal(change(site, "importSweep", "sweep { id }", **{**given, "state": "asleep"}))


def version(site: Site, number: int) -> Any:
    """A version that waits for its files, as the one with a number."""
    words = {"projectName": "p", "artifactTypeName": "model", "artifactCollectionName": "net", "digest": f"d{number}"}
    made = change(site, "createArtifact", "artifact { id }", **words)["data"]["createArtifact"]["artifact"]["id"]
    return change(site, "importArtifact", "artifact { createdAt }", artifactID=made, versionIndex=number,
                  createdAt="2020-01-02T03:04:05Z")  # fmt: skip


def test_a_version_gets_its_number_and_no_number_comes_twice(site: Site) -> None:
    site.run()
    assert version(site, 4)["data"]["importArtifact"]["artifact"]["createdAt"] == "2020-01-02T03:04:05Z"
    assert "not to be had" in refusal(version(site, 3))
    assert "not to be had" in refusal(version(site, -1))


def test_who_may(site: Site) -> None:
    number = site.run()["bucket"]["id"]
    change(site, "importSweep", "sweep { id }", projectName="p", name="s", config=CONFIG, state="RUNNING")
    with site.store.write() as connection:
        writer = new_key(connection, "writer", now=0.0, role=Role.WRITE)
        reader = new_key(connection, "reader", now=0.0, role=Role.READ)
    site.http.headers["Authorization"] = f"Bearer {writer}"
    assert "not made with the key" in refusal(change(site, "importRun", "run { id }", id=number, state="failed"))
    given = {"projectName": "p", "name": "s", "config": CONFIG, "state": "CANCELED"}
    assert "not made with the key" in refusal(change(site, "importSweep", "sweep { id }", **given))
    site.http.headers["Authorization"] = f"Bearer {reader}"
    assert "for reading" in refusal(change(site, "importSweep", "sweep { id }", **{**given, "name": "other"}))
