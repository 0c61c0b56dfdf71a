"""What a run has logged that is no number: W&B's rows hold `{"_type": ...}` for it, and the name of a file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from sqlalchemy import Connection, RowMapping, select

from kag.number import sound_json
from kag.server.history import IN_ORDER, reach
from kag.server.runs import of_stream
from kag.server.tables import HISTORY, lines

IMAGE, TABLE, HISTOGRAM, HTML, AUDIO, VIDEO, FILE = "image", "table", "histogram", "html", "audio", "video", "file"

KINDS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("image-file", "images/separated"), IMAGE),
        **dict.fromkeys(("table-file", "incremental-table-file"), TABLE),
        "histogram": HISTOGRAM,
        **dict.fromkeys(("html-file", "html"), HTML),
        **dict.fromkeys(("audio-file", "audio"), AUDIO),
        **dict.fromkeys(("video-file", "videos"), VIDEO),
        **dict.fromkeys(("plotly-file", "object3D-file", "molecule-file", "bokeh-file"), FILE),
    }
)
"""`_type` of a logged value -> how it is shown; a `FILE` can be downloaded."""

MOST_STEPS = 5_000
"""Steps of one key that can be reached."""

_LISTS = ("images", "html", "audio", "videos")
"""Where the several values of one step lie."""


class MediaKey(NamedTuple):
    """A logged key that holds media."""

    name: str
    kind: str
    """One of the values of `KINDS`."""
    times: int
    """How often it was logged."""


class Item(NamedTuple):
    """One of what was logged at a step."""

    path: str
    """Its file, among those of the run; "" where none is named."""
    caption: str = ""
    left_out: str = ""
    """What belongs to it and is not shown: `masks`, `boxes`."""


def media_keys(run: RowMapping) -> list[MediaKey]:
    """The keys of a run that hold media, by kind and name; its row says them, however long its history is."""
    found = []
    for name, entry in json.loads(run["history_keys"]).get("keys", {}).items():
        counts = {one["type"]: one["count"] for one in entry["typeCounts"] if one["type"] in KINDS}
        if counts:
            kind = KINDS[max(counts, key=lambda one: int(counts[one]))]
            found.append(MediaKey(name, kind, sum(counts.values())))
    order = list(dict.fromkeys(KINDS.values()))
    return sorted(found, key=lambda key: (order.index(key.kind), key.name))


def steps_of(connection: Connection, run_id: int, key: str) -> list[int]:
    """Steps at which a key was logged, the last `MOST_STEPS` of them, in order. A row is found by its text."""
    query = select(lines.c.step).where(of_stream(run_id, HISTORY), lines.c.body.like(_pattern(key), escape="\\"))
    newest = query.distinct().order_by(lines.c.step.desc()).limit(MOST_STEPS)
    return list(reversed(connection.execute(newest).scalars().all()))


def _pattern(key: str) -> str:
    """What a row with a key looks like to SQL's LIKE; the letters that JSON may spell in several ways are left."""
    word = key.split(".")[0]
    plain = word.isascii() and word.isprintable() and not set(word) & set('"\\<>&/')
    quoted = word.replace("%", "\\%").replace("_", "\\_")
    return f'%"{quoted}%"_type"%' if plain else '%"_type"%'


def logged_at(connection: Connection, run_id: int, key: str, steps: Sequence[int]) -> dict[int, Mapping[str, Any]]:
    """What a key holds at some steps, of those at which it holds media."""
    query = select(lines.c.step, lines.c.body).where(of_stream(run_id, HISTORY), lines.c.step.in_(steps))
    found = {}
    for step, body in connection.execute(query.order_by(*IN_ORDER)):
        there, value = reach(sound_json(body)[0], key)
        if there and isinstance(value, Mapping) and value.get("_type") in KINDS:
            found[int(step)] = value
    return found


def items_of(value: Mapping[str, Any]) -> list[Item]:
    """The files of a logged value, in order."""
    many = next((value[name] for name in _LISTS if isinstance(value.get(name), list)), None)
    names = value.get("filenames")
    if isinstance(names, list):
        many = [{"path": name} for name in names]
    if many is None:
        return [_item(value)]
    captions = value.get("captions")
    given = captions if isinstance(captions, list) else []
    also = _left_out(value, masks="all_masks", boxes="all_boxes")
    found = [_item(one) for one in many if isinstance(one, Mapping)]
    return [
        Item(one.path, str(given[i]) if i < len(given) and given[i] else one.caption, one.left_out or also)
        for i, one in enumerate(found)
    ]


def _item(value: Mapping[str, Any]) -> Item:
    path, caption = value.get("path"), value.get("caption")
    also = _left_out(value, masks="masks", boxes="boxes")
    return Item(path if isinstance(path, str) else "", str(caption) if caption else "", also)


def _left_out(value: Mapping[str, Any], **names: str) -> str:
    return " and ".join(word for word, name in names.items() if value.get(name))
