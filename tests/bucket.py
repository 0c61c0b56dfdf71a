"""A local S3 server in a process of its own, and buckets in it."""

from __future__ import annotations

import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

import pytest

from tests.e2e.tracking import free_port

BUCKET = "kag-files"
SERVE = "import sys; from moto.server import main; main(sys.argv[1:])"


class S3:
    """The server.

    Args:
        url: where it is.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.environment = {
            "AWS_ENDPOINT_URL": url,
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "key-of-the-tests",
            "AWS_SECRET_ACCESS_KEY": "secret-of-the-tests",
        }

    def ask(self, path: str, method: str = "GET") -> str:
        """Ask it directly."""
        request = urllib.request.Request(f"{self.url}{path}", method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return str(answer.read().decode())

    def place(self) -> str:
        """An address below which nothing lies."""
        return f"s3://{BUCKET}/{uuid.uuid4().hex}"

    def uploads(self, place: str) -> int:
        """How many uploads in parts to a place have neither ended nor been given up; other tests leave some, too."""
        below = place.removeprefix(f"s3://{BUCKET}/")
        return sum(key.startswith(below) for key in re.findall("<Key>(.*?)</Key>", self.ask(f"/{BUCKET}?uploads")))


@contextmanager
def s3_server() -> Iterator[S3]:
    """The server with a bucket, until the end of the block; a test without moto or obstore is skipped."""
    for name in ("moto", "obstore"):
        if find_spec(name) is None:
            pytest.skip(f"{name} is not installed")
    port = free_port()
    words = [sys.executable, "-W", "ignore", "-c", SERVE, "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    made = S3(f"http://127.0.0.1:{port}")
    try:
        _wait(made)
        yield made
    finally:
        process.terminate()
        process.wait(timeout=60)


def _wait(server: S3) -> None:
    deadline = time.monotonic() + 120
    while True:
        try:
            server.ask(f"/{BUCKET}", "PUT")
        except (urllib.error.URLError, ConnectionError):
            assert time.monotonic() < deadline, "the S3 server did not start"
            time.sleep(0.1)
        else:
            return
