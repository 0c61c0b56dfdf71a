"""`kag serve --alert-url`: alerts are posted, and whatever the address does, no client and no log suffers."""

from __future__ import annotations

import json
import logging
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from kag.errors import UserError
from kag.server.alert_hook import WAITING, AlertHook
from tests.server.conftest import Site
from tests.server.test_alerts import alert

SECRET = "T0K3N"


class Receiver(ThreadingHTTPServer):
    """An address that takes alerts; `status` is what it answers."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.got: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self.status = 200
        self.url = f"http://127.0.0.1:{self.server_port}/{SECRET}"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        self.server.asked.append(self.path)
        self.server.got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(self.server.status)
        self.send_header("Location", "file:///etc/passwd" if self.server.status == 302 else "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def test_an_alert_that_is_kept_is_posted_with_its_run(tmp_path: Path, receiver: Receiver) -> None:
    hook = AlertHook(receiver.url)
    site = Site(tmp_path, alert_hook=hook)
    with hook.posting():
        site.run(displayName="my run")
        alert(site, "low", severity="WARN", waitDuration=60_000)
        alert(site, "low", severity="WARN", waitDuration=60_000)
        assert alert(site, "lost", runName="none").status_code == 404
    (posted,) = receiver.got
    assert posted == {
        "entity": "kag",
        "project": "p",
        "run": "first",
        "name": "my run",
        "title": "low",
        "text": "about low",
        "level": "WARN",
        "created_at": site.now,
        "url": "http://127.0.0.1/kag/p/runs/first/alerts",
    }
    site.http.close()
    site.store.close()


@pytest.mark.parametrize("status", [302, 307, 500])
def test_failures_are_said_once_without_the_secret_and_no_redirect_is_followed(
    receiver: Receiver, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    receiver.status = status
    hook = AlertHook(receiver.url)
    with caplog.at_level(logging.WARNING), hook.posting():
        for number in range(3):
            hook.post({"title": str(number)})
    assert [one["title"] for one in receiver.got] == ["0", "1", "2"]
    assert set(receiver.asked) == {f"/{SECRET}"}
    (said,) = [record.getMessage() for record in caplog.records]
    assert f"127.0.0.1 answered {status}" in said
    assert SECRET not in said


def test_an_address_that_is_gone_or_slow_holds_nobody_up(caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/{SECRET}"
    gone = AlertHook(url)
    with caplog.at_level(logging.WARNING), gone.posting():
        gone.post({"title": "x"})
    idle = AlertHook(url)
    for number in range(WAITING + 5):
        idle.post({"title": str(number)})
    reached, full = (record.getMessage() for record in caplog.records)
    assert "cannot be reached (URLError)" in reached
    assert f"{WAITING} alerts wait" in full
    assert SECRET not in reached + full


@pytest.mark.parametrize(
    "url", ["", "ftp://example.org/x", "file:///etc/passwd", "https://", "http://a b", "http://x:0/"]
)
def test_an_address_that_takes_no_alerts_is_refused(url: str) -> None:
    with pytest.raises(UserError, match="no address that takes alerts"):
        AlertHook(url)
