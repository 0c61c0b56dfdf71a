"""How a fact is written, whatever shows it: a terminal, the change log, a report or the page.

Numbers are rounded on their decimal text, a half up, as on paper. JSON holds the raw value and none of these texts.
"""

from __future__ import annotations

import json
import math
import re
import shlex
from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, NamedTuple

from pydantic_core import to_jsonable_python

MISSING = "-"
"""What stands where there is nothing, or nobody knows."""

DIGITS = 3
"""Significant digits of a measured number of unknown kind."""

SETTING_DIGITS = 6
"""Significant digits of a setting, unless fewer than all would make different ones look alike."""

EXACT = 17
"""Significant digits with which no two different numbers look alike."""

LARGE = 1e6
"""From here on, and below 0.0001, a number has an exponent."""

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Characters that move a cursor, colour or turn what follows: control characters, separators of lines, directions."""

_IN_LINES = re.compile(_CONTROL.pattern.replace("\x00-\x1f", "\x00-\x08\x0b-\x1f"))
"""The same without line ends and tabs."""


class RampValue(NamedTuple):
    """A ramp as one value; its parts are named as in the spec."""

    start: object
    end: object
    epochs: object
    shape: object = "linear"


def printable(text: str, *, lines: bool = False) -> str:
    """A text from outside as it may be shown: control characters as escapes, `\\x1b[31m`.

    Args:
        text: a name, or a note.
        lines: it may have several lines, and tabs.
    """
    return (_IN_LINES if lines else _CONTROL).sub(lambda found: ascii(found.group())[1:-1], text)


def printable_json(text: str) -> str:
    """The same for lines that may be JSON: the escapes are JSON's, which mean the same there, `\\u001b[31m`."""
    return _IN_LINES.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


def json_number(value: float) -> float | str | None:
    """A number as JSON has it: what is no number is null, and an infinity is the text `inf` or `-inf`."""
    if math.isfinite(value):
        return value
    return None if math.isnan(value) else str(value)


def json_text(value: Any, *, ascii_only: bool = True) -> str:
    """JSON that every parser takes, of what kag answers: records, findings, paths and times are written, too.

    Args:
        value: a tree of them.
        ascii_only: other characters are escapes, which a terminal of any encoding takes.
    """
    return json.dumps(_numbers_of_json(to_jsonable_python(value)), indent=2, ensure_ascii=ascii_only, allow_nan=False)


def _numbers_of_json(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _numbers_of_json(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_numbers_of_json(inner) for inner in value]
    return json_number(value) if isinstance(value, float) else value


def joined(value: Any) -> Any:
    """Text, or a tree with text in it, in which the two halves of a surrogate pair have become the one character.

    JSON writes a character beyond U+FFFF as two escapes, and a YAML reader takes each by itself.

    Raises:
        UnicodeError: a half stands alone, which no file can hold. An argument that is not UTF-8 has such halves too.
    """
    if isinstance(value, str):
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
    if isinstance(value, Mapping):
        return {joined(key): joined(inner) for key, inner in value.items()}
    return [joined(inner) for inner in value] if isinstance(value, list) else value


def three_decimals(value: float | None) -> str:
    """A metric between 0 and 1; `-` for none and for what is not finite."""
    if value is None or not math.isfinite(value):
        return MISSING
    return str(_rounded(value, 3)) if abs(value) < LARGE else number(value)


def decimals(value: float, places: int) -> str:
    """A finite number with so many digits behind its point, rounded as every number of kag is."""
    return f"{_rounded(value, places):f}"


def number(value: float | None, digits: int = DIGITS) -> str:
    """A number of unknown kind: `0.302`, `0.600`, `1235`, `1.23e+06`, `2e-05`; `-` for none and NaN.

    It has so many significant digits, and below a million all of those before the point; a whole number has all. One
    that has fewer ends where it ends: a zero at the end tells that it was rounded.
    """
    if value is None or math.isnan(value):
        return MISSING
    if isinstance(value, int) or math.isinf(value):
        return str(value)
    exact = Decimal(repr(float(value)))
    places = digits - 1 - exact.adjusted()
    rounded = _rounded(value, max(places, 0) if abs(value) < LARGE else places)
    if 1e-4 <= abs(rounded) < LARGE:
        return f"{rounded.normalize() if rounded == exact else rounded:f}"
    return f"{float(rounded):.{digits}g}" if rounded == exact else f"{float(rounded):.{digits - 1}e}"


def setting(value: object, digits: int | None = SETTING_DIGITS) -> str:
    """A setting as the spec writes it: `auto`, `0.0002`, `0.3 to 0.05 in 15 cosine`; `none` for one that is off.

    Args:
        value: a word, a number, true or false, or a list or mapping, which is written as JSON unless it is a ramp.
        digits: significant digits of a number, or None for all.
    """
    if value is None:
        return "none"
    if isinstance(value, float) and digits is not None and math.isfinite(value):
        return _without_zeros(number(value, digits))
    if isinstance(value, dict) and {*value, "shape"} == {*RampValue._fields}:
        value = RampValue(**value)
    if isinstance(value, RampValue):
        start, end, epochs = (setting(part, digits) for part in value[:3])
        return f"{start} to {end} in {epochs}{'' if value.shape == 'linear' else f' {value.shape}'}"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (bool, list, dict)) else str(value)


