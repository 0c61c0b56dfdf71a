"""Loading a spec: defaults, then the file, then the overrides; all violations at once."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from kag.errors import SpecError
from kag.spec.earlier import with_earlier
from kag.spec.flat import flat
from kag.spec.keys import known_keys, nearest_key, nullable_keys, text_lists
from kag.spec.overrides import as_text, json_or_text, parse_overrides
from kag.spec.ramp import Ramp
from kag.spec.retired import retired_in, retired_sentence, without_retired
from kag.spec.run import RunSpec, default_spec
from kag.spec.text import Places, read_yaml, yaml_text

PATHS = ("data.file", "data.clusters", "data.replay.indices")
"""Keys that hold a path: relative to the spec file if they stand in it, to the working folder if they are overrides."""

TEXTS = ("name", "change", "parent")
"""Keys that hold a text of any words."""

_UNIONS = {
    "loss.pos_weight": "'auto', a number or a ramp",
    **dict.fromkeys(("trainer.devices", "trainer.threads"), "'auto' or a number"),
}
"""Keys whose type pydantic picks by a tag, which then stands in the place of an error, and what they take."""


class Loaded(NamedTuple):
    """A spec as it was read."""

    spec: RunSpec
    retired: tuple[str, ...]
    """Keys that were said and do nothing any more (`kag.spec.retired`)."""


def load_spec(path: Path, overrides: Iterable[str] = ()) -> RunSpec:
    """Read a spec file and apply overrides; `read_spec` for callers that do not ask what has been left out."""
    return read_spec(path, overrides).spec


def read_spec(path: Path, overrides: Iterable[str] = (), *, trial: bool = False) -> Loaded:
    """Read a spec file and apply overrides.

    Args:
        path: YAML file. It may be of an older kag and have retired keys.
        overrides: `a.b=c`, `--a.b=c` or a JSON object of dotted keys.
        trial: the overrides are those of a sweep file, which may be of an older kag too.

    Raises:
        SpecError: lists every violation with line, key, value, nearest known key and remedy; or an override names a
            retired key.
    """
    tree, places = read_yaml(path)
    parsed = parse_overrides(overrides)
    refused = retired_in(parsed)
    if refused and not trial:
        raise SpecError(retired_sentence(refused), where="override", remedy="leave it out")
    spec = build_spec(_resolved(tree, path.parent), _resolved(parsed, Path.cwd()), places=places, title=str(path))
    return Loaded(spec, tuple(dict.fromkeys((*retired_in(tree), *refused))))


def build_spec(
    tree: Mapping[str, Any],
    overrides: Mapping[str, Any] | None = None,
    *,
    places: Places | None = None,
    title: str = "spec",
) -> RunSpec:
    """The spec of a plain tree and of dotted overrides; `places` and `title` say where a violation stands.

    Retired keys are left out, and a tree that kag wrote before it had all keys means what it meant then.

    Raises:
        SpecError: as `read_spec`.
    """
    overrides, places = without_retired(overrides or {}), places or Places()
    merged = _merge(_defaults(), with_earlier(without_retired(tree)))
    for key, value in overrides.items():
        merged = _merge(merged, _nested(key, as_text(key, value)))
    violations = list(_misread(places, overrides))
    try:
        spec = RunSpec.model_validate(merged)
    except ValidationError as error:
        # Pydantic does not count faulty items, and calls a list of nothing else too short as well.
        details = [detail for detail in error.errors() if detail["type"] != "too_short" or not detail["input"]]
        violations += [_violation(detail, overrides, places.lines) for detail in details]
    if violations:
        raise SpecError(problem_list(violations), where=title)
    return spec


def spec_text(spec: RunSpec) -> str:
    """The resolved spec as YAML; `load_spec` of it gives the same spec."""
    return yaml_text(spec.model_dump(mode="json"))


def problem_list(problems: Sequence[str]) -> str:
    """How many there are, then one a line."""
    return "\n  ".join([f"{len(problems)} problem{'s' if len(problems) > 1 else ''}", *problems])


def shortened(value: Any, limit: int = 80) -> str:
    """A value as JSON, cut where it is too long for a line."""
    text = json.dumps(value, default=str)
    return text if len(text) <= limit else text[: limit - 3] + "..."


def sentence_of(detail: ErrorDetails) -> str:
    """What pydantic has to say, as the end of a line of ours."""
    text = detail["msg"].removeprefix("Value error, ")
    return text[0].lower() + text[1:]


def _defaults() -> dict[str, Any]:
    tree = default_spec().model_dump(mode="json")
    del tree["name"], tree["data"]["file"]
    return tree


def _merge(base: Any, update: Any) -> Any:
    """Merge mappings key by key; anything else replaces. A ramp's key set on a number turns the number into a ramp."""
    if not isinstance(update, Mapping):
        return update
    if isinstance(base, (int, float)) and not isinstance(base, bool) and set(update) <= set(Ramp.model_fields):
        base = {"start": base, "end": base}
    if not isinstance(base, Mapping):
        base = {}
    return {**base, **{key: _merge(base.get(key), value) for key, value in update.items()}}


