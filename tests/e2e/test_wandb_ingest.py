"""How much the server takes in, and how fast a long history comes back."""

from __future__ import annotations

import json
import os
import sqlite3
import sys
import time
from pathlib import Path
from typing import Any

import pytest

CLIENTS, STEPS = 16, int(os.environ.get("KAG_INGEST_STEPS", "2000"))

LOG = """
import json, sys, time, wandb
with wandb.init(project="ingest", id=sys.argv[1], settings=wandb.Settings(x_disable_stats=True)) as run:
    spent = []
    for step in range(int(sys.argv[2])):
        begin = time.perf_counter()
        run.log({f"m{i}": step * i / 7 for i in range(12)})
        spent.append(time.perf_counter() - begin)
    spent.sort()
p50, p99 = (spent[len(spent) * share // 100] * 1e3 for share in (50, 99))
print(json.dumps({"rows": len(spent), "p50_ms": p50, "p99_ms": p99}))
"""


def processor_seconds(number: int) -> float:
    words = Path(f"/proc/{number}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def peak_memory_mib(number: int) -> float:
    line = next(line for line in Path(f"/proc/{number}/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


@pytest.mark.slow
def test_sixteen_clients_at_full_speed_lose_nothing(make_client: Any, capsys: pytest.CaptureFixture[str]) -> None:
    client = make_client("sqlite", "--strict")
    script = str(client.script(LOG))
    process = client.server.process.pid
    begin, used = time.monotonic(), processor_seconds(process)
    writers = [client.start(sys.executable, script, f"r{i}", str(STEPS)) for i in range(CLIENTS)]
    assert [writer.wait(timeout=900) for writer in writers] == [0] * CLIENTS
    seconds, used = time.monotonic() - begin, processor_seconds(process) - used
    told = [json.loads(writer.log.read_text().splitlines()[-1]) for writer in writers]
    counted = sum(one["rows"] for one in told)
    database = sqlite3.connect(client.server.database.removeprefix("sqlite:///"))
    query = "select count(*), count(distinct run_id || ':' || step) from lines where stream = 0"
    stored = database.execute(query).fetchone()
    database.close()
    assert (counted, *stored) == (CLIENTS * STEPS,) * 3
    with capsys.disabled():
        print(
            f"\n{counted} rows of 12 scalars from {CLIENTS} clients in {seconds:.1f} s: "
            f"{counted / seconds:.0f} rows/s; "
            f"log() p50 {max(one['p50_ms'] for one in told):.2f} ms, p99 {max(one['p99_ms'] for one in told):.2f} ms "
            f"(worst client); server {used:.1f} CPU-seconds, peak {peak_memory_mib(process):.0f} MiB"
        )


@pytest.mark.slow
def test_twenty_thousand_rows_are_scanned_in_three_seconds(client: Any, project: str) -> None:
    client.python(LOG.replace('"ingest"', f'"{project}"'), "long", "20000")
    found = client.python(
        """
        import json, sys, time, wandb
        run = wandb.Api().run(f"kag/{sys.argv[1]}/long")
        begin = time.perf_counter()
        steps = [row["_step"] for row in run.scan_history(use_cache=False)]
        seconds = time.perf_counter() - begin
        print(json.dumps({"right": steps == list(range(20000)), "seconds": seconds}))
        """,
        project,
    )
    print(f"20000 rows in {found['seconds']:.2f} s")
    assert found["right"]
    assert found["seconds"] < 3.0
