"""Every feature with every supported client: `python -m tests.e2e.clients` writes the table of the documentation.

The clients are unmodified, each in an environment of its own, some of them side by side; the server is `kag serve`.
The whole takes about an hour; `--feature` and `--client` choose parts, of which the cells alone are renewed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

from rich.progress import track

from kag.server.embedded import embedded_server
from kag.server.refused import REFUSED
from kag.track.atomic import write_atomically
from tests.e2e.client_features import ABSENT, FEATURES, IGNORED
from tests.e2e.wandb_versions import ROOT, VERSIONS, newest, python_with

TABLE = ROOT / "kag" / "server" / "CLIENTS.md"
PROGRAM = Path(__file__).parent / "client_features.py"
HEAD = """# Features and clients

What unmodified clients of W&B do with `kag serve`, each feature read back through the client's own Api.
Made by `make clients`; do not edit. *works*: done as W&B does it; *refused in words*: by a sentence that names kag;
*refused in its log*: the client tells that sentence to its debug-internal.log alone; *ignored*: taken without effect;
*-*: the client has no such feature.
"""
"""What stands above the table."""

Results = dict[tuple[str, str], tuple[str, str]]
"""(feature, version) -> what became of it, and the words."""


def outcome_of(feature: str, version: str, environment: dict[str, str], folder: Path) -> tuple[str, str]:
    """Run a feature with a client in a folder of its own."""
    place = folder / version / feature
    place.mkdir(parents=True)
    words = [str(python_with(version)), str(PROGRAM), feature, f"{feature}-{version}"]
    try:
        done = subprocess.run(words, cwd=place, env=environment, capture_output=True, text=True, timeout=600)
    except subprocess.TimeoutExpired:
        return "fails", "ten minutes were not enough"
    known = {0: "works", ABSENT: "-"}
    if done.returncode in known:
        return known[done.returncode], ""
    if done.returncode == IGNORED:
        logs = "".join(log.read_text(errors="replace") for log in place.rglob("debug-internal.log"))
        return ("refused in its log" if _refused(logs) else "ignored"), ""
    return "refused in words" if _refused(done.stderr) else "fails", done.stderr[-900:]


def _refused(text: str) -> bool:
    return any(sentence in text for sentence in REFUSED.values())


def environment_of(folder: Path, variables: dict[str, str]) -> dict[str, str]:
    """A bare environment: nothing that a user has configured is there."""
    kept = ("HOME", "WANDB_CACHE_DIR", "WANDB_DATA_DIR", "WANDB_CONFIG_DIR")
    places = {name: str(folder / name.lower()) for name in kept}
    quiet = {"WANDB_SILENT": "true", "WANDB_CONSOLE": "off", "PATH": "/usr/bin:/bin"}
    return {**places, **quiet, **variables, "RUNS": "1500"}


def measured(features: list[str], versions: list[str], folder: Path) -> Results:
    """Every feature with every client."""
    pairs = [(feature, version) for version, feature in product(versions, features)]
    with (
        embedded_server(folder / "server", now=time.time()) as server,
        ThreadPoolExecutor(os.cpu_count()) as pool,
    ):
        environment = environment_of(folder, dict(server.environment({})))
        outcomes = pool.map(lambda pair: outcome_of(*pair, environment, folder), pairs)
        return dict(zip(pairs, track(outcomes, description="features x clients", total=len(pairs)), strict=True))


def clients() -> list[str]:
    """The versions that are tried, the oldest first."""
    return [*VERSIONS, newest()]


def named(feature: str) -> str:
    """What a feature is called in the table."""
    return (FEATURES[feature].__doc__ or feature).strip()


def cells(text: str) -> dict[tuple[str, str], str]:
    """What a table says: (name of a feature, version) -> what becomes of it."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]
    return {(row[0], version): word for row in rows[2:] for version, word in zip(rows[0][1:], row[1:], strict=True)}


def table(known: Mapping[tuple[str, str], str]) -> Iterator[str]:
    """The lines of the table; `?` stands for what has not been tried."""
    yield f"| Feature | {' | '.join(clients())} |"
    yield f"|---|{'---|' * len(clients())}"
    for name in map(named, FEATURES):
        yield f"| {name} | {' | '.join(known.get((name, version), '?') for version in clients())} |"


def main() -> None:
    """Renew the table, or a part of it; what fails is told with its words, and is an error."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--feature", action="append", choices=list(FEATURES), help="only this one; may be repeated")
    parser.add_argument("--client", action="append", help="only this version; may be repeated")
    chosen = parser.parse_args()
    versions = chosen.client or clients()
    with tempfile.TemporaryDirectory() as folder:
        results = measured(chosen.feature or list(FEATURES), versions, Path(folder))
    found = {(named(feature), one): word for (feature, one), (word, _) in results.items()}
    known = cells(TABLE.read_text(encoding="utf-8")) if TABLE.exists() else {}
    write_atomically(TABLE, "\n".join([HEAD, *table(known | found), ""]))
    print(f"wrote {len(found)} cells of {TABLE.relative_to(ROOT)}")
    failed = [f"{feature} with {one}: {words}" for (feature, one), (word, words) in results.items() if word == "fails"]
    print("\n".join(failed), file=sys.stderr)
    raise SystemExit(bool(failed))


if __name__ == "__main__":
    main()
