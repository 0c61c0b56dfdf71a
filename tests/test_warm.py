"""A copy ends, prints and is placed as the same program that is started from nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests import warm
from tests.conftest import ROOT

PROGRAMS = {
    "words, folder and main module": "import os, sys; print(sys.argv, os.getcwd(), __name__, sys.path[0] == '')",
    "an error": "print(1); raise ValueError('bad')",
    "a sentence": "import sys; sys.exit('bad')",
    "a code": "raise SystemExit(3)",
    "Ctrl-C": "raise KeyboardInterrupt",
    "a kill": "import os; os.kill(os.getpid(), 9)",
    "an exit function": "import atexit; atexit.register(print, 'end')",
    "a thread": "import threading; threading.Timer(0.01, print, ['thread']).start()",
    "its environment": "import os, tempfile; print(os.environ['MARK'], tempfile.gettempdir(), 'HOME' in os.environ)",
    "warnings": "import sys, warnings as w; print(sys.warnoptions, w.warn_explicit('odd', Warning, 'a.py', 1))",
    "a hook": "import sys; sys.excepthook = lambda *_: print('hooked'); raise ValueError",
}


def test_a_copy_does_what_a_start_from_nothing_does(tmp_path: Path) -> None:
    env = {"PATH": os.environ["PATH"], "MARK": "x", "TMPDIR": str(tmp_path)}
    for name, text in PROGRAMS.items():
        words = [sys.executable, "-c", text, "a b", "ü"]
        copy = warm.run(words, cwd=tmp_path, env=env)
        plain = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True)
        assert (name, copy.returncode, copy.stdout) == (name, plain.returncode, plain.stdout)
        assert copy.stderr.splitlines()[-1:] == plain.stderr.splitlines()[-1:], name


def test_a_script_and_a_module(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("import sys, beside; print(sys.argv, __file__)")
    (tmp_path / "beside.py").write_text("print('beside')")
    env = {"PATH": os.environ["PATH"]}
    for words in ([sys.executable, "one.py", "x"], [sys.executable, "-m", "beside"]):
        plain = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True, check=True)
        assert warm.run(words, cwd=tmp_path, env=env).stdout == plain.stdout


def test_several_at_a_time_each_with_a_session_of_its_own(tmp_path: Path) -> None:
    words = [sys.executable, "-c", "import os; print(os.getsid(0), flush=True); os.read(os.pipe()[0], 1)"]
    with (tmp_path / "log").open("w") as log:
        both = [warm.start(words, cwd=tmp_path, env={}, output=log) for _ in range(2)]
    assert [one.poll() for one in both] == [None, None]
    os.killpg(both[1].pid, signal.SIGTERM)
    assert both[1].wait() == -signal.SIGTERM
    assert both[0].poll() is None
    both[0].send_signal(signal.SIGKILL)
    assert both[0].wait() == -signal.SIGKILL


def test_all_who_ask_by_a_name_are_served_by_one_process_and_the_next_one_by_another(tmp_path: Path) -> None:
    asks = """
import os, sys
from tests import warm
template = warm.shared_template(sys.argv[1], "import os, sys; sys.loaded = os.getpid()")
words = [sys.executable, "-c", "import sys; print(sys.loaded)"]
print(warm.run(words, cwd=".", env={}, template=template).stdout, end="", flush=True)
sys.stdin.read()
"""

    def ask() -> subprocess.Popen[str]:
        words = [sys.executable, "-c", asks, f"kag-{tmp_path}"]
        return subprocess.Popen(words, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    two = [ask(), ask()]
    assert all(one.stdout for one in two)
    assert len({one.stdout.readline() for one in two if one.stdout}) == 1
    loaded = {one.communicate("")[0] for one in two}
    assert loaded == {""}
    third = ask().communicate("")[0]
    assert third.strip().isdigit()


def test_a_worker_has_loaded_all_reads_what_it_is_sent_and_ends_as_its_copy() -> None:
    said = "import sys; print(sys.stdin.readline(), 'torch' in sys.modules)"
    for text, ended in ((said, (0, "x\n True\n")), ("import os; os.kill(os.getpid(), 9)", (-signal.SIGKILL, ""))):
        words = [sys.executable, "-m", "tests.worker", "-u", "-c", text]
        done = subprocess.run(words, cwd=ROOT, input="x\n", capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == ended, done.stderr