def _nested(key: str, value: Any) -> dict[str, Any]:
    head, _, rest = key.partition(".")
    return {head: _nested(rest, value) if rest else value}


def _resolved(value: Any, folder: Path, key: str = "") -> Any:
    """A tree, nested or with dotted keys, whose paths are seen from a folder."""
    if isinstance(value, Mapping):
        return {name: _resolved(inner, folder, f"{key}.{name}".removeprefix(".")) for name, inner in value.items()}
    return _absolute(value, folder) if key in PATHS and isinstance(value, str) else value


def _absolute(path: str, folder: Path) -> str:
    return path if not path or "\0" in path else os.path.realpath(folder / os.path.expanduser(path))


def _violation(detail: ErrorDetails, overrides: Mapping[str, Any], lines: Mapping[str, int]) -> str:
    """One thing that is wrong: where, key, value and problem; below them the nearest known key and the remedy."""
    key = _key(detail["loc"])
    missing, unknown = detail["type"] == "missing", detail["type"] == "extra_forbidden"
    problem = "missing" if missing else "unknown key" if unknown else _sentence(detail, key)
    value = "" if missing else f" = {shortened(detail['input'])}"
    nearest = nearest_key(key) if unknown and key not in known_keys() else None
    remedy = f"add `{key}: ...`" if missing else _remedy(detail, key)
    told = [f"{_where(key, overrides, lines)}{key}{value}: {problem}"]
    told += [f"    nearest known key: {nearest}"] if nearest else []
    told += [f"    remedy: {remedy}"] if remedy else []
    return "\n".join(told)


def _misread(places: Places, overrides: Mapping[str, Any]) -> Iterator[str]:
    """What is YAML and can be no person's meaning: a section that nothing is left of, a text cut by a `#`."""
    defaults = flat(default_spec())
    for key in sorted(places.empty & nullable_keys()):
        if key not in defaults or defaults[key] is not None:
            yield (
                f"line {places.lines[key]}: {key}: nothing stands behind it\n"
                "    remedy: write null to switch it off, or leave the key out for its defaults"
            )
    for key, rest in places.cut.items():
        if key in TEXTS and key not in overrides:
            yield (
                f"line {places.lines[key]}: {key}: ends before {shortened(rest)}, which YAML takes for a comment\n"
                "    remedy: put the whole text in quotes; a comment begins with a # and a blank"
            )


def _key(place: tuple[int | str, ...]) -> str:
    words = [str(word) for word in place]
    for union in _UNIONS:
        length = union.count(".") + 1
        if words[:length] == union.split("."):
            del words[length : length + 1]
    return ".".join(words)


def _sentence(detail: ErrorDetails, key: str) -> str:
    if detail["type"] == "literal_error" and key in _UNIONS:
        return f"must be {_UNIONS[key]}"
    if detail["type"] == "model_type":
        return f"must be a {'number or a ' if detail['ctx']['class_name'] == Ramp.__name__ else ''}section"
    return sentence_of(detail).replace("a valid tuple", "a list").replace("tuple", "list")


def _remedy(detail: ErrorDetails, key: str) -> str | None:
    if detail["type"] == "extra_forbidden":
        return f"write it nested: {_flow(key)}" if key in known_keys() else "remove it, or use the known key"
    value = detail["input"]
    if key in text_lists() and isinstance(value, str):
        return f"write a list: {key}='{json.dumps([value])}'"
    if value is False and key in nullable_keys():
        return "write null to switch it off"
    quoted = isinstance(value, str) and isinstance(json_or_text(value), (int, float))
    if detail["type"] in ("float_type", "int_type", "bool_type") and quoted:
        return "remove the quotes"
    if detail["type"] == "string_type" and isinstance(value, (int, float, date)):
        return "put it in quotes"
    if detail["type"] == "model_type" and key in known_keys():
        inner = [known.rsplit(".", 1)[-1] for known in known_keys() if known.rpartition(".")[0] == key]
        return f"give a section with {', '.join(inner)}"
    return None


def _flow(key: str) -> str:
    head, _, rest = key.partition(".")
    return f"{head}: {{{_flow(rest)}}}" if rest else f"{head}: ..."


def _where(key: str, overrides: Mapping[str, Any], lines: Mapping[str, int]) -> str:
    """Where a key was said, or else the innermost section around it: `line 12: `, `override: `, or empty."""
    sections = list(accumulate(key.split("."), "{}.{}".format))
    if any(section in overrides for section in sections):
        return "override: "
    for section in reversed(sections):
        if any(name.startswith(f"{section}.") for name in overrides):
            return "override: "
        if section in lines:
            return f"line {lines[section]}: "
    return ""
