"""Python programs as copies of a process that has loaded everything and computed nothing.

Most of the time of a small program goes into loading torch, Lightning and W&B. A copy is a process of its own in all
else: its folder, environment, streams, signals, main module, exit code, and the end of its threads and exit functions.
What only a start from nothing proves (which modules a command loads, what torch reads when it is loaded) is no work
for a copy.
"""

from __future__ import annotations

import array
import atexit
import errno
import faulthandler
import fcntl
import gc
import json
import os
import pkgutil
import random
import re
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import warnings
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import IO, Any, NoReturn

ROOT = Path(__file__).parents[1]
MAXIMUM = 1 << 20
"""Bytes of a request."""
MOST_DESCRIPTORS = 16
"""That come with one."""
LOAD = "from tests.warm import load; load()"
RUN = "PYTEST_XDIST_TESTRUNUID"
"""The variable that names a call of pytest for all of its workers."""
SERVE = "import sys; from tests.warm import serve; serve(int(sys.argv[1]))"
SERVE_ALL = "import sys; from tests.warm import serve_all; serve_all(*map(int, sys.argv[1:]))"
OLD_PACKAGES = "KAG_OLD_PACKAGES"
"""Set where packages are the oldest that work (tests.lowest): what they warn of is their own business."""
STRICT = ("error", None, Warning, None, 0)
"""What `-W error` adds to the filters: who is copied loads without a warning, as tests want it."""
FIRST = threading.Lock()
"""Threads that begin together would else each look for what is copied."""
OTHERS = (
    "anyio._backends._asyncio",
    "filelock",
    "google.protobuf.json_format",
    "obstore.store",
    "opentelemetry.exporter.otlp.proto.http._log_exporter",
    "opentelemetry.exporter.otlp.proto.http.metric_exporter",
    "pandas",
    "psycopg",
    "pydantic.type_adapter",
    "requests",
    "rich.columns",
    "rich.traceback",
    "sqlalchemy.dialects.postgresql.psycopg",
    "sqlalchemy.dialects.sqlite.pysqlite",
    "torch.profiler._cupti_monitor",
    "torch.utils.serialization.config",
    "typer._adapters",
    "typer._click.decorators",
    "typer.rich_utils",
    "uvicorn.lifespan.on",
    "uvicorn.loops.asyncio",
    "wandb.apis._generated.get_default_entity",
    "wandb.apis.public",
    "wandb.cli.cli",
    "wandb.sdk.artifacts._generated.fragments",
    "wandb.sdk.artifacts._internal_artifact",
    "wandb.sdk.artifacts._models.pagination",
    "wandb.sdk.launch.inputs.internal",
)
"""What programs load late, or from nothing."""
OTHER_PYTHON = ("PYTHONHOME", "PYTHONOPTIMIZE", "PYTHONWARNINGS")
"""Variables that Python reads when it starts: who sets one wants a start from nothing."""


