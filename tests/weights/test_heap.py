"""What a step frees is not asked of the kernel again, and afterwards it is the kernel's."""

from __future__ import annotations

import json
import platform
import subprocess
import sys

import pytest

from tests.conftest import ROOT


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_a_gradient_takes_its_pages_once_and_they_are_given_back() -> None:
    # Started from nothing: where a copy's heap lies is another question.
    words = [sys.executable, "-m", "tests.weights.heap_driver"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["inside"] < told["outside"] / 2
    assert told["kept"] > 3 * told["wide"]
    assert told["left"] < told["wide"]
    assert told["again"] > told["wide"] / 1024, "as before"
