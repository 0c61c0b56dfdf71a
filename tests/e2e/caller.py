"""The protocol of W&B's client in a few words, for tests that need many clients and no process for each."""

from __future__ import annotations

import http.client
import json
from typing import Any

from tests.e2e.tracking import TrackingServer, until


class Caller:
    """Asks one server until it answers, as clients do.

    Args:
        server: which one.
        project: where runs are logged.
    """

    def __init__(self, server: TrackingServer, project: str) -> None:
        self.server = server
        self.project = project
        self.headers = {"Authorization": f"Bearer {server.key}", "Content-Type": "application/json"}

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """The answer to a request."""
        return dict(until(lambda: self._answer(path, body), what=f"an answer to {path}"))

    def _answer(self, path: str, body: dict[str, Any]) -> dict[str, Any] | None:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
        try:
            connection.request("POST", path, json.dumps(body), self.headers)
            answer = connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()
        if answer.status == 429:
            return None
        assert answer.status == 200, text
        found: dict[str, Any] = json.loads(text)
        assert "errors" not in found, found
        return found | {"ok": True}

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """The data of a GraphQL request."""
        return dict(self.post("/graphql", {"query": query, "variables": variables})["data"])

    def begin(self, name: str, **words: Any) -> None:
        """Begin a run."""
        given = {"name": name, "modelName": self.project, **words}
        self.ask("mutation($i: UpsertBucketInput!){upsertBucket(input:$i){inserted}}", i=given)

    def log(self, name: str, step: int, value: float) -> None:
        """Log a row."""
        file = {"offset": step, "content": [json.dumps({"_step": step, "score": value})]}
        self.post(f"/files/kag/{self.project}/{name}/file_stream", {"files": {"wandb-history.jsonl": file}})

    def end(self, name: str, value: float) -> None:
        """Say that a run is over."""
        summary = {"wandb-summary.json": {"offset": 0, "content": [json.dumps({"score": value})]}}
        body = {"files": summary, "complete": True, "exitcode": 0}
        self.post(f"/files/kag/{self.project}/{name}/file_stream", body)

    def beat(self, agent: str, *running: str) -> list[dict[str, Any]]:
        """What an agent is told."""
        query = "mutation($i: ID!, $s: JSONString){agentHeartbeat(input:{id:$i,runState:$s}){commands}}"
        told = self.ask(query, i=agent, s=json.dumps(dict.fromkeys(running, True)))["agentHeartbeat"]["commands"]
        return list(json.loads(told))
