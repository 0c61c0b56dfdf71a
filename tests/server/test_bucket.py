"""Files in a bucket, and what must hold of them wherever they lie: ranges, halves, limits, secrets, backups."""

from __future__ import annotations

import hashlib
import json
import math
import socket
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from kag.errors import UserError
from kag.server.backup import back_up, restore
from kag.server.blob_folder import BlobFolder
from kag.server.blobs import Blobs, blobs_at
from kag.server.byte_ranges import range_of
from kag.server.check import check
from kag.server.faults import Fault
from kag.server.prune import prune
from kag.server.store import Store
from tests.needs import needs
from tests.server.artifact_log import Log
from tests.server.conftest import Site
from tests.server.test_backup import rows_of, upload

CONTENT = bytes(range(256)) * 4
LARGE = 2 * 8 * 2**20 + 12_345
"""Bytes of three parts."""
DOWNLOAD = """query($n: [String]){project(name:"p"){run(name:"first"){files(names:$n){
  edges{node{directUrl md5 sizeBytes}}}}}}"""


@pytest.fixture
def place(s3: Any) -> str:
    """A place in a bucket."""
    return str(s3.place())


@pytest.fixture
def bucket(s3: Any, place: str, monkeypatch: pytest.MonkeyPatch) -> Blobs:
    """The files there."""
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    return blobs_at(place)


def sent(site: Any, content: Any, name: str = "a.bin") -> dict[str, Any]:
    """Upload a file of a run; what the server says of it."""
    site.run("first")
    query = """mutation($f: [String!]!){createRunFiles(input:{projectName:"p",runName:"first",files:$f}){
      files{uploadUrl}}}"""
    link = site.ask(query, f=[name])["createRunFiles"]["files"][0]["uploadUrl"]
    assert site.http.put(link, content=content).status_code == 200
    node: dict[str, Any] = site.ask(DOWNLOAD, n=[name])["project"]["run"]["files"]["edges"][0]["node"]
    return node


@pytest.mark.everywhere
@pytest.mark.parametrize(
    ("asked", "status", "first", "end"),
    [
        ("bytes=0-9", 206, 0, 10),
        ("bytes=1000-", 206, 1000, 1024),
        ("bytes=-24", 206, 1000, 1024),
        ("bytes=1023-5000", 206, 1023, 1024),
        pytest.param("bytes=-5000", 206, 0, 1024, marks=needs("starlette", "1.3", "end of a file that is shorter")),
        ("lines=1-2", None, 0, 1024),
    ],
)
def test_a_range_is_that_part_of_the_file(site: Any, asked: str, status: int | None, first: int, end: int) -> None:
    node = sent(site, CONTENT)
    answer = site.http.get(node["directUrl"], headers={"Range": asked})
    if status is None:
        assert answer.status_code in (200, 400), "what is no range of bytes is ignored, or refused"
        return
    assert (answer.status_code, answer.content) == (status, CONTENT[first:end])
    assert answer.headers["content-range"] == f"bytes {first}-{end - 1}/1024"
    assert answer.headers["content-length"] == str(end - first)


@pytest.mark.everywhere
def test_a_range_behind_the_end_is_refused_and_one_of_another_file_is_not_mixed_in(site: Any) -> None:
    node = sent(site, CONTENT)
    assert site.http.get(node["directUrl"], headers={"Range": "bytes=1024-"}).status_code == 416
    tag = site.http.get(node["directUrl"]).headers["etag"]
    both = {"Range": "bytes=0-9", "If-Range": tag}
    assert site.http.get(node["directUrl"], headers=both).content == CONTENT[:10]
    sent(site, CONTENT[::-1])
    answer = site.http.get(node["directUrl"], headers=both)
    assert (answer.status_code, answer.content) == (200, CONTENT[::-1])


@pytest.mark.everywhere
def test_an_empty_file_is_a_file(site: Any) -> None:
    node = sent(site, b"")
    assert (node["sizeBytes"], node["md5"]) == ("0", "1B2M2Y8AsgTpgAmY7PhCfg==")
    assert site.http.get(node["directUrl"]).content == b""


