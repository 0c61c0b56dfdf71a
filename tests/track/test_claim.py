"""An owner file holds without any lock: one owner at a time, whoever comes, waits, dies or sleeps for too long."""

from __future__ import annotations

import errno
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from kag.errors import RecordError
from kag.track import claim as claim_module
from kag.track import hold
from kag.track.claim import Claim, Taken, TakenOver, claim, claimed, clock_of, look, standing
from kag.track.folder import RunFolder
from kag.track.folders import FolderSource
from kag.track.hold import as_it_stands, locked, may_be_trained
from kag.track.owner import SILENT, Standing
from kag.track.record import Status
from tests.track.owners import ELSEWHERE, own_elsewhere
from tests.track.test_hold import record_of

FORK = multiprocessing.get_context("fork")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / ".owner"
    left = {path.name for path in tmp_path.iterdir()} - {".owner"}
    assert not left, "whatever was tried"


def silent_for(place: Path, time: timedelta) -> None:
    own_elsewhere(place, sign=clock_of(place.parent) - time)


def test_a_place_has_one_owner_and_is_free_when_it_lets_go(place: Path) -> None:
    own = claim(place)
    with pytest.raises(Taken) as taken:
        claim(place)
    assert taken.value.owner == look(place), "even in one process"
    own.require()
    own.release()
    assert not place.exists()
    claim(place).release()


def test_of_a_place_elsewhere_the_signs_decide_and_which_owner_that_was_is_known(place: Path) -> None:
    silent_for(place, SILENT - timedelta(seconds=30))
    with pytest.raises(Taken) as taken:
        claim(place)
    assert taken.value.owner is not None
    assert taken.value.owner.host == ELSEWHERE
    silent_for(place, SILENT + timedelta(seconds=30))
    former = look(place)
    own = claim(place)
    assert own.former == former
    own.require()
    own.release()
    assert look(place) == former, "nothing has come of it: when it was last heard of is known still"
    own = claim(place)
    own.settle()
    own.release()
    assert look(place) is None


