"""Hundreds of requests that mean harm; `python -m tests.benchmarks.hostile` sends thousands to a server of its own."""

from __future__ import annotations

import json
from itertools import islice
from typing import Any

import pytest

from tests.server.crossing import SECRET, Crossing, crossed, furnish, kept
from tests.server.hostile import hostile
from tests.server.test_rights import Lab
from tests.server.test_rights import fresh as fresh


@pytest.mark.parametrize("seed", range(3))
def test_hostile_requests_are_answered_or_refused_in_words(site: Any, seed: int) -> None:
    site.run()
    site.log(0, [{"_step": step, "a": step} for step in range(20)])
    for request in islice(hostile(seed), 150):
        answer = site.http.request(request.method, request.path, content=request.body, headers=request.headers)
        assert answer.status_code < 500, (request, answer.text)
        assert "the server failed" not in answer.text, request
        if answer.status_code >= 400 and answer.headers.get("content-type") == "application/json":
            assert json.loads(answer.text)["error"]
    assert site.http.get("/healthz").status_code == 200
    assert len(site.history()) >= 20


def test_no_key_crosses_into_what_another_one_has_made(fresh: Lab) -> None:
    cookie = f"kag_session_80={furnish(fresh)}"
    before = kept(fresh)
    for by, request in islice(Crossing(fresh, cookie, 1), 250):
        fresh.become(by)
        answer = fresh.http.request(request.method, request.path, content=request.body, headers=request.headers)
        assert answer.status_code < 500, (by, request, answer.text)
        assert "the server failed" not in answer.text, (by, request)
        assert by != "elsewhere" or SECRET not in answer.text, request
    assert crossed(before, kept(fresh)) == {}