@given(st.integers(0, 50), st.integers(0, 60), st.integers(0, 60))
def test_ranges_are_those_of_the_standard(size: int, first: int, last: int) -> None:
    content = bytes(range(size))
    found = range_of(f"bytes={first}-{last}", size)
    assert (found is None) == (last < first)
    if found is not None:
        assert content[slice(*found)] == content[first : last + 1]
    for header, expected in ((f"bytes={first}-", content[first:]), (f"bytes=-{last}", content[max(size - last, 0) :])):
        both = range_of(header, size)
        assert both is not None
        assert content[slice(*both)] == expected
    assert range_of(f"bytes={first}-,{last}-", size) is None


def test_a_large_file_goes_up_in_parts_and_comes_back_whole(bucket: Blobs, s3: Any, place: str, tmp_path: Path) -> None:
    site = Site(tmp_path, files=bucket, max_upload=2**30)
    content = hashlib.shake_128(b"weights").digest(LARGE)
    node = sent(site, (content[at : at + 700_000] for at in range(0, LARGE, 700_000)))
    digest = b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()
    assert (node["sizeBytes"], node["md5"]) == (str(LARGE), digest)
    assert site.http.get(node["directUrl"]).content == content
    part = site.http.get(node["directUrl"], headers={"Range": f"bytes={LARGE - 9}-"})
    assert part.content == content[-9:]
    assert s3.uploads(place) == 0
    close(site)


@pytest.mark.parametrize("pieces", [1, 20])
def test_what_breaks_off_or_is_too_large_leaves_nothing(
    bucket: Blobs, s3: Any, place: str, tmp_path: Path, pieces: int
) -> None:
    site = Site(tmp_path, files=bucket, max_upload=21 * 2**20)
    site.run("first")

    def broken() -> Iterator[bytes]:
        yield from [bytes(2**20)] * pieces
        raise ConnectionResetError

    query = """mutation{createRunFiles(input:{projectName:"p",runName:"first",files:["a"]}){files{uploadUrl}}}"""
    link = site.ask(query)["createRunFiles"]["files"][0]["uploadUrl"]
    assert site.http.put(link, content=broken()).status_code >= 400
    assert site.http.put(link, content=iter([bytes(2**20)] * 22)).status_code == 413
    assert (list(bucket.lying(before=math.inf)), s3.uploads(place)) == ([], 0)
    close(site)


def close(*sites: Site) -> None:
    for site in sites:
        site.http.close()
        site.store.close()


def test_servers_of_one_bucket_serve_each_others_files(bucket: Blobs, tmp_path: Path) -> None:
    first = Site(tmp_path, files=bucket)
    second = Site(tmp_path, key=first.key, files=blobs_at(str(bucket)))
    node = sent(first, b"of the first")
    assert second.http.get(node["directUrl"]).content == b"of the first"
    sent(second, b"of the second")
    assert first.http.get(node["directUrl"]).content == b"of the second"
    Log(second)({"w.txt": b"weights"})
    second.restart()
    assert {bucket.read(one.path) for one in bucket.lying(before=math.inf)} >= {b"of the second", b"weights"}
    assert len(bucket.lying(before=math.inf)) == 3, "with the manifest; what was replaced is gone"
    close(first, second)


def test_check_and_prune_look_into_the_bucket(bucket: Blobs, tmp_path: Path) -> None:
    site = Site(tmp_path, files=bucket)
    sent(site, b"kept")
    lost = sent(site, b"lost", "b.bin")
    bucket.keep(b"about to get a row")
    assert check(site.store, bucket, now=math.inf)._replace(layout="") == ("", [], 1)
    named = next(one.path for one in bucket.lying(before=math.inf) if bucket.read(one.path) == b"lost")
    bucket.remove([named])
    assert check(site.store, bucket, now=math.inf).broken == [f"{bucket}/{named[:2]}/{named} is missing"]
    assert site.http.get(lost["directUrl"]).status_code == 404
    words: dict[str, Any] = {"keep_days": None, "project": None, "dry_run": False}
    newest = 2_000_000_000.0 * 2
    assert prune(site.store, bucket, now=0.0, **words).files == 0, "an upload on its way is no stray"
    assert prune(site.store, bucket, now=newest, **words)[1:] == (1, len(b"about to get a row"))
    assert len(bucket.lying(before=math.inf)) == 1
    close(site)


