"""What kag writes beside code is not code: change logs, reports, figures, lists and data, told by the mark inside each.

A change log that is written between two runs must not look like a change of the program that ran.
"""

from __future__ import annotations

import re
from pathlib import Path

SWEEP_SPEC = b"# The best trial of a sweep"
"""First words of the spec that is written of a sweep's best trial."""

_HEAD = 65_536
"""Bytes at the beginning of a file in which its mark is looked for."""

_FENCED = re.compile(rb"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
_DOCUMENT = re.compile(rb"^<!-- kag:[a-z]+:begin", re.MULTILINE)
_HTML = re.compile(rb'<meta name="generator" content="kag[ -]')
_LIST = re.compile(rb'\A\[?\s*\{\s*"format": "kag-')
_MARKS = {
    ".html": _HTML,
    ".png": re.compile(rb"\A\x89PNG\r\n.*tEXtSoftware\0kag ", re.DOTALL),
    ".json": _LIST,
    ".yaml": re.compile(rb"\A" + re.escape(SWEEP_SPEC)),
    ".h5": re.compile(rb"\A\x89HDF\r\n"),
    ".hdf5": re.compile(rb"\A\x89HDF\r\n"),
}
"""How a file of a kind begins that kag wrote; data are known by their own digest, whoever wrote them."""


def is_generated(path: Path) -> bool:
    """Whether a file is what kag wrote, or a document in which kag writes; one that is gone is none."""
    kind = path.suffix.lower()
    if not path.is_file() or path.is_symlink():
        return False
    if kind == ".md":
        return _DOCUMENT.search(_FENCED.sub(b"", path.read_bytes())) is not None
    if kind not in _MARKS:
        return False
    with path.open("rb") as file:
        return _MARKS[kind].search(file.read(_HEAD)) is not None
