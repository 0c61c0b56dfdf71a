"""Each parameter of a sweep against its objective, and which agent ran what when."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kag.report.figure import as_json
from kag.report.search_figures import AGENTS, Attempt, Worked, slices, timeline
from kag.sweep import Trial, TrialState, parse_sweep

SWEEP = parse_sweep(
    {
        "method": "random",
        "metric": {"name": "val/auprc", "goal": "maximize"},
        "parameters": {
            "optimizer.lr": {"distribution": "log_uniform_values", "min": 1e-5, "max": 1e-2},
            "loss.kind": {"values": ["bce", "focal"]},
            "seed": {"value": 1},
        },
    },
    title="a sweep",
)


def trial(number: int, value: float | None, state: TrialState = TrialState.FINISHED, **params: object) -> Trial:
    given = {"optimizer.lr": 1e-4, "loss.kind": "focal", **params}
    return Trial(id=number, params=given, value=value, state=state)


def test_every_parameter_that_is_searched_has_a_slice_on_the_scale_of_its_distribution() -> None:
    tried = [
        trial(0, 0.3),
        trial(1, 0.5, TrialState.STOPPED, **{"loss.kind": "bce"}),
        trial(2, None),
        trial(3, math.nan),
    ]
    kind, lr = slices(SWEEP, tried, lambda one: f"demo-{one.id}")
    assert (lr.title, lr.axis_x.logarithmic, lr.axis_x.words) == ("optimizer.lr", True, None)
    assert (kind.title, kind.axis_x.words) == ("loss.kind", ("bce", "focal"))
    assert [(one.label, one.x, one.y, one.state) for one in kind.trials] == [
        ("demo-0", 1, 0.3, "finished"),
        ("demo-1", 0, 0.5, "stopped"),
    ]
    assert lr.trials[0].told == "0.0001, val/auprc 0.300"
    assert as_json(lr)["kind"] == "slice"


def test_a_sweep_without_a_result_has_no_slice() -> None:
    assert slices(SWEEP, [trial(0, None)], lambda one: "") == ()


@given(
    st.lists(st.tuples(st.floats(0, 900), st.floats(0, 300)), max_size=6),
    st.floats(0, 1000),
)
def test_what_an_agent_was_there_for_is_what_it_ran_and_what_it_idled(
    spans: list[tuple[float, float]], there: float
) -> None:
    tries = [Attempt("demo-0", start, start + length, "finished") for start, length in sorted(spans)]
    agent = Worked("node", 0.0, there, tuple(tries))
    end = max([there, *(one.end for one in tries)])
    assert agent.busy + agent.idle == pytest.approx(end)
    apart = all(one.end <= other.start for one, other in pairwise(tries))
    if apart:
        assert agent.busy == pytest.approx(sum(one.end - one.start for one in tries))


def test_of_many_agents_the_last_ones_are_shown_and_all_are_counted() -> None:
    tries = (Attempt("demo-1", 10.0, 70.0, "finished"),)
    at_work = [Worked(f"node{i}", 0.0, 100.0, tries) for i in range(AGENTS + 5)]
    found = timeline([*at_work, Worked("idle", 0.0, 9.0, ())])
    assert found is not None
    assert (found.agents[0], found.agents[-1], len(found.stints)) == ("node5", f"node{AGENTS + 4}", AGENTS)
    told = "65 agents ran trials for 1 h 05 min together and idled for 43 min 20 s"
    assert found.notes == (told, "the last 60 are shown")
    assert timeline([Worked("idle", 0.0, 9.0, ())]) is None
