"""`run.alert()` is kept with its run."""

from __future__ import annotations

from typing import Any

from kag.server.alerts import alerts_of
from kag.server.runs import run_by_path

ALERT = """mutation NotifyScriptableRunAlert($entityName: String!, $projectName: String!, $runName: String!,
  $title: String!, $text: String!, $severity: AlertSeverity = INFO, $waitDuration: Duration) {
  notifyScriptableRunAlert(input: {entityName: $entityName, projectName: $projectName, runName: $runName,
    title: $title, text: $text, severity: $severity, waitDuration: $waitDuration}) { success } }"""
"""The document of the clients."""


def alert(site: Any, title: str, **words: Any) -> Any:
    where = {"entityName": "kag", "projectName": "p", "runName": "first"}
    return site.post(ALERT, **{**where, "title": title, "text": f"about {title}", **words})


def kept(site: Any) -> list[tuple[Any, ...]]:
    with site.store.read() as connection:
        run = run_by_path(connection, "kag", "p", "first")
        return [(one["title"], one["text"], one["level"]) for one in alerts_of(connection, run["id"])]


def test_alerts_are_kept_the_newest_first_and_go_with_their_run(site: Any) -> None:
    run = site.run()
    assert alert(site, "low").json() == {"data": {"notifyScriptableRunAlert": {"success": True}}}
    site.now += 1
    alert(site, "NaN", severity="ERROR")
    assert kept(site) == [("NaN", "about NaN", "ERROR"), ("low", "about low", "INFO")]
    site.ask("mutation($id: ID!){deleteRun(input:{id:$id}){success}}", id=run["bucket"]["id"])
    site.run(host="node7")
    assert kept(site) == []


def test_an_alert_of_the_same_title_waits_as_long_as_the_run_asked(site: Any) -> None:
    site.run()
    minute = 60_000
    for seconds, title in ((0, "low"), (30, "low"), (1, "high"), (30, "low")):
        site.now += seconds
        alert(site, title, waitDuration=minute)
    assert [title for title, _, _ in kept(site)] == ["low", "high", "low"]


def test_an_alert_for_no_run_or_of_no_level_is_refused(site: Any) -> None:
    site.run()
    assert alert(site, "low", runName="none").status_code == 404
    assert "FATAL" in alert(site, "low", severity="FATAL").json()["errors"][0]["message"]
    assert kept(site) == []
