"""Faulty run specs. Each has one fault (or says how many), and what the error must say.

`DATA` in a text stands for a good data file.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

HEAD = "name: x\ndata: {file: DATA}\n"


class Malformed(NamedTuple):
    """A spec file and overrides."""

    text: str | bytes | Callable[[Path], None]
    """Contents of the file, or what makes it."""
    says: tuple[str, ...]
    """What the error must say; the name of the place among it."""
    overrides: tuple[str, ...] = ()


def _nothing(path: Path) -> None:
    """The file is missing."""


def _folder(path: Path) -> None:
    path.mkdir()


def _loop(path: Path) -> None:
    path.symlink_to(path)


def _bomb() -> str:
    lines = [HEAD + "a: &a [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]" for new, old in zip("bcdefgh", "abcdefg", strict=True)]
    return "\n".join(lines)


def file(text: str | bytes | Callable[[Path], None], *says: str) -> Malformed:
    return Malformed(text, says)


def body(text: str, *says: str) -> Malformed:
    """A good head, then this."""
    return Malformed(HEAD + text, says)


def override(word: str, *says: str) -> Malformed:
    """A good file and one override."""
    return Malformed(HEAD, says, (word,))


EXECUTED = "executed-by-yaml"
"""A file that exists if a tag was executed."""

MALFORMED_SPECS: dict[str, Malformed] = {
    # The file
    "missing file": file(_nothing, "spec.yaml", "No such file"),
    "folder": file(_folder, "spec.yaml", "Is a directory"),
    "link to itself": file(_loop, "spec.yaml", "symbolic links"),
    "empty file": file("", "spec.yaml", "an empty file"),
    "comment only": file("# name: x\n", "spec.yaml", "an empty file"),
    "not UTF-8": file(b"name: \xff\xfe\n", "spec.yaml", "not UTF-8", "byte 6"),
    "binary": file(bytes(range(256)), "spec.yaml", "not UTF-8"),
    "control character": file("name: x\nchange: \x07\n", "spec.yaml:2", "0x7"),
    # Syntax
    "list at top": file("- name: x\n- data: y\n", "spec.yaml", "must be a mapping", "a list"),
    "text at top": file("just words\n", "spec.yaml", "must be a mapping", "a text"),
    "number at top": file("12\n", "spec.yaml", "must be a mapping", "int"),
    "tab": file("name: x\ndata:\n\tfile: DATA\n", "spec.yaml:3", "not YAML"),
    "unclosed brace": file("name: x\ndata: {file: DATA\nseed: 1\n", "spec.yaml:3", "not YAML"),
    "unclosed quote": file('name: "x\n', "spec.yaml:2", "not YAML"),
    "two colons": file("name: x: y\n", "spec.yaml:1", "not YAML"),
    "bad indentation": file("name: x\n  data: y\n", "spec.yaml:2", "not YAML"),
    "duplicate key": file("name: x\ndata: {file: DATA}\nname: y\n", "spec.yaml:3", "appears twice"),
    "duplicate key inside": file("name: x\ndata:\n  file: DATA\n  file: b\n", "spec.yaml:4", "appears twice"),
    "two documents": body("---\nname: y\n", "spec.yaml:3", "another document"),
    "number as key": body("3: y\n", "spec.yaml:3", "key 3"),
    "list as key": body("? [a, b]\n: y\n", "spec.yaml:3", "a key is not a word"),
    "unknown alias": body("seed: *start\n", "spec.yaml:3", "start"),
    "alias inside itself": file("name: x\ndata: &d {file: *d}\n", "spec.yaml:2", "*d"),
    "aliases that multiply": file(_bomb(), "spec.yaml:", "more than 100,000"),
    "nested too deep": body("model: " + "{a: " * 3000 + "1" + "}" * 3000, "spec.yaml:3", "32 levels"),
    "nested lists": body("model: " + "[" * 3000 + "]" * 3000, "spec.yaml:3", "32 levels"),
    "Python tag": body(f"seed: !!python/object/apply:os.mkdir [{EXECUTED}]\n", "spec.yaml:3", "python/object/apply"),
    "unknown tag": body("seed: !secret 3\n", "spec.yaml:3", "!secret"),
    # Keys
    "nothing required": file("epochs: 3\n", "2 problems", "name: missing", "data.file: missing", "add `name: ...`"),
    "no data": file("name: x\n", "data.file: missing"),
    "unknown key": body("epoch: 3\n", "line 3", "epoch = 3", "unknown key", "nearest known key: epochs"),
    "key of another section": body("model:\n  pos_weight: 45\n", "line 4", "nearest known key: loss.pos_weight"),
    "dotted key": body("model.dropout: 0.1\n", "line 3", "model: {dropout: ...}"),
    "empty section": body("model:\n", "line 3", "model = null", "must be a section"),
    "list for a section": body("trainer: [1, 2]\n", "line 3", "trainer", "must be a section"),
    "half a section": body("swa:\n  start: 4\n", "swa.window: missing"),
    # Types
    "text for a number": body("epochs: many\n", "line 3", 'epochs = "many"', "integer"),
    "quoted number": body('optimizer: {lr: "1e-4"}\n', "optimizer.lr", "remove the quotes"),
    "fraction for a count": body("epochs: 2.5\n", "epochs = 2.5", "integer"),
    "truth for a number": body("seed: true\n", "seed = true", "integer"),
    "word for truth": body("trainer: {compile: on}\n", 'trainer.compile = "on"', "boolean"),
    "number for a name": file("name: 17\ndata: {file: DATA}\n", "name = 17", "put it in quotes"),
    "date for a run": body("parent: 2025-10-17\n", "parent", "put it in quotes"),
    "number for a list": body("model: {hidden: 64}\n", "model.hidden = 64", "a list"),
    "truth in a list": body("model: {hidden: [64, true]}\n", "model.hidden.1 = true", "integer"),
    "NaN": body("optimizer: {lr: .nan}\n", "optimizer.lr = NaN", "finite"),
    "infinity": file("name: x\ndata: {file: DATA, max_distance: .inf}\n", "data.max_distance = Infinity", "finite"),
    "beyond every number": body("optimizer: {lr: 1e999}\n", "optimizer.lr = Infinity", "finite"),
    # Ranges
    "no epochs": body("epochs: 0\n", "epochs = 0", "greater than or equal to 1"),
    "endless epochs": body("epochs: 1000000000000\n", "epochs", "less than or equal to 1000000"),
    "negative seed": body("seed: -1\n", "seed = -1"),
    "batch of one": Malformed(HEAD, ("data.batch_size = 1", "override"), ("data.batch_size=1",)),
    "dropout of one": body("model: {dropout: 1.0}\n", "model.dropout = 1.0", "less than 1"),
    "no layers": body("model: {hidden: []}\n", "model.hidden = []", "at least 1"),
    "unknown word": body(
        "model: {gate: {kind: mpl}}\n", 'model.gate.kind = "mpl"', "'mlp', 'scalar', 'fixed' or 'closed'"
    ),
    "clamp upside down": body("model: {gate: {clamp: [0.7, 0.3]}}\n", "model.gate.clamp", "low < high"),
    "clamp of three": body("model: {gate: {clamp: [0.3, 0.5, 0.7]}}\n", "model.gate.clamp", "at most 2"),
    "slash in the name": file("name: a/b\ndata: {file: DATA}\n", 'name = "a/b"', "letters"),
    "parent folder as name": file("name: ..\ndata: {file: DATA}\n", 'name = ".."', "begins with a letter"),
    "empty name": file("name: ''\ndata: {file: DATA}\n", "name", "1 to 64"),
    "empty path": file("name: x\ndata: {file: ''}\n", "data.file", "at least 1 character"),
    "null character in a path": file('name: x\ndata: {file: "a\\0b"}\n', "data.file"),
    "pos_weight word": body("loss: {pos_weight: automatic}\n", "loss.pos_weight", "'auto', a number or a ramp"),
    # Ramps
    "ramp without length": override(
        'model.gate.penalty.weight={"start": 0.1, "end": 0.5, "epochs": 0}', "model.gate.penalty.weight", "`epochs`"
    ),
    "ramp below zero": override(
        'model.gate.penalty.weight={"start": -0.1, "end": 0.1, "epochs": 4}', "model.gate.penalty.weight", "below 0"
    ),
    "rate ramp above one": override(
        'model.gate.dropout.rate={"start": 1.2, "end": 0.1, "epochs": 4}', "model.gate.dropout.rate", "[0, 1)"
    ),
    "ramp with another key": override(
        "model.auxiliary.weight.begin=0.2", "model.auxiliary.weight.begin", "unknown key"
    ),
    "ramp of an unknown shape": override(
        "model.gate.context_scale.shape=cubic", "shape", "'linear', 'cosine' or 'step'"
    ),
    "ramp without end": override('loss.pos_weight={"start": 3, "epochs": 4}', "loss.pos_weight.end: missing"),
    "text for a ramp": override("model.gate.context_scale=high", "model.gate.context_scale", "a number or a section"),
    # Overrides
    "override without value": override("epochs", "cannot read the override 'epochs'", "key=value"),
    "override without key": override("=3", "cannot read the override '=3'"),
    "broken JSON": override('{"epochs": 3', "not a JSON object", "column"),
    "bottomless JSON": override('{"a":' * 9000, "override"),
    "unknown key in JSON": override('{"model": {"gate": {"temprature": 2}}}', "override", "model.gate.temperature"),
    "second spec file": override("runs/specs/demo.yaml", "cannot read the override"),
    # Preflight
    "heads do not divide": override("model.attention.heads=7", "model.attention.heads = 7", "14 and 21"),
    "one-cycle falls": override("optimizer.lr=0.01", "optimizer.schedule.max_lr", "below optimizer.lr"),
    "warm-up too long": override('{"epochs": 5, "loss": {"warmup": {"epochs": 5}}}', "loss.warmup.epochs = 5"),
    "window past the end": override('swa={"start": 78, "window": 6}', "swa", "78 to 83"),
    "penalty without a gate": Malformed(
        HEAD, ("model.gate.penalty",), ("model.gate.kind=fixed", "model.gate.penalty.weight=0.1")
    ),
    "replay longer than its cycle": Malformed(
        HEAD, ("data.replay",), ('data.replay={"indices": "hard.json", "period": 2, "length": 3}',)
    ),
    # What the spec names
    "missing replay file": override('data.replay={"indices": "no-such-file.json"}', "no-such-file.json"),
}
