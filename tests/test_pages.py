"""The pages tell the truth: what is generated is fresh, what is named exists, what is shown is printed."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from kag.cli.main import app
from kag.finding import Severity
from kag.spec import load_spec, preflight
from kag.spec.keys import known_keys
from kag.sweep import parse_sweep
from tests.e2e.wandb_versions import OLDEST, newest
from tests.pages import EXTENDING, PAGES, README, ROOT, SWEEPS, anchors, blocks, inline, prose, renewed, said, yaml_tree

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


@each_page
def test_what_is_generated_is_of_now(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    text = page.read_text(encoding="utf-8")
    assert text == renewed(text), "python -m tests.pages renews it"


SHORTENED = [block.text for page in PAGES for block in blocks(page, "console") if "\n...\n" in block.text]


@pytest.mark.parametrize("block", SHORTENED, ids=lambda text: text.splitlines()[0][2:60])
def test_what_is_shown_is_printed_in_this_order(block: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    asked, *shown = block.splitlines()
    printed = iter(said(asked[2:]).splitlines())
    for line in shown:
        assert line == "..." or line in printed, line


@each_page
def test_every_path_that_is_named_exists(page: Path) -> None:
    named = set(inline(page, r"(kag|tests|runs/specs|docker|sweeps|\.ci)/[\w./-]+")) - {"docker/.env"}
    assert [path for path in named if not (ROOT / path).exists()] == []


@each_page
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", prose(page)):
        path, _, fragment = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.is_file(), target
        assert not fragment or fragment in anchors(file), target


@each_page
def test_every_dotted_key_is_one_of_the_spec(page: Path) -> None:
    dotted = inline(page, r"(data|model|loss|swa|track|optimizer|trainer|start_from)\.[a-z_.]+([:=] ?[\w.]+)?")
    assert [code for code in dotted if re.split("[:=]", code)[0] not in known_keys()] == []


def command_lines(page: Path) -> list[str]:
    """Every line of a page that calls kag."""
    fenced = "\n".join(block.text for block in blocks(page, "sh", "console", "text"))
    lines = fenced.replace("\\\n", " ").replace("$ kag", "kag").splitlines()
    return [line for line in [*lines, *inline(page, r"kag \S.*")] if line.startswith("kag ")]


@each_page
def test_every_command_line_is_one_that_kag_understands(page: Path) -> None:
    for line in command_lines(page):
        words = [word for word in shlex.split(line, comments=True)[1:] if word not in ("...", "…")]
        command: Any = typer.main.get_command(app)
        while words and (inner := getattr(command, "commands", {})):
            if words[0] not in inner and not hasattr(command, "unnamed"):
                break
            command = inner[words.pop(0) if words[0] in inner else command.unnamed]
        named = {"--help", *(option for each in command.params for option in (*each.opts, *each.secondary_opts))}
        if "--" in words:  # what stands behind it are the words of another program
            words = words[: words.index("--")]
        unknown = [word for word in words if word.startswith("--") and word.split("=")[0] not in named]
        keys = [word for word in unknown if word.removeprefix("--").split("=")[0] not in known_keys()]
        assert keys == [], line


SNIPPETS = [block.text for page in PAGES for block in blocks(page, "yaml")]


@pytest.mark.parametrize("snippet", SNIPPETS, ids=lambda text: text.split(":")[0])
def test_a_yaml_snippet_is_a_spec(snippet: str, tmp_path: Path) -> None:
    whole = snippet if snippet.startswith("name:") else f"name: part\ndata: {{file: demo.h5}}\n{snippet}"
    file = tmp_path / "snippet.yaml"
    file.write_text(whole)
    assert [finding for finding in preflight(load_spec(file)) if finding.severity is Severity.ERROR] == []


def test_the_sweep_that_is_shown_is_one() -> None:
    (snippet,) = (block.text for block in blocks(SWEEPS, "text") if block.text.startswith("method:"))
    sweep = parse_sweep(yaml_tree(snippet))
    assert set(sweep.leaves()) <= set(known_keys())


def test_the_pages_stay_short() -> None:
    for page in PAGES:
        assert len(page.read_text(encoding="utf-8").splitlines()) <= 350, page
    assert all(f"({page.relative_to(ROOT)})" in README.read_text(encoding="utf-8") for page in PAGES[1:])


@pytest.mark.slow(15, "the patches of the extending page pass the contracts of a real tree")
def test_the_patches_of_the_extending_page_fulfil_the_contracts(tmp_path: Path) -> None:
    """A loss, a source and a rule are added to a copy of the code, as the page says; the contracts run there."""
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    for name in ("kag", "tests", "pyproject.toml"):
        subprocess.run(["cp", "-r", str(ROOT / name), str(tmp_path)], check=True)
    patches = blocks(EXTENDING, "diff")
    assert len(patches) == 3
    for patch in patches:
        subprocess.run(["git", "apply", "-"], cwd=tmp_path, input=patch.text, text=True, check=True)
    contracts = [f"tests/contracts/test_{name}_contract.py" for name in ("loss", "source", "rule")]
    chosen = ["-q", "-p", "no:cacheprovider", "-k", "poly or TestLines or overfitted or every_rule"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *chosen, *contracts], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    touched = sorted({file for patch in patches for file in re.findall(r"^\+\+\+ b/(.+)$", patch.text, re.MULTILINE)})
    for check in (["check", "--no-cache"], ["format", "--check", "--no-cache"]):
        subprocess.run([sys.executable, "-m", "ruff", *check, *touched], cwd=tmp_path, check=True, capture_output=True)


def test_the_readme_names_the_clients_that_are_tested() -> None:
    assert f"({OLDEST} to {newest()} are tested)" in README.read_text(encoding="utf-8")