class Copy:
    """A program that has begun; the same words as of `subprocess.Popen`."""

    def __init__(self, words: Sequence[str], report: int) -> None:
        self.args = words
        self.returncode: int | None = None
        self._report = os.fdopen(report)
        self.pid = int(self._report.readline())

    def poll(self) -> int | None:
        """Its exit code, negative for the signal that has ended it; None while it goes on."""
        if self.returncode is None and select.select([self._report], [], [], 0)[0]:
            self._take()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, when it has ended.

        Raises:
            subprocess.TimeoutExpired: it has not ended in so many seconds.
        """
        if self.returncode is None:
            if not select.select([self._report], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(list(self.args), timeout or 0.0)
            self._take()
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it goes on."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)

    def _take(self) -> None:
        self.returncode = int(self._report.readline())
        self._report.close()


Program = Copy | subprocess.Popen[str]
"""A program that has begun, as a copy or by itself."""
Template = socket.socket
"""The way to a process that is copied."""


def start(
    words: Sequence[str | Path],
    *,
    cwd: str | Path,
    env: Mapping[str, str],
    output: IO[Any],
    errors: IO[Any] | None = None,
) -> Program:
    """Start any program in a session of its own, a copy if this Python is to run it.

    Args:
        words: of its command line, `/usr/bin/env` before them or not; a script that was installed is one of Python.
        cwd: its folder.
        env: its environment; a Python that is called by its name is what is found there.
        output: takes what it prints.
        errors: takes what it prints as errors, if that is to go elsewhere.
    """
    words = called(words, env)
    if is_ours(words[0], env):
        streams = (output.fileno(), (errors or output).fileno())
        return begin(words, cwd=cwd, env=env, streams=streams)
    return subprocess.Popen(
        words,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=errors or output,
        text=True,
        start_new_session=True,
    )


def called(words: Sequence[str | Path], env: Mapping[str, str]) -> list[str]:
    """The words of a program as Python is called for it, where it is a script that was installed with this Python."""
    plain = [str(word) for word in words[words[0] == "/usr/bin/env" :]]
    found = shutil.which(plain[0], path=env.get("PATH"))
    if found and found != sys.executable and Path(found).parent == Path(sys.executable).parent:
        with open(found, "rb") as script:
            if re.match(rb"#!\S+python\S*\n", script.read(200)):
                return [sys.executable, found, *plain[1:]]
    return plain


def is_ours(program: str | Path, env: Mapping[str, str], packages: Path | None = None) -> bool:
    """Whether a program is the Python of the tests, with the packages of the tests and these besides."""
    found, named = shutil.which(program, path=env.get("PATH")), env.get("PYTHONPATH", "")
    is_plain = not any(name in env for name in OTHER_PYTHON)
    ours = [str(packages)] if packages else ["", str(ROOT), os.environ.get("PYTHONPATH")]
    return found == sys.executable and is_plain and named in ours


def begin(
    words: Sequence[str | Path],
    *,
    cwd: str | Path,
    env: Mapping[str, str],
    streams: tuple[int, int],
    packages: Path | None = None,
    template: Template | None = None,
    group: int | None = None,
    kept: Sequence[int] = (),
) -> Copy:
    """Start a program as a copy, in a session of its own.

    Args:
        cwd: its folder.
        env: its environment.
        streams: descriptors of what takes its output and its errors.
        packages: a folder of packages that it has besides.
        template: what is copied; else the process that all tests share.
        group: a group of processes that it joins, in the session of the template, in place of a session of its own.
        kept: descriptors that it has under the same numbers.
    """
    plain = called(words, env)
    ours, theirs = os.pipe()
    places = {"cwd": str(cwd), "packages": packages and str(packages), "group": group, "kept": [*kept]}
    request = {"words": plain[1:], "env": dict(env), **places}
    handed = array.array("i", [*streams, theirs, *kept])
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, handed)]
    sent = json.dumps(request).encode()
    assert len(sent) < MAXIMUM
    (template or _template()).sendmsg([sent], rights)
    os.close(theirs)
    return Copy(plain, ours)


def run(
    words: Sequence[str | Path],
    *,
    cwd: str | Path,
    env: Mapping[str, str],
    timeout: float = 600.0,
    packages: Path | None = None,
    template: Template | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run any program to its end, a copy if this Python is to run it; what it printed, as `subprocess.run` has it.

    Args:
        cwd: its folder.
        env: its environment.
        timeout: seconds that it may take.
        packages: a folder that its environment names as PYTHONPATH; nothing that is loaded may be there as well.
        template: what is copied; else the process that all tests share.

    Raises:
        subprocess.TimeoutExpired: it has not ended in so many seconds; it is killed.
    """
    words = called(words, env)
    if not is_ours(words[0], env, packages):
        return subprocess.run(words, cwd=cwd, env=env, capture_output=True, text=True, timeout=timeout, check=False)
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as error:
        streams = (out.fileno(), error.fileno())
        program = begin(words, cwd=cwd, env=env, streams=streams, packages=packages, template=template)
        try:
            code = program.wait(timeout)
        except subprocess.TimeoutExpired:
            os.killpg(program.pid, signal.SIGKILL)
            program.wait()
            raise
        return subprocess.CompletedProcess(program.args, code, _all(out), _all(error))


def _all(stream: IO[bytes]) -> str:
    stream.seek(0)
    return stream.read().decode(errors="backslashreplace")


