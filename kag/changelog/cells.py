"""Text to table cell and back, so that no text can leave its cell, break the table or become HTML.

    escape:    text -> cell      < & | \\ and control characters become entities, a line end becomes <br>
    unescape:  cell -> text      the inverse; what a person typed into a cell is taken as typed

Emphasis, links and plain code spans stay markdown; every other back-tick becomes an entity, so that none can pair up
with one outside its text.
"""

from __future__ import annotations

import hashlib
import re

from kag.text import printable

_CODE = re.compile(r"(?<!`)`[^`<&\\\x00-\x1f\x7f-\x9f\u2028\u2029]+`(?!`)")
_UNSAFE = re.compile(r"[<&|\\`\x00-\x1f\x7f-\x9f\u2028\u2029]")
_NAMED = {"<": "&lt;", "&": "&amp;", "\n": "<br>"}
_ESCAPED = re.compile(r"<br ?/?>|&lt;|&gt;|&amp;|&#(?P<number>\d{1,7});|\\\|", re.IGNORECASE)
_CHARACTERS = {"&lt;": "<", "&gt;": ">", "&amp;": "&", "\\|": "|"}


def escape(text: str) -> str:
    """A text as the content of a cell, on one line."""
    spans = _CODE.findall(text)
    return "".join(_plain(part) + keep_pipes(span) for part, span in zip(_CODE.split(text), [*spans, ""], strict=True))


def unescape(cell: str) -> str:
    """The text that a cell stands for."""
    return _ESCAPED.sub(_character, cell)


def keep_pipes(cell: str) -> str:
    """A text whose pipes do not end its cell, and nothing else changed."""
    return cell.replace("|", r"\|")


def body(notes: str) -> str:
    """What a person wrote, as the table shows it: line ends are one character, no blank around it, and nothing in it
    moves a cursor or turns what follows.
    """
    return printable(notes.replace("\r\n", "\n").replace("\r", "\n"), lines=True).strip()


def digest(text: str) -> str:
    """Twelve digits that stand for a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _plain(text: str) -> str:
    return _UNSAFE.sub(lambda found: _NAMED.get(found[0]) or f"&#{ord(found[0])};", text)


def _character(found: re.Match[str]) -> str:
    if found["number"]:
        number = int(found["number"])
        return chr(number) if number < 0xD800 or 0xDFFF < number <= 0x10FFFF else found[0]
    return _CHARACTERS.get(found[0].lower(), "\n")
