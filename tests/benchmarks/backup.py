"""A backup that is taken while 16 clients log, restored: every row that was acknowledged before it began is in it.

python -m tests.benchmarks.backup [--writers 16] [--rows 4000] [--databases sqlite postgresql]
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from tests.benchmarks._databases import arguments, databases, serving
from tests.e2e.caller import Caller
from tests.e2e.tracking import TrackingServer, until

STEPS = "select name, step from runs join lines on run_id = id where stream = 0 order by name, step"


class Restored(NamedTuple):
    """What came of it."""

    before: int
    """Rows that were acknowledged before the backup began."""
    held: int
    """Rows of the restored database, without a gap in any run."""
    later: int
    """Rows that were acknowledged by the end of the backup."""
    lost: int
    """Of the first ones, those that are not there."""
    seconds: float


def backed_up(server: TrackingServer, target: str, writers: int, rows: int) -> Restored:
    """Back up a server once so many rows are there, while its clients go on; restore that to a database.

    Raises:
        AssertionError: a run has a gap, or `kag serve check` finds something.
    """
    over, acknowledged = threading.Event(), [0] * writers

    def write(number: int) -> None:
        caller, name = Caller(server, "p"), f"writer-{number:02}"
        caller.begin(name)
        while not over.is_set():
            caller.log(name, acknowledged[number], acknowledged[number] / 7)
            acknowledged[number] += 1

    folder, again = server.folder / "backup", server.folder / "again"
    with ThreadPoolExecutor(writers) as pool:
        writing = [pool.submit(write, number) for number in range(writers)]
        until(lambda: sum(acknowledged) >= rows, what="enough rows")
        before, began = list(acknowledged), time.perf_counter()
        server.command("backup", str(folder), "--files", str(server.folder / "files"))
        seconds, later = time.perf_counter() - began, sum(acknowledged)
        over.set()
        for one in writing:
            one.result()
    other = TrackingServer(again, target, key=server.key)
    other.command("restore", str(folder), "--files", str(again / "files"))
    other.command("check", "--files", str(again / "files"))
    steps: dict[str, list[int]] = {}
    for name, step in other.rows(STEPS):
        steps.setdefault(name, []).append(step)
    assert all(found == list(range(len(found))) for found in steps.values())
    held = [len(steps.get(f"writer-{number:02}", [])) for number in range(writers)]
    lost = sum(max(told - there, 0) for told, there in zip(before, held, strict=True))
    return Restored(sum(before), sum(held), later, lost, seconds)


def main() -> None:
    """On each database, restored to the same kind."""
    parser = arguments(__doc__)
    parser.add_argument("--writers", type=int, default=16)
    parser.add_argument("--rows", type=int, default=4000)
    options = parser.parse_args()
    for kind in options.databases:
        with (
            databases(kind, "tracking", "again") as (folder, [database, target]),
            serving(folder, database) as server,
        ):
            found = backed_up(server, target, options.writers, options.rows)
            print(
                f"{kind}: {options.writers} writers; {found.before} rows acknowledged before the backup, {found.later} "
                f"by its end {found.seconds:.1f} s later; {found.held} in the restored database, {found.lost} lost",
                flush=True,
            )


if __name__ == "__main__":
    main()
