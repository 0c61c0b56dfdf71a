"""What changed between the runs, asked of git, and what is planned."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

import kag.spec
from kag.changelog.collect import collect
from kag.changelog.repository import Repository
from kag.changelog.schema import key_changes, spec_keys
from kag.changelog.siblings import Siblings
from kag.changelog.structure import Section, plan_list, plans, structure
from kag.changelog.write import update
from kag.errors import SpecError
from kag.spec.keys import known_keys
from kag.track import git
from kag.track.folders import FolderSource
from kag.track.record import Failure, GitFacts, RunRecord, Status
from tests.changelog.git_code import Code
from tests.changelog.run_logs import MemorySource, make_folder, options, run_record

SPEC_BEFORE = """
class GateSpec(Part):
    temperature: Positive = 1.0
    old: int = 3

class RunSpec(Part):
    name: str
    gate: GateSpec = GateSpec()
"""
SPEC_AFTER = """
class GateSpec(Part):
    temperature: Positive = 1.5
    initial: Annotated[float, Field(gt=0.0)] = 0.5

class SwaSpec(Part):
    start: int

class RunSpec(Part):
    name: str
    gate: GateSpec = GateSpec()
    swa: SwaSpec | None = None
"""


@pytest.fixture
def code(tmp_path: Path) -> Code:
    return Code(tmp_path / "code")


def run_on(commit: str, number: int, **fields: object) -> RunRecord:
    return run_record(number, git=GitFacts(commit=commit), **fields)


def section(folder: Path, *records: RunRecord, before: str = "", rows: tuple[str, ...] = ()) -> Section:
    repository = Repository(folder)
    return structure(collect(MemorySource(list(records)), repository), repository, before, rows)


def said(code: Code, *records: RunRecord) -> str:
    return section(code.folder, *records).text


def test_commits_between_the_runs_are_grouped_and_later_ones_wait_for_a_run(code: Code) -> None:
    first = code.commit("begin", kag__spec__run=SPEC_BEFORE)
    spec = code.commit("a <b> gate | that starts", kag__spec__run=SPEC_AFTER)
    model = code.commit("heads", kag__model__attention="x = 1\n", README="words\n")
    code.commit("words only", README="more words\n")
    last = code.commit("training", kag__train__fit="y = 1\n", kag__model__attention="x = 2\n")
    code.commit("after every run", kag__model__attention="x = 3\n")
    text = said(code, run_on(first, 0), run_on(model, 1), run_on(last, 2))
    day = subprocess.run(
        ["git", "show", "-s", "--format=%cs", spec], cwd=code.folder, check=True, capture_output=True, text=True
    ).stdout.strip()
    assert text.split("\n\n") == [
        "**Spec keys**",
        f"- {day} `{spec[:10]}` `gate.initial` added (0.5); `swa` added (None); `swa.start` added (required); "
        "`gate.old` removed; default of `gate.temperature` 1.0 -> 1.5",
        "**Spec (`kag/spec`)**",
        f"- {day} `{spec[:10]}` a &lt;b> gate &#124; that starts",
        "**Model (`kag/model`)**",
        f"- {day} `{model[:10]}` heads\n- {day} `{last[:10]}` training",
        "**Training (`kag/train`)**",
        f"- {day} `{last[:10]}` training",
    ]


def test_without_commits_there_is_nothing_to_tell(code: Code, tmp_path: Path) -> None:
    assert said(code, run_record(0)) == "No run stands on a commit yet."
    only = code.commit("begin", kag__model__gate="x\n")
    assert said(code, run_on(only, 0)) == "Nothing between the runs' commits."
    outside = section(tmp_path, run_on(only, 0), run_on("0" * 40, 1))
    assert outside.unknown == "the document lies in no git repository"
    assert outside.text == f"What changed in the code is not known: {outside.unknown}."


def test_commits_of_every_branch_count_in_whatever_order_the_runs_were(code: Code) -> None:
    fork = code.commit("fork", kag__model__a="1")
    left = code.commit("left", kag__model__a="2")
    code.git("switch", "--quiet", "--create", "other", fork)
    code.commit("right", kag__data__b="1")
    right = code.commit("further right", kag__model__c="1")
    for order in ((left, right), (right, left), (right, fork, left)):
        found = said(code, *(run_on(commit, number) for number, commit in enumerate(order)))
        assert [subject in found for subject in ("fork", "left", "right", "further right")] == [False, True, True, True]
    assert said(code, run_on(left, 0), run_on(fork, 1)) == said(code, run_on(fork, 0), run_on(left, 1))


def test_a_change_of_the_spec_is_told_against_the_commit_before_it(code: Code) -> None:
    first = code.commit("begin", kag__spec__run=SPEC_BEFORE)
    code.git("switch", "--quiet", "--create", "other")
    side = code.commit("side", kag__spec__run=SPEC_BEFORE.replace("1.0", "2.0"))
    code.git("switch", "--quiet", "main")
    main = code.commit("main", kag__spec__run=SPEC_BEFORE.replace("old: int = 3", "new: int = 3"))
    found = said(code, run_on(first, 0), run_on(side, 1), run_on(main, 2))
    assert f"`{side[:10]}` default of `gate.temperature` 1.0 -> 2.0\n" in found
    assert f"`{main[:10]}` `gate.new` added (3); `gate.old` removed\n" in found


def test_a_commit_that_was_rebased_away_is_named_and_the_rest_is_told(code: Code) -> None:
    first = code.commit("begin", kag__model__a="1")
    lost = code.commit("amended later", kag__model__a="2")
    before = section(code.folder, run_on(first, 0), run_on(lost, 1))
    code.git("reset", "--quiet", "--hard", first)
    last = code.commit("amended", kag__model__a="3")
    records = (run_on(first, 0), run_on(lost, 1), run_on(last, 2))
    rows = tuple(record.id for record in records)
    here = section(code.folder, *records, before=before.text, rows=rows)
    assert here.unknown is None
    assert here.text.endswith(
        f"amended\n\nRuns stand on commits that no branch has, and are not counted here: `{lost[:10]}`."
    )
    clone = code.folder.with_name("clone")
    code.git("clone", "--quiet", code.folder.as_uri(), str(clone))
    assert section(clone, *records, before=here.text, rows=rows).text == here.text
    frozen = section(clone, *records, before=before.text, rows=rows)
    assert f"no branch here has `{lost[:10]}`, of which it was made" in (frozen.unknown or "")
    assert section(clone, *records, before="", rows=rows).text == here.text
    assert section(clone, *records, before=before.text, rows=rows[2:]).text == here.text


def test_a_history_without_any_commit_of_the_runs_says_nothing(code: Code) -> None:
    code.commit("begin", kag__model__a="1")
    found = section(code.folder, run_on("0" * 40, 0), run_on("1" * 40, 1))
    assert found.unknown == "no branch here has any of the commits that runs stand on"


def test_git_is_asked_a_constant_number_of_times(code: Code, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    whole = git.subprocess.run
    monkeypatch.setattr(git.subprocess, "run", lambda words, **more: asked.append(words) or whole(words, **more))
    failure = Failure(error="TypeError", message="m", where="kag/train/job.py:12")
    counts = []
    records: list[RunRecord] = []
    for number in range(12):
        spec = SPEC_BEFORE.replace("1.0", f"{number}.5")
        commit = code.commit(f"step {number}", kag__spec__run=spec, kag__train__job=f"x = {number}\n")
        records.append(run_on(commit, number, status=Status.ABORTED, failure=failure))
        asked.clear()
        said(code, *records)
        counts.append(len(asked))
    assert counts[1:] == [counts[1]] * 11


def test_the_next_commit_to_a_file_comes_out_of_the_one_that_failed(code: Code) -> None:
    code.commit("fork", kag__train__job="x = 0\n")
    broken = code.commit("broken", kag__train__job="x = 1\n")
    code.git("switch", "--quiet", "--create", "other", "HEAD~1")
    other = code.commit("another mend", kag__train__job="x = 2\n")
    code.git("switch", "--quiet", "main")
    code.git("merge", "--quiet", "--no-edit", "--strategy=ours", "other")
    fixed = code.commit("mend", kag__train__job="x = 3\n")
    failure = Failure(error="TypeError", message="m", where="kag/train/job.py:12")
    aborted = run_on(broken, 0, status=Status.ABORTED, failure=failure)
    repository = Repository(code.folder)
    assert collect(MemorySource([aborted, run_on(other, 1)]), repository).fixes == {}
    found = collect(MemorySource([aborted, run_on(other, 1), run_on(fixed, 2)]), repository).fixes
    assert found == {(broken, "kag/train/job.py"): fixed}


@pytest.mark.parametrize("where", ["/usr/lib/x.py:3", "../out.py:3", "odd [*]?.py:3", ":(top)x.py:3", "a\nb.py:3"])
def test_a_file_that_git_cannot_have_spoils_nothing(code: Code, where: str) -> None:
    first, last = code.commit("begin", kag__model__a="1"), code.commit("wider", kag__model__a="2")
    failure = Failure(error="TypeError", message="m", where=where)
    aborted = run_on(first, 0, status=Status.ABORTED, failure=failure)
    siblings = collect(MemorySource([aborted, run_on(last, 1)]), Repository(code.folder))
    assert siblings.fixes == {}
    assert "wider" in structure(siblings, Repository(code.folder)).text


def test_an_aborted_run_names_the_next_commit_to_its_file(code: Code, tmp_path: Path) -> None:
    broken = code.commit("begin", kag__train__job="x = 1\n")
    code.commit("elsewhere", kag__train__fit="x = 1\n")
    fixed = code.commit("mend", kag__train__job="x = 2\n")
    code.commit("again", kag__train__job="x = 3\n")
    failure = Failure(error="TypeError", message="m", where="kag/train/job.py:12")
    aborted = run_on(broken, 0, status=Status.ABORTED, failure=failure)
    early = collect(MemorySource([aborted, run_on(broken, 1)]), Repository(code.folder))
    late = collect(MemorySource([aborted, run_on(fixed, 1)]), Repository(code.folder))
    assert early.fixes == {}
    assert late.fixes == {(broken, "kag/train/job.py"): fixed}
    assert collect(MemorySource([aborted, run_on(fixed, 1)]), Repository(tmp_path)).fixes == {}


def test_the_keys_of_this_spec_are_read_as_they_are() -> None:
    files = sorted(Path(kag.spec.__file__).parent.glob("*.py"))
    found = spec_keys(file.read_text(encoding="utf-8") for file in files)
    assert set(found) <= set(known_keys())
    sections = {key.rsplit(".", 1)[0] for key in known_keys() if "." in key}
    assert {key for key in known_keys() if key not in sections} - set(found) <= {
        key for key in known_keys() if key.rsplit(".", 1)[-1] in ("start", "end", "epochs", "shape")
    }
    assert found["model.gate.temperature"] == "1.5"
    assert found["name"] == "required"


def test_a_file_of_another_age_gives_what_it_can() -> None:
    assert spec_keys(["class RunSpec(Part:\n"]) == {}
    assert spec_keys(["x = 1\n"]) == {}
    assert key_changes({}, {"a": "1"}) == ["`a` added (1)"]


PLANNED = "name: next\nchange: a longer run\nepochs: 90\ndata: {file: x.h5}\nparent: before\n"


def planned_specs(folder: Path, **texts: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in texts.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return folder


def test_plans_are_planned_runs_and_specs_that_have_not_run(tmp_path: Path) -> None:
    from kag.spec import build_spec, flat

    before = run_record(
        0, "before", config=dict(flat(build_spec({"name": "before", "epochs": 80, "data": {"file": "x.h5"}})))
    )
    waiting = run_record(1, "waiting", status=Status.PLANNED, change="wait | <b>")
    specs = planned_specs(tmp_path / "specs", a=PLANNED, b=PLANNED.replace("next", "before"))
    siblings = collect(MemorySource([before, waiting]))
    assert plan_list(plans(siblings, specs), siblings).text == (
        f"1. `waiting`: wait &#124; &lt;b>\n2. `next`: a longer run; against `{before.id}` `epochs 80 -> 90`"
    )
    assert plan_list(plans(Siblings(), tmp_path / "none"), Siblings()).text == "Nothing is planned."


def test_a_broken_plan_is_told(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="epochs"):
        plans(Siblings(), planned_specs(tmp_path / "specs", a=PLANNED.replace("90", "none")))


def test_the_sections_are_in_the_document_under_their_own_markers(code: Code, tmp_path: Path) -> None:
    first, last = code.commit("begin", kag__model__a="1"), code.commit("wider", kag__model__a="2")
    for number, commit in enumerate((first, last)):
        make_folder(tmp_path / "runs", run_on(commit, number))
    chosen = replace(options(tmp_path), repository=Repository(code.folder))
    planned_specs(chosen.specs, a=PLANNED)
    file = tmp_path / "LOG.md"
    update(FolderSource(tmp_path / "runs"), file, chosen)
    text = file.read_text(encoding="utf-8")
    structural = text.split("<!-- kag:structure:begin -->")[1].split("<!-- kag:structure:end")[0]
    plan = text.split("<!-- kag:planned:begin -->")[1].split("<!-- kag:planned:end")[0]
    assert "wider" in structural
    assert "1. `next`: a longer run" in plan
    assert not update(FolderSource(tmp_path / "runs"), file, chosen).stale