def test_a_backup_leaves_files_in_the_bucket_and_is_restored_to_it(bucket: Blobs, s3: Any, tmp_path: Path) -> None:
    site = Site(tmp_path, files=bucket)
    node = sent(site, b"weights")
    taken = back_up(site.store, bucket, tmp_path / "backup")
    assert (taken.runs, taken.files, taken.missing, taken.elsewhere) == (1, 0, 0, str(bucket))
    assert not (tmp_path / "backup" / "files").exists()
    url = f"sqlite:///{tmp_path / 'again.db'}"
    for other in (BlobFolder(tmp_path / "other"), blobs_at(s3.place())):
        with pytest.raises(UserError, match="have stayed in"):
            restore(tmp_path / "backup", url, other)
    assert restore(tmp_path / "backup", url, blobs_at(str(bucket))).missing == 0
    again = Site(tmp_path, url=url, key=site.key, files=bucket)
    assert rows_of(again.store) == rows_of(site.store)
    assert again.http.get(node["directUrl"]).content == b"weights"
    close(site, again)


def test_files_of_a_folder_move_to_a_bucket_by_a_backup(site: Site, bucket: Blobs, tmp_path: Path) -> None:
    site.run("first")
    upload(site, "first", "a.bin", b"weights")
    back_up(site.store, site.settings.files, tmp_path / "backup")
    url = f"sqlite:///{tmp_path / 'again.db'}"
    taken = restore(tmp_path / "backup", url, bucket)
    assert (taken.files, taken.missing, taken.elsewhere) == (1, 0, None)
    with closing(Store(url, make=False)) as store:
        assert check(store, bucket, now=0).broken == []
    assert [bucket.read(one.path) for one in bucket.lying(before=math.inf)] == [b"weights"]


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ("s3://KEY:SECRET@bucket/x", "no address of a bucket"),
        ("s3://bucket/x?secret_access_key=SECRET", "no address of a bucket"),
        ("s3:///x", "no address of a bucket"),
        ("gs://bucket/SECRET", "files cannot lie at gs://"),
    ],
)
def test_an_address_that_is_none_is_refused_and_not_repeated(place: str, says: str) -> None:
    with pytest.raises(UserError, match=says) as refused:
        blobs_at(place)
    assert "SECRET" not in str(refused.value).replace("AWS_SECRET_ACCESS_KEY", "")


def test_a_bucket_that_is_not_there_or_does_not_answer_is_an_error_at_the_start(
    s3: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match="no such bucket") as refused:
        Site(tmp_path, files=blobs_at("s3://another/x"))  # a server looks before it serves
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    with pytest.raises(UserError, match="does not answer") as unreached:
        blobs_at("s3://kag-files/x").prepare()
    for error in (refused.value, unreached.value):
        assert "-of-the-tests" not in f"{error}{error.__cause__}{error.__context__}"


def test_what_s3_says_of_an_error_reaches_no_client_and_no_log(
    bucket: Blobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    site = Site(tmp_path, files=bucket)
    node = sent(site, b"x")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    monkeypatch.setattr(bucket, "store", blobs_at(str(bucket)).store)  # type: ignore[attr-defined]
    answer = site.http.get(node["directUrl"])
    assert (answer.status_code, "does not answer; come again" in answer.text) == (429, True)
    for said in (answer.text, caplog.text):
        assert "-of-the-tests" not in said
        assert str(port) not in said
    close(site)


def test_the_path_of_a_blob_leads_nowhere_else(bucket: Blobs, tmp_path: Path) -> None:
    for place in (bucket, BlobFolder(tmp_path)):
        for path in ("../x", "a" * 31, f"{'a' * 31}/", json.dumps({})):
            for ask in (
                place.size,
                place.read,
                lambda one, at=place: at.answer(one, Headers(), media_type="", headers={}),
            ):
                with pytest.raises(Fault, match="no file of this server"):
                    ask(path)