def _way() -> tuple[Template, socket.socket]:
    """Ways to the process that is copied, and from there."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, MAXIMUM)
    return ours, theirs


def template_of_this() -> Template:
    """The way to a copy of this process as it is now, which other copies can be made of; it ends with this one."""
    ours, theirs = _way()
    if os.fork() == 0:
        ours.close()
        os.setpgid(0, 0)  # a signal to all that the program has started is none to it
        _copies(theirs)
        os._exit(0)
    theirs.close()
    return ours


def begin_template() -> None:
    """Start the process that all tests share, if nobody has; it ends with the one who has."""
    _template()


def _template() -> Template:
    """The way to the process that is copied, for all threads of this one."""
    with FIRST:
        return _found_template()


@cache
def _found_template() -> Template:
    """One for all workers of a call of pytest; where a test calls pytest in another tree, that has one of its own."""
    run = os.environ.get(RUN)
    return template_of(LOAD) if run is None else shared_template(f"kag-{run}-{os.stat(ROOT).st_ino}", LOAD)


def template_of(text: str) -> Template:
    """The way to a process that is copied, which has done what a text says and no more.

    It ends when nobody is left who could ask it.
    """
    ours, theirs = _way()
    with theirs:
        _keep_until_the_end(_started(f"{text}\n{SERVE}", theirs.fileno()), ours)
    return ours


def shared_template(name: str, text: str) -> Template:
    """The way to a process that is copied for all who ask by a name; the first of them starts it, and ends it."""
    address = f"\0{name}"
    while True:
        ours, listening = (socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(2))
        with listening:
            if _is_first(listening, address):
                theirs, life = os.pipe()
                process = _started(f"{text}\n{SERVE_ALL}", listening.fileno(), theirs)
                os.close(theirs)
                _keep_until_the_end(process, os.fdopen(life, "wb"))
        try:
            ours.connect(address)
        except ConnectionRefusedError:  # that one does not listen yet, or has ended
            ours.close()
            time.sleep(0.01)
            continue
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, MAXIMUM)
        atexit.register(ours.close)
        return ours


def _is_first(listening: socket.socket, address: str) -> bool:
    """Whether a socket has got an address, at which it listens then; one process has it at a time."""
    try:
        listening.bind(address)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        return False
    listening.listen()
    return True


def _started(text: str, *passed: int) -> subprocess.Popen[bytes]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("WANDB_", "PYTEST_"))}
    fixed = {"PYTHONPATH": str(ROOT), "WANDB_ERROR_REPORTING": "false", "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, *([] if OLD_PACKAGES in os.environ else ["-W", "error"]), "-c", text, *map(str, passed)],
        env=kept | fixed,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,  # whoever reads what the first of them prints is not kept from its end
        pass_fds=passed,
        start_new_session=True,
    )


def _keep_until_the_end(process: subprocess.Popen[bytes], held: Template | IO[bytes]) -> None:
    """Let a process go on as long as this one, which holds what keeps it."""

    def end() -> None:
        held.close()
        process.wait()

    atexit.register(end)


def serve(number: int) -> None:
    """Make a copy for each request, until nobody is left who asks.

    Args:
        number: descriptor of the socket.
    """
    _settle_down()
    _copies(socket.socket(fileno=number))


def serve_all(listening: int, life: int) -> None:
    """Serve each who connects, in a copy of this process; until who has started it ends.

    Args:
        listening: descriptor of the socket.
        life: of a pipe that ends with that process.
    """
    _settle_down()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(fileno=listening) as door:
        while True:
            ready, _, _ = select.select([door, life], [], [])
            if door not in ready:
                return
            asked, _ = door.accept()
            with asked:
                if os.fork() == 0:
                    door.close()
                    os.close(life)
                    _copies(asked)
                    os._exit(0)


def _settle_down() -> None:
    """All is loaded: copies warn as any program does, and their collections write to none of these pages."""
    sys.warnoptions.clear()
    if STRICT in warnings.filters:
        warnings.filters.remove(STRICT)  # type: ignore[attr-defined]
    gc.collect()
    gc.freeze()


def _copies(control: socket.socket) -> None:
    """Make a copy for each request, and tell the exit code of each, until nobody is left who asks."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    reports: dict[int, tuple[int, int]] = {}  # what tells the end of a copy -> its process id, where to tell it
    with control:
        while True:
            ready = select.select([control, *reports], [], [])[0]
            for end in reports.keys() & set(ready):
                _tell_end(*reports.pop(end))
                os.close(end)
            if control not in ready:
                continue
            sent, handed = _received(control)
            if not sent:
                return
            report = handed[2]
            child = os.fork()
            if child == 0:
                control.close()
                for end, (_, other) in reports.items():
                    os.close(end)
                    os.close(other)
                _begin(json.loads(sent), handed)
            reports[os.pidfd_open(child)] = (child, report)
            for descriptor in handed:
                if descriptor != report:
                    os.close(descriptor)


