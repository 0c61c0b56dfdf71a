from __future__ import annotations

import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from kag.errors import KagError, RecordError
from kag.track.processes import Mapped, sharing

pytestmark = pytest.mark.usefixtures("two_cores")

NEEDS = [__name__]


def place(number: int) -> tuple[int, int]:
    return number, os.getpid()


def refused(number: int) -> int:
    if number == 7:
        raise RecordError("seven", where="here", nearest="six", remedy="none")
    return number


def told_to_stop(number: int) -> int:
    os.kill(os.getpid(), signal.SIGINT)
    return number


def killed(number: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return number


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 250])
def test_what_several_processes_make_comes_in_order_and_from_others(count: int) -> None:
    with sharing(2, NEEDS) as mapped:
        made = list(mapped(place, range(count)))
    assert [number for number, _ in made] == list(range(count))
    assert os.getpid() not in {process for _, process in made}


@pytest.mark.parametrize("worth", [0, 1])
def test_what_is_worth_no_process_is_done_here(worth: int) -> None:
    with sharing(worth, NEEDS) as mapped:
        assert list(mapped(place, [3, 1])) == [(3, os.getpid()), (1, os.getpid())]


def test_the_processes_serve_one_work_after_another_and_end_with_it() -> None:
    with sharing(2, NEEDS) as mapped:
        first, second = ({process for _, process in mapped(place, range(40))} for _ in range(2))
    assert len(first | second) <= 2
    assert not multiprocessing.active_children()


def test_an_error_is_raised_here_with_all_that_it_says() -> None:
    with pytest.raises(RecordError) as caught, sharing(2, NEEDS) as mapped:
        list(mapped(refused, range(20)))
    error = caught.value
    assert (error.what, error.where, error.nearest, error.remedy) == ("seven", "here", "six", "none")
    assert not multiprocessing.active_children()


def test_a_killed_process_is_told_in_a_sentence() -> None:
    with pytest.raises(KagError, match="was killed"), sharing(2, NEEDS) as mapped:
        list(mapped(killed, range(20)))


def test_ctrl_c_reaches_this_process_alone() -> None:
    with sharing(2, NEEDS) as mapped:
        assert list(mapped(told_to_stop, range(20))) == list(range(20))


def test_ctrl_c_leaves_nothing_running_and_what_had_not_begun_undone(tmp_path: Path) -> None:
    def interrupt(mapped: Mapped) -> None:
        next(mapped(Path.touch, [tmp_path / str(number) for number in range(20_000)]))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), sharing(2, NEEDS) as mapped:
        interrupt(mapped)
    assert not multiprocessing.active_children()
    assert len(list(tmp_path.iterdir())) < 20_000