def test_clocks_of_hosts_do_not_count(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock of this host is wrong by a year; the file system has its own."""

    class Wrong(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime.now(tz) + timedelta(days=365)

    monkeypatch.setattr(claim_module, "datetime", Wrong)
    silent_for(place, timedelta(seconds=5))
    owner = look(place)
    assert owner is not None
    assert standing(owner, place) is Standing.ALIVE
    os.utime(place, (0, 0))
    assert standing(owner, place) is Standing.ALIVE, "nor does what a copy does to the time of a file"


def test_signs_come_by_themselves_and_stop(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    beaten = threading.Event()
    beat = Claim.beat

    def telling(self: Claim) -> None:
        beat(self)
        beaten.set()

    monkeypatch.setattr(claim_module, "EVERY", 0.0001)
    monkeypatch.setattr(Claim, "beat", telling)
    with claimed(place):
        later = first = look(place)
        assert first is not None
        while later is not None and later.sign == first.sign:  # a file system's clock has ticks
            beaten.clear()
            assert beaten.wait(60)
            later = look(place)
        assert later is not None
        assert (later.process, later.token) == (first.process, first.token)
        assert later.sign > first.sign
    assert not place.exists()
    assert not [one for one in threading.enumerate() if one.name == "kag-heartbeat"]


def test_who_wakes_up_too_late_knows_it_and_touches_nothing(place: Path) -> None:
    sleeper = claim(place)
    silent_for(place, SILENT + timedelta(seconds=1))
    heir = claim(place)
    before = place.read_bytes()
    for act in (sleeper.beat, sleeper.release):
        act()
        assert place.read_bytes() == before
    with pytest.raises(TakenOver, match="was taken over by a process on"):
        sleeper.require()
    heir.require()
    heir.settle()
    heir.release()
    with pytest.raises(TakenOver, match="gone again"):
        sleeper.require()
    sleeper.beat()
    assert not place.exists()


def test_a_disk_that_takes_no_sign_ends_nothing(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "full")

    own = claim(place)
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        own.beat()
    own.require()
    own.release()


@pytest.mark.parametrize("what", [b"", b"\xff\x00", b'{"process": 1}\n'])
def test_a_damaged_file_holds_as_long_as_it_is_new(what: bytes, place: Path) -> None:
    place.write_bytes(what)
    with pytest.raises(Taken):
        claim(place)
    old = (clock_of(place.parent) - SILENT - timedelta(seconds=5)).timestamp()
    os.utime(place, (old, old))
    own = claim(place)
    own.require()
    own.release()


def test_a_file_system_without_links_is_good_enough(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refused)
    own = claim(place)
    with pytest.raises(Taken):
        claim(place)
    own.release()
    silent_for(place, 2 * SILENT)
    own = claim(place)
    own.require()
    own.settle()
    own.release()


def test_an_answer_that_was_lost_is_no_refusal(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The link comes about, the call is sent again, and the second answer is that the name is there."""
    link = os.link

    def twice(source: Path, target: Path) -> None:
        link(source, target)
        link(source, target)

    monkeypatch.setattr(os, "link", twice)
    own = claim(place)
    own.require()
    own.release()


Step = Callable[[], object]


@pytest.mark.parametrize("when", ["before the election", "after the election"])
def test_of_two_that_take_over_at_once_one_gets_it(place: Path, when: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second comes, and does all that it would do, between two steps of the first one."""
    silent_for(place, 2 * SILENT)
    link, found = os.link, list[object]()

    def second() -> None:
        monkeypatch.setattr(os, "link", link)
        try:
            found.append(claim(place))
        except Taken as taken:
            found.append(taken.owner)

    def between(source: Path, target: Path) -> None:
        if when == "before the election":
            second()
            link(source, target)
        else:
            link(source, target)
            second()

    monkeypatch.setattr(os, "link", between)
    try:
        found.append(claim(place))
    except Taken as taken:
        found.append(taken.owner)
    (winner,) = (one for one in found if isinstance(one, Claim))
    winner.require()
    (loser,) = (one for one in found if not isinstance(one, Claim))
    assert loser == look(place)
    winner.settle()
    winner.release()


def test_an_heir_that_dies_before_it_takes_the_place_has_an_heir(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Died(BaseException):
        pass

    def die(*_: object) -> None:
        raise Died

    silent_for(place, 2 * SILENT)
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", die)
        with pytest.raises(Died):
            claim(place)
    (seat,) = place.parent.glob("*.heir")
    with pytest.raises(Taken):
        claim(place)
    assert seat.exists(), "it may be about to"
    silent_for(seat, 2 * SILENT)
    own = claim(place)
    own.require()
    own.settle()
    own.release()


def _contend(place: Path, count: int, told: Any) -> None:
    """Become the owner again and again, and tell who else was inside."""
    inside = place.with_name("inside")
    won = 0
    while won < count:
        try:
            own = claim(place)
        except Taken:
            continue
        descriptor = os.open(inside, os.O_CREAT | os.O_EXCL)
        os.close(descriptor)
        inside.unlink()
        own.release()
        won += 1
    told.put(won)


def test_processes_that_want_it_at_once_have_it_one_after_the_other(tmp_path: Path) -> None:
    context = FORK
    told = context.Queue()
    others = [context.Process(target=_contend, args=(tmp_path / ".owner", 40, told)) for _ in range(3)]
    for one in others:
        one.start()
    assert [told.get(timeout=120) for _ in others] == [40] * 3
    for one in others:
        one.join()
    assert not list(tmp_path.iterdir())


def _take_over(place: Path, start: Any, told: Any, end: Any) -> None:
    start.wait()
    try:
        claim(place)
        told.put("won")
    except Taken:
        told.put("refused")
    end.wait()


def test_processes_that_take_over_at_once_are_refused_but_one(place: Path) -> None:
    context = FORK
    for _ in range(5):
        silent_for(place, 2 * SILENT)
        start, told, end = context.Barrier(3), context.Queue(), context.Event()
        others = [context.Process(target=_take_over, args=(place, start, told, end)) for _ in range(3)]
        for one in others:
            one.start()
        assert sorted(told.get(timeout=120) for _ in others) == ["refused", "refused", "won"]
        end.set()
        for one in others:
            one.join()
        owner = look(place)
        assert owner is not None
        assert standing(owner, place) is Standing.DEAD, "on its own machine that is known at once"


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    made = RunFolder(tmp_path / "2026-01-02_03-04-05_one")
    made.path.mkdir()
    made.write_record(record_of(made, hostname=ELSEWHERE))
    return made


def powerless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fcntl.flock", lambda *_: None)


def test_without_locks_a_run_is_trained_by_one_process(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    powerless(monkeypatch)
    with locked(folder), pytest.raises(RecordError, match="is being trained by another process on"), locked(folder):
        pass
    silent_for(folder.owner_file, timedelta(seconds=20))
    with pytest.raises(RecordError) as refused, locked(folder):
        pass
    assert f"another process on {ELSEWHERE}, whose last sign of life came at" in str(refused.value)
    assert "try again 5 min 00 s after that sign" in str(refused.value)
    assert may_be_trained(folder, folder.read_record())


def test_a_run_that_was_killed_elsewhere_is_seen_here_and_may_be_gone_on_with(folder: RunFolder) -> None:
    silent_for(folder.owner_file, SILENT + timedelta(minutes=1))
    owner = look(folder.owner_file)
    assert owner is not None
    (record,) = FolderSource(folder.path.parent).records()
    assert (record.status, record.heartbeat) == (Status.KILLED, owner.sign.replace(microsecond=0))
    assert folder.read_record().status is Status.RUNNING, "looking changes nothing"
    assert not may_be_trained(folder, folder.read_record())
    before = folder.owner_file.read_bytes()
    with locked(folder) as own:
        assert as_it_stands(folder, folder.read_record()).status is Status.RUNNING
        assert hold.last_sign(folder, own) == record.heartbeat
    assert folder.owner_file.read_bytes() == before, "nobody went on with it"


def test_a_copy_of_a_folder_is_as_old_as_its_words(folder: RunFolder) -> None:
    silent_for(folder.owner_file, SILENT + timedelta(minutes=1))
    os.utime(folder.owner_file)
    assert as_it_stands(folder, folder.read_record()).status is Status.KILLED


def test_a_lock_that_is_held_proves_life_whatever_the_owner_file_says(folder: RunFolder) -> None:
    """An older kag goes on with a run, which knows of no owner files."""
    from filelock import FileLock

    silent_for(folder.owner_file, 2 * SILENT)
    with FileLock(folder.lock_file):
        assert as_it_stands(folder, folder.read_record()).status is Status.RUNNING
        with pytest.raises(RecordError), locked(folder):
            pass
    assert as_it_stands(folder, folder.read_record()).status is Status.KILLED
