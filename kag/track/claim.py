"""Take hold of something by an owner file, show life in it, notice its loss, and let go.

A claim is a file of its own that is linked to the place: its number of links tells whether that has come about, over
NFS too, where the answer of `link` may be lost and `O_EXCL` was not always exclusive (open(2)). Whoever takes over from
an owner that is gone is elected by another link, whose name is of that one claim: however many try, one gets it.

`filelock.SoftFileLease` has a file with signs of life, too. But a reader has to watch it until it runs out, where a
list of runs must know at once.
"""

from __future__ import annotations

import errno
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread

from kag.errors import RunFailed, StorageError
from kag.track.atomic import storing, write_atomically
from kag.track.owner import (
    EVERY,
    Owner,
    Standing,
    judge,
    owner_text,
    parse_owner,
    process_table,
    sign_text,
    this_process,
)

_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS)
"""What file systems answer that have no links."""
POLL = 0.05
"""Seconds between two tries to hold what is held."""
_LONGEST = 4096
"""Bytes of an owner file."""


class TakenOver(RunFailed):
    """Somebody else took over what this process held and had given no sign of life of."""


class Taken(Exception):
    """Control flow: it is held.

    Args:
        owner: by whom; None where only a lock says so.
    """

    def __init__(self, owner: Owner | None) -> None:
        self.owner = owner
        super().__init__(owner)


class Claim:
    """What this process holds, by the owner file at a place.

    Args:
        place: of the file.
        token: of this claim.
        former: the owner before, who is gone.
    """

    def __init__(self, place: Path, token: str, former: Owner | None = None) -> None:
        self._place = place
        self._token = token
        self._left = former

    @property
    def former(self) -> Owner | None:
        """The owner before, until that is settled; None if there was none."""
        return self._left

    def settle(self) -> None:
        """What is known of the owner before has been written down elsewhere: it does not come back at the end."""
        self._left = None

    def require(self) -> None:
        """That it is held still.

        Raises:
            TakenOver: it is not.
        """
        found = look(self._place)
        if found is None and not self._place.parent.is_dir():
            return  # nobody has taken over what is not there: whoever writes there is told so
        if found is None or found.token != self._token:
            by = f"on {found.host}" if found else "that is gone again"
            what = f"was taken over by a process {by}, since this one had given no sign of life"
            raise TakenOver(what, where=str(self._place.parent))

    def beat(self) -> None:
        """Give a sign of life, where the disk takes one; never in the file of another owner."""
        with suppress(OSError), open(self._place, "r+b", buffering=0) as file:
            if _read(file.fileno()).token != self._token:
                return
            os.utime(file.fileno())
            sign = sign_text(_written(file.fileno())).encode()
            os.pwrite(file.fileno(), sign, os.fstat(file.fileno()).st_size - len(sign))

    def release(self) -> None:
        """Let go, where the disk takes that. The sign of an owner before that is not settled comes back."""
        found = look(self._place)
        if found is None or found.token != self._token:
            return
        with suppress(StorageError), storing(self._place):
            if self._left and self._left.process:
                write_atomically(self._place, owner_text(self._left.process, self._left.token, self._left.sign))
            else:
                self._place.unlink(missing_ok=True)


def claim(place: Path) -> Claim:
    """Take hold of a place that nobody holds, or whose owner is gone.

    Raises:
        Taken: it is held.
        StorageError: its file cannot be written.
    """
    token = secrets.token_hex(8)
    while True:
        there = look(place)
        if there is not None and there.token == token:
            return Claim(place, token)
        if there is not None and not standing(there, place).gone:
            raise Taken(there)
        with storing(place), _unique(place, token) as own:
            done = _linked(own, place) if there is None else _inherited(own, place, there)
        if done:
            return Claim(place, token, there)


