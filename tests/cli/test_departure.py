"""A copy of a process leaves its memory to the system, and nothing else undone."""

from __future__ import annotations

import subprocess
import sys

ENDING = """
from kag.cli.departure import Departure
departure = Departure()
import atexit, logging, logging.handlers, sys, threading, time

class Held:
    def __del__(self):
        print("taken apart")

held = Held()
logged = logging.handlers.MemoryHandler(100, target=logging.StreamHandler(sys.stdout))
logging.getLogger().addHandler(logged)
logging.getLogger().warning("logged")
begun = threading.Event()
threading.Thread(target=lambda: (begun.wait(), print("thread"))).start()
atexit.register(print, "registered")
print("printed")
departure.code = CODE
begun.set()
sys.exit(5)
"""


def ending(code: str) -> tuple[int, list[str]]:
    done = subprocess.run(
        [sys.executable, "-c", ENDING.replace("CODE", code)], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    return done.returncode, done.stdout.splitlines()


def test_what_is_registered_threads_and_what_was_written_end_as_ever_and_the_memory_is_left_as_it_is() -> None:
    assert ending("5") == (5, ["printed", "thread", "registered", "logged"])


def test_a_process_that_is_no_copy_is_ended_by_python() -> None:
    assert ending("None") == (5, ["printed", "thread", "registered", "logged", "taken apart"])