def _tell_end(child: int, report: int) -> None:
    _, status = os.waitpid(child, 0)
    with suppress(BrokenPipeError):  # it may outlive who has started it
        os.write(report, f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os.close(report)


def load() -> None:
    """Load what programs need."""
    from kag.cli.main import PATIENT_THREADS

    for name, value in PATIENT_THREADS.items():
        os.environ.setdefault(name, value)
    for name in (*OTHERS, *ours()):
        with suppress(ModuleNotFoundError):  # there may be no torch (tests.without_torch), or no extra
            import_module(name)
    build_once()
    if "torch" in sys.modules:
        leave_libraries()


def ours() -> Iterator[str]:
    """The names of kag's modules, but of those that do something when they are loaded."""
    import kag

    for module in pkgutil.walk_packages(kag.__path__, "kag."):
        if module.name != "kag.__main__" and not module.name.startswith("kag.server.migrations."):
            yield module.name


def build_once() -> None:
    """A process builds commands once, and copies have those of `kag`; tests call hundreds of them."""
    import typer.main
    import typer.testing

    from kag.cli import main

    built = cache(typer.main.get_command)
    typer.main.get_command = typer.testing._get_command = built  # type: ignore[assignment]
    built(main.app)


def leave_libraries() -> None:
    """At its end a process would take apart the tables of torch's operators, which takes longer than most programs."""
    from torch import library

    for finalizer in weakref.finalize._registry:  # type: ignore[attr-defined]
        if finalizer.peek()[1].__module__ == library.__name__:
            finalizer.atexit = False


def _received(control: socket.socket) -> tuple[bytes, list[int]]:
    handed = array.array("i")
    sent, rights, _, _ = control.recvmsg(MAXIMUM, socket.CMSG_SPACE(MOST_DESCRIPTORS * handed.itemsize))
    for _, _, data in rights:
        handed.frombytes(data)
    return sent, list(handed)


def _begin(request: dict[str, Any], handed: list[int]) -> NoReturn:
    """Tell the process id, and be the program."""
    streams, report, kept = handed[:2], handed[2], handed[3:]
    if request["group"] is None:
        os.setsid()
    else:
        os.setpgid(0, request["group"])
    os.write(report, f"{os.getpid()}\n".encode())  # now its whole session can be sent a signal
    os.close(report)
    _become(request, streams, kept)


def _become(request: dict[str, Any], streams: Sequence[int], kept: Sequence[int]) -> NoReturn:
    """Be the program to the end of this process."""
    code = 1
    try:
        _settle(request, streams)
        _renumber(kept, request["kept"])
        code = _code_of(request["words"])
    finally:
        _end(code)


def _settle(request: dict[str, Any], streams: Sequence[int]) -> None:
    """The folder, environment and streams of the program, and numbers of chance of its own."""
    for number, stream in enumerate(streams, 1):
        os.dup2(stream, number)
        os.close(stream)
    for printed in (sys.stdout, sys.stderr):
        printed.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    if request["packages"]:
        sys.path.insert(1, request["packages"])
    tempfile.tempdir = None  # it was looked up in the environment of the template
    if (media := sys.modules.get("wandb.sdk.data_types._private")) is not None:
        # The first copy that ends would else take the folder of all.
        media.MEDIA_TMP._finalizer.detach()
        media.MEDIA_TMP.__init__("wandb-media")
    if "PYTHONFAULTHANDLER" in os.environ:
        faulthandler.enable()
    random.seed()
    if (numpy := sys.modules.get("numpy")) is not None:
        numpy.random.seed()  # as the state is that libraries draw from
    if (torch := sys.modules.get("torch")) is not None:
        torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS") or len(os.sched_getaffinity(0))))


def _renumber(handed: Sequence[int], numbers: Sequence[int]) -> None:
    """Give descriptors their numbers; one of them may have that of another."""
    moved = []
    for descriptor in handed:
        moved.append(fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, max(numbers) + 1))
        os.close(descriptor)
    for descriptor, number in zip(moved, numbers, strict=True):
        os.dup2(descriptor, number)
        os.close(descriptor)


def _code_of(words: Sequence[str]) -> int:
    """Do as `python` does with these words; the exit code."""
    try:
        _execute(*words)
    except SystemExit as left:
        if isinstance(left.code, int | None):
            return left.code or 0
        print(left.code, file=sys.stderr)
        return 1
    except KeyboardInterrupt as error:
        sys.excepthook(type(error), error, error.__traceback__)
        return -signal.SIGINT
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
        raise
    return 0


def _end(code: int) -> NoReturn:
    """What Python does at the end, and what a child of `os.fork` leaves out."""
    try:
        threading._shutdown()
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        if code == -signal.SIGINT:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            signal.raise_signal(signal.SIGINT)
    finally:
        os._exit(code)


def _execute(first: str, *rest: str) -> None:
    if first == "-m":
        sys.argv[:] = [rest[0], *rest[1:]]
        sys.path[0] = os.getcwd()
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
        return
    main = ModuleType("__main__")
    sys.modules["__main__"] = main
    if first == "-c":
        text, sys.argv[:], sys.path[0] = rest[0], ["-c", *rest[1:]], ""
        exec(compile(text, "<string>", "exec"), vars(main))
        return
    main.__file__ = str(Path(first).absolute())
    sys.argv[:], sys.path[0] = [first, *rest], str(Path(first).resolve().parent)
    exec(compile(Path(first).read_bytes(), first, "exec"), vars(main))