@contextmanager
def claimed(place: Path, *, wait: bool = False) -> Iterator[Claim]:
    """Hold a place to the end of the block, with signs of life; a process that is killed leaves its last one.

    Args:
        place: of the owner file.
        wait: wait until it is free.

    Raises:
        Taken, StorageError: as `claim`.
    """
    own, ended = _awaited(place) if wait else claim(place), Event()

    def beat_on() -> None:
        while not ended.wait(EVERY):
            own.beat()

    thread = Thread(target=beat_on, name="kag-heartbeat", daemon=True)
    thread.start()
    try:
        yield own
    finally:
        ended.set()
        thread.join()
        own.release()


def _awaited(place: Path) -> Claim:
    while True:
        with suppress(Taken):
            return claim(place)
        time.sleep(POLL)


def look(place: Path) -> Owner | None:
    """What an owner file says; None without one."""
    try:
        descriptor = os.open(place, os.O_RDONLY)
        try:
            return _read(descriptor)
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        return None
    except OSError:  # another user's, closed to this one: its time tells
        return _undescribed(os.stat(place))


def standing(owner: Owner, place: Path) -> Standing:
    """What is known of the owner of a place."""
    here = this_process()
    if owner.process and owner.is_seen_by(here):
        return judge(owner, owner.sign, here, process_table(owner.process.pid))
    return judge(owner, clock_of(place.parent), here, {})


def clock_of(folder: Path) -> datetime:
    """The time by the clock of a file system; by this system's where a folder takes no file from this process."""
    from tempfile import TemporaryFile

    try:
        with TemporaryFile(dir=folder) as file:
            return _written(file.fileno())
    except OSError:
        return datetime.now(UTC)


def _read(descriptor: int) -> Owner:
    text = os.pread(descriptor, _LONGEST, 0).decode(errors="replace")
    return parse_owner(text, otherwise=_undescribed(os.fstat(descriptor)))


def _undescribed(status: os.stat_result) -> Owner:
    return Owner(None, f"inode-{status.st_ino}", datetime.fromtimestamp(status.st_mtime, UTC))


def _written(descriptor: int) -> datetime:
    return datetime.fromtimestamp(os.fstat(descriptor).st_mtime, UTC)


@contextmanager
def _unique(place: Path, token: str) -> Iterator[Path]:
    """A file of this claim alone, beside the place."""
    own = place.with_name(f".{place.name.lstrip('.')}.{token}.tmp")
    try:
        with open(own, "xb", buffering=0) as file:
            file.write(owner_text(this_process(), token, _written(file.fileno())).encode())
        yield own
    finally:
        own.unlink(missing_ok=True)


def _linked(own: Path, place: Path) -> bool:
    """Whether a file got a place that was free."""
    try:
        os.link(own, place)
    except FileExistsError:
        # Where an answer was lost, the call came twice: the links tell whether it was this one that came first.
        with suppress(FileNotFoundError):
            return os.stat(own).st_nlink > 1
        return False
    except FileNotFoundError:
        # The owner has swept up: whoever looks again sees it.
        if not place.parent.is_dir():
            raise
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        return _copied(own, place)
    return True


def _copied(own: Path, place: Path) -> bool:
    try:
        with open(place, "xb", buffering=0) as file:
            file.write(own.read_bytes())
    except FileExistsError:
        return False
    return True


def _inherited(own: Path, place: Path, former: Owner) -> bool:
    """Whether a file took the place of an owner that is gone.

    Its heir is whose file gets the one name that is made of its token. An heir that died before it took the place has
    an heir in its turn.

    Raises:
        Taken: there is a living heir.
    """
    dead, seats = former, list[Path]()
    while True:
        seats.append(place.with_name(f".{place.name.lstrip('.')}.{dead.token}.heir"))
        if _linked(own, seats[-1]):
            break
        heir = look(seats[-1])
        if heir is None:
            return False
        if not standing(heir, place).gone:
            raise Taken(heir)
        dead = heir
    # Who was slow may have got a name that a former heir has left: the place is not the dead one's any more then.
    there = look(place)
    won = there is not None and there.token == former.token
    if won:
        os.replace(seats[-1], place)
    for seat in seats if won else seats[-1:]:
        seat.unlink(missing_ok=True)
    return won
