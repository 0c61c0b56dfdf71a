"""Every feature with every supported client: `python -m tests.e2e.clients` writes the table of the documentation.

The clients are unmodified, each in an environment of its own, some of them side by side; the server is `kag serve`.
The whole takes about an hour; `--feature` and `--client` choose parts, which are printed and not written.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

from rich.progress import track

from kag.server.embedded import embedded_server
from kag.server.refused import REFUSED
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
    known = {0: "works", ABSENT: "no such feature"}
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


def table(results: Results) -> Iterator[str]:
    """The lines of the table."""
    versions = list(dict.fromkeys(version for _, version in results))
    yield f"| Feature | {' | '.join(versions)} |"
    yield f"|---|{'---|' * len(versions)}"
    for feature in dict.fromkeys(feature for feature, _ in results):
        words = ["-" if (word := results[feature, one][0]) == "no such feature" else word for one in versions]
        yield f"| {(FEATURES[feature].__doc__ or feature).strip()} | {' | '.join(words)} |"


def main() -> None:
    """Write the table, or print a part of it; what fails is told with its words, and is an error."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--feature", action="append", choices=list(FEATURES), help="only this one; may be repeated")
    parser.add_argument("--client", action="append", help="only this version; may be repeated")
    chosen = parser.parse_args()
    versions = chosen.client or [*VERSIONS, newest()]
    with tempfile.TemporaryDirectory() as folder:
        results = measured(chosen.feature or list(FEATURES), versions, Path(folder))
    text = "\n".join(table(results)) + "\n"
    if chosen.feature or chosen.client:
        print(text)
    else:
        TABLE.write_text(f"{HEAD}\n{text}", encoding="utf-8")
        print(f"wrote {TABLE.relative_to(ROOT)}")
    failed = [f"{feature} with {one}: {words}" for (feature, one), (word, words) in results.items() if word == "fails"]
    print("\n".join(failed), file=sys.stderr)
    raise SystemExit(bool(failed))


if __name__ == "__main__":
    main()
