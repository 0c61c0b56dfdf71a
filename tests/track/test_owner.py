"""What an owner file proves: of every combination of owner, time and asker, with no file and no process."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from kag.track.owner import EVERY, SILENT, Owner, Process, Standing, judge, owner_text, parse_owner

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
WRITER = Process(host="h", boot="b", namespace=1, pid=2, started=3)
few = st.integers(1, 3)
processes = st.builds(
    Process,
    host=st.sampled_from(["node", "login"]),
    boot=st.sampled_from(["boot 1", "boot 2"]),
    namespace=st.none() | few,
    pid=few,
    started=st.just(-1) | few,
)
ages = st.timedeltas(-timedelta(days=2), timedelta(days=2))
tables = st.dictionaries(few, st.just(-1) | few)


def owned(process: Process | None, age: timedelta) -> Owner:
    return Owner(process, "token", NOW - age)


@given(processes, processes, ages, tables)
def test_what_this_process_table_does_not_hold_is_judged_by_its_signs_alone(
    owner: Process, here: Process, age: timedelta, table: dict[int, int]
) -> None:
    if owner.namespace is not None and (owner.boot, owner.namespace) == (here.boot, here.namespace):
        owner = owner.model_copy(update={"boot": "boot 3"})
    expected = Standing.SILENT if age > SILENT else Standing.ALIVE
    assert judge(owned(owner, age), NOW, here, table) is expected
    assert judge(owned(owner, age), NOW, here, {}) is expected, "that no such process is here proves nothing"
    named_alike = here.model_copy(update={"host": owner.host})
    assert judge(owned(owner, age), NOW, named_alike, table) is expected, "nor does the name of a host"


@given(processes, st.integers(1, 3), ages, tables)
def test_what_it_does_hold_is_decided_by_it_at_once(
    owner: Process, namespace: int, age: timedelta, table: dict[int, int]
) -> None:
    owner = owner.model_copy(update={"namespace": namespace})
    here = owner.model_copy(update={"pid": 99, "started": 99, "host": "a name of its own"})
    found = judge(owned(owner, age), NOW, here, table)
    started = table.get(owner.pid)
    if started is None:
        assert found is Standing.DEAD, "however late its sign"
    elif -1 in (started, owner.started):
        assert found is Standing.ALIVE, "what cannot be seen to be another process may be the same"
    else:
        assert (found is Standing.ALIVE) == (started == owner.started), "however early its sign; numbers come again"


@given(ages, processes, tables)
def test_an_owner_that_says_nothing_of_itself_is_judged_by_time(
    age: timedelta, here: Process, table: dict[int, int]
) -> None:
    assert judge(owned(None, age), NOW, here, table).gone == (age > SILENT)


@given(processes, processes, tables, st.timedeltas(timedelta(0), timedelta(days=2)))
def test_who_is_gone_does_not_come_back_by_waiting(
    owner: Process, here: Process, table: dict[int, int], later: timedelta
) -> None:
    found = judge(owned(owner, SILENT), NOW, here, table)
    assert not found.gone or judge(owned(owner, SILENT), NOW + later, here, table) is found


def test_many_signs_may_be_lost_before_anything_is_taken_over() -> None:
    assert timedelta(seconds=10 * EVERY) <= SILENT


@given(processes, st.text(min_size=1), st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1)))
def test_an_owner_file_says_what_was_written(process: Process, token: str, sign: datetime) -> None:
    otherwise = Owner(None, "otherwise", NOW)
    sign = sign.replace(tzinfo=UTC)
    text = owner_text(process, token, sign)
    assert parse_owner(text, otherwise) == Owner(process, token, sign)
    assert len(text) - text.index("\n") == len(owner_text(process, token, NOW)) - text.index("\n"), "signs are as long"


@given(st.text(), st.integers(0, 400))
def test_half_a_file_or_another_one_is_no_owner(text: str, cut: int) -> None:
    otherwise = Owner(None, "otherwise", NOW - SILENT)
    assert parse_owner(text, otherwise) is otherwise
    whole = owner_text(WRITER, "token", NOW)
    found = parse_owner(whole[:cut], otherwise)
    if cut < whole.index("\n"):
        assert found is otherwise
    elif cut < len(whole):
        assert found == Owner(WRITER, "token", otherwise.sign)
