"""What the server pays while W&B's own client lists runs to the end: `for run in wandb.Api().runs("kag/many")`.

    python -m tests.benchmarks.listing [--databases sqlite postgresql] [--runs 1000 10000]

Each run has a config of kag's size, a summary of 40 keys and 100 rows of history. The figure is the processor time of
the server's process, from before the first page until after the last one. Beside it stands the plain way, in this
process: the same pages read by their number (`OFFSET`), each run's settings and results decoded and written again,
without GraphQL, HTTP or a key. As many times the runs should cost as many times the time.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from sqlalchemy import create_engine, select, text

from kag.server.store import Store
from kag.server.tables import runs
from tests.benchmarks._databases import arguments, databases, serving
from tests.benchmarks.ingest import processor_seconds
from tests.e2e.tracking import Client, TrackingServer, last_json
from tests.page.synthetic import add_runs

ROWS, KEYS, PAGE = 100, 40, 50
LIST = """
import json, sys, wandb
runs = wandb.Api(timeout=300).runs("kag/many", **json.loads(sys.argv[1]))
print(json.dumps([sum(1 for run in runs)]))
"""
WALKS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "as it comes": {},
        "not lazy": {"lazy": False},
        "200 a page": {"per_page": 200},
        "newest first": {"order": "-created_at"},
        "by last sign of life": {"order": "-heartbeat_at"},
        "by a result": {"order": "-summary_metrics.val/auprc"},
        "finished": {"filters": {"state": "finished"}},
        "of one seed": {"filters": {"config.seed": 3}},
        "of a result": {"filters": {"summary_metrics.val/auprc": {"$gt": 0.2}}},
    }
)
"""What people list -> arguments of `Api.runs`."""


def fill(database: str, count: int) -> None:
    """Make the runs."""
    store = Store(database)
    add_runs(store, count, epochs=ROWS)
    with store.write() as connection:
        for number, summary in connection.execute(select(runs.c.id, runs.c.summary)).all():
            found = json.loads(summary)
            found |= {f"test/metric_{key}": number * key / 7 for key in range(KEYS - len(found))}
            connection.execute(runs.update().filter_by(id=number).values(summary=json.dumps(found)))
    store.close()


def listed(client: Client, words: Mapping[str, Any]) -> tuple[int, float]:
    """List runs in a process of its own: how many there were, and processor seconds of the server."""
    process = client.server.process
    assert process is not None
    before = processor_seconds(process.pid)
    (count,) = last_json(client.run(sys.executable, str(client.script(LIST)), json.dumps(words), seconds=3600))
    return count, processor_seconds(process.pid) - before


def plainly(database: str) -> float:
    """Processor seconds of the plain way."""
    engine, before, sent = create_engine(database), time.process_time(), 0
    query = text(f"SELECT * FROM runs ORDER BY created_at LIMIT {PAGE} OFFSET :offset")
    with engine.connect() as connection:
        while rows := connection.execute(query, {"offset": sent}).mappings().all():
            page = [{**row, **{name: json.loads(row[name]) for name in ("config", "summary")}} for row in rows]
            json.dumps(page)
            sent += len(rows)
    engine.dispose()
    return time.process_time() - before


def measured(server: TrackingServer, client: Client) -> dict[str, float]:
    """Processor seconds by what is listed."""
    found = {}
    for name, words in WALKS.items():
        count, found[name] = listed(client, words)
        print(f"  {name:22}{count:7} runs{found[name]:8.2f} s", flush=True)
    found["the plain way"] = plainly(server.database)
    print(f"  {'the plain way':22}{'':12}{found['the plain way']:8.2f} s", flush=True)
    return found


def main() -> None:
    """Print the figures of each database and number of runs, and how they grow."""
    parser = arguments(__doc__)
    parser.add_argument("--runs", type=int, nargs="+", default=(1_000, 10_000))
    options = parser.parse_args()
    for kind in options.databases:
        columns = []
        for count in options.runs:
            with databases(kind, "listing") as (folder, [database]):
                fill(database, count)
                with serving(folder, database, "--strict") as server:
                    client = Client(server, folder / "client")
                    print(f"{kind}, {count} runs", flush=True)
                    columns.append(measured(server, client))
                    client.close()
        for name in columns[0]:
            grown = ", ".join(f"{one[name] / max(columns[0][name], 0.01):.1f}" for one in columns[1:])
            print(f"{kind}: {name}: times {grown} from {options.runs[0]} to {options.runs[1:]} runs")


if __name__ == "__main__":
    main()
