"""A server is killed in the middle of an upload, to a folder and to a bucket."""

from __future__ import annotations

import http.client
import signal
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit

import pytest

from tests.bucket import BUCKET
from tests.e2e.tracking import TrackingServer, until

LINK = """mutation {createRunFiles(input: {projectName: "p", entityName: "kag", runName: "first", files: ["w.bin"]}) {
  files {uploadUrl}}}"""
FILES = '{project(name: "p", entityName: "kag") {run(name: "first") {files {edges {node {name sizeBytes directUrl}}}}}}'
PART = bytes(range(256)) * 4096
"""A MiB."""


class Folder:
    """Where files lie, as a bucket is asked about it."""

    environment: Mapping[str, str] = MappingProxyType({})

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def place(self) -> str:
        return str(self.folder)

    def uploads(self, _: str) -> int:
        return len(list(self.folder.glob("*/*.part")))

    def ask(self, address: str) -> str:
        return "".join("<Key>" for file in self.folder.glob("*/*") if file.suffix != ".part")


@pytest.mark.parametrize("where", ["folder", "s3"])
def test_what_was_uploaded_in_part_is_no_object_and_comes_again(
    where: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    s3 = request.getfixturevalue("s3") if where == "s3" else Folder(tmp_path / "files")
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    place = s3.place()
    server = TrackingServer(tmp_path, f"sqlite:///{tmp_path / 'tracking.db'}", "--strict", "--files", place)
    server.start()
    server.graphql('mutation {upsertBucket(input: {modelName: "p", name: "first"}) {inserted}}')
    link = urlsplit(server.graphql(LINK)["createRunFiles"]["files"][0]["uploadUrl"])
    sending = http.client.HTTPConnection(link.netloc, timeout=60)
    sending.putrequest("PUT", link.path)
    sending.putheader("Content-Length", str(64 * len(PART)))
    sending.endheaders()
    for _ in range(20):
        sending.send(PART)
    until(lambda: s3.uploads(place) == 1, what="the first part")
    server.kill()
    sending.close()
    assert "<Key>" not in s3.ask(f"/{BUCKET}?list-type=2&prefix={place.rpartition('/')[2]}")
    server.start()
    assert server.graphql(FILES)["project"]["run"]["files"]["edges"] == []
    again = http.client.HTTPConnection(link.netloc, timeout=60)
    again.request("PUT", link.path, PART * 20)
    assert again.getresponse().read() == b""
    node = server.graphql(FILES)["project"]["run"]["files"]["edges"][0]["node"]
    assert (node["name"], int(node["sizeBytes"])) == ("w.bin", 20 * len(PART))
    again.request("GET", urlsplit(node["directUrl"]).path, headers={"Range": "bytes=-256"})
    assert again.getresponse().read() == PART[:256]
    again.close()
    server.kill(signal.SIGTERM)
    said = server.log.read_text()
    assert not [value for value in s3.environment.values() if value.endswith("-of-the-tests") and value in said]