def fact(value: object) -> str:
    """A fact of unknown kind: a number in three significant digits, anything else as a setting; `-` for none."""
    if value is None or isinstance(value, float):
        return number(value)
    return setting(value)


def column(values: Sequence[object], digits: int = SETTING_DIGITS) -> tuple[str, ...]:
    """Values side by side, all by one rule; see `digits_apart`."""
    count = digits_apart(values, digits)
    return tuple(setting(value, count) for value in values)


def digits_apart(values: Sequence[object], digits: int = SETTING_DIGITS) -> int | None:
    """Significant digits with which no two different values look alike, at least `digits`; None for all of them."""
    exact = {setting(value, None): value for value in values}
    tries = ((count, {setting(value, count) for value in exact.values()}) for count in (digits, SETTING_DIGITS))
    return next((count for count, brief in tries if len(brief) == len(exact)), None)


def duration(seconds: float) -> str:
    """`48 s`, `3 min 05 s`, `1 h 05 min`, `2 d 03 h`."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours:02} h"
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def age(seconds: float) -> str:
    """`5 s ago`, `3 min ago`, `2 h ago`, `4 d ago`."""
    whole = max(0, int(seconds))
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if whole >= length:
            return f"{whole // length} {unit} ago"
    return f"{whole} s ago"


def size(count: int) -> str:
    """Bytes in a unit that leaves few digits: `512 B`, `1.5 KiB`, `2.0 GiB`."""
    power = min(max(count.bit_length() - 1, 0) // 10, len(_UNITS) - 1)
    return f"{_rounded(count / 1024**power, 1):,} {_UNITS[power]}" if power else f"{count} B"


def digest(value: str | None) -> str:
    """A digest, cut short."""
    return value[:12] if value else MISSING


def commit(value: str) -> str:
    """The id of a commit, cut short."""
    return value[:10]


_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet begins to calculate at."""


def spreadsheet(value: str) -> str:
    """A text of a CSV file that no spreadsheet takes for a formula."""
    return f"'{value}" if value.startswith(_FORMULA) and not _is_number(value) and value != MISSING else value


def _is_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True


def command(*words: object, **options: object) -> str:
    """A command of kag as it can be pasted into a shell: `kag runs list --source 'my runs'`.

    Args:
        words: what stands behind `kag`.
        options: name -> value.
    """
    named = (word for name, value in options.items() for word in (f"--{name}", value))
    return shlex.join(map(str, ("kag", *words, *named)))


def _without_zeros(text: str) -> str:
    mantissa, exponent, power = text.partition("e")
    return (mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa) + exponent + power


def _rounded(value: float, places: int) -> Decimal:
    return Decimal(repr(float(value))).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
