"""A PostgreSQL cluster of the tests' own: installed where that is possible, on a Unix socket in a temporary folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock
from sqlalchemy import create_engine, text

INSTALL_SECONDS = 600


class NotInstalled(Exception):
    """PostgreSQL is not here and cannot be installed; says why."""


def _found() -> Path | None:
    """The folder of `initdb` and `pg_ctl`: Debian keeps them off the search path."""
    named = shutil.which("initdb")
    places = [Path(named)] if named else sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return places[-1].resolve().parent if places else None


def tools() -> Path:
    """The folder of PostgreSQL's programs; installs them with apt where they are missing and this user may.

    Raises:
        NotInstalled: there are none, and they could not be installed.
    """
    with FileLock(Path(tempfile.gettempdir()) / f"kag-postgresql-{os.geteuid()}.lock"):
        if _found() is None:
            _install()
        found = _found()
    if found is None:
        raise NotInstalled("PostgreSQL was installed, but there is no initdb")
    return found


def _install() -> None:
    if shutil.which("apt-get") is None:
        raise NotInstalled("PostgreSQL is not installed, and there is no apt-get to install it with")
    if os.geteuid() != 0:
        raise NotInstalled("PostgreSQL is not installed; apt-get install postgresql needs root")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for words in (["update"], ["install", "-y", "--no-install-recommends", "postgresql"]):
        done = subprocess.run(
            ["apt-get", "-q", "-o", "DPkg::Lock::Timeout=300", *words],
            env=environment,
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS,
        )
        if done.returncode != 0:
            reason = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
            raise NotInstalled(f"PostgreSQL is not installed, and apt-get {words[0]} failed: {' '.join(reason)}")


def _stepped_down(*words: str) -> list[str]:
    """PostgreSQL refuses to run as root: the account that its package makes runs it then."""
    if os.geteuid() != 0:
        return list(words)
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *words]


@contextmanager
def cluster() -> Iterator[str]:
    """Run a fresh cluster while the block runs; its URL, with `{name}` in place of the database.

    Raises:
        NotInstalled: there is no PostgreSQL, and it could not be installed.
    """
    programs = tools()
    folder = Path(tempfile.mkdtemp(prefix="kag-pg-", dir="/tmp"))
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    data = folder / "data"
    initdb = _stepped_down(str(programs / "initdb"), "-N", "-D", str(data), "-A", "trust", "-U", "kag")
    control = _stepped_down(str(programs / "pg_ctl"), "-D", str(data), "-l", str(folder / "log"), "-w")
    options = f"-k {folder} -c listen_addresses= -c fsync=off -c max_connections=200"
    try:
        for words in (initdb, [*control, "-o", options, "start"]):
            subprocess.run(words, check=True, cwd="/tmp", stdout=subprocess.DEVNULL)
        yield f"postgresql+psycopg://kag@/{{name}}?host={folder}"
        subprocess.run([*control, "-m", "immediate", "stop"], check=True, cwd="/tmp", stdout=subprocess.DEVNULL)
    finally:
        shutil.rmtree(folder)


def new_database(url: str, name: str) -> str:
    """Make a database in a cluster; its URL."""
    engine = create_engine(url.format(name="postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f'CREATE DATABASE "{name}"'))
    engine.dispose()
    return url.format(name=name)
