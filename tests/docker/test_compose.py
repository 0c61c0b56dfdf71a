"""The compose file: valid, closed to the outside, and its commands are ones that kag takes."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
import typer
import yaml

from kag.cli.main import app
from kag.server.serve import check_address

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docker"
FILES = [FOLDER / "compose.yaml", FOLDER / "compose.cuda.yaml"]
TEXT = FILES[0].read_text(encoding="utf-8")
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load(TEXT)["services"]


def test_both_files_follow_the_compose_specification(lint: Callable[..., None]) -> None:
    lint("check-jsonschema", "--builtin-schema", "vendor.compose-spec", *map(str, FILES))


def test_every_variable_stands_in_the_example_and_no_other() -> None:
    used = {name for file in FILES for name in re.findall(r"(?<!\$)\$\{(\w+)", file.read_text(encoding="utf-8"))}
    example = (FOLDER / ".env.example").read_text(encoding="utf-8")
    assert used == set(re.findall(r"^(\w+)=", example, re.MULTILINE))
    assert re.search(r"^POSTGRES_PASSWORD=$", example, re.MULTILINE), "no password that everybody knows"
    assert not (FOLDER / ".env").exists() or "docker/.env" in (ROOT / ".gitignore").read_text(encoding="utf-8")


def test_what_services_wait_for_and_mount_is_there() -> None:
    whole = yaml.safe_load(TEXT)
    for name, service in SERVICES.items():
        for other, wish in service.get("depends_on", {}).items():
            assert wish["condition"] in ("service_healthy", "service_completed_successfully"), name
            if wish["condition"] == "service_healthy" and other != "server":
                assert "healthcheck" in SERVICES[other]
        volumes = [str(volume).split(":")[0] for volume in service.get("volumes", [])]
        assert {volume for volume in volumes if volume.isidentifier()} <= whole["volumes"].keys()
        assert set(service["networks"]) <= whole["networks"].keys()
        build = service.get("build", {})
        assert not build or (FOLDER / build["context"] / build["dockerfile"]).is_file()


def test_clear_text_stays_on_the_machine() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)
    assert yaml.safe_load(TEXT)["networks"]["inside"]["internal"] is True
    assert SERVICES["database"]["networks"] == ["inside"]


def test_the_server_starts_with_this_command() -> None:
    """Parsed by kag itself; the address it names is one that it will serve on."""
    name, *words = SERVICES["server"]["command"]
    commands: dict[str, click.Command] = getattr(typer.main.get_command(app), "commands", {})
    chosen = commands[name].make_context(name, words).params
    check_address(chosen["host"], certificate=chosen["tls_cert"], key=chosen["tls_key"], insecure=chosen["insecure"])
    assert str(chosen["port"]) == SERVICES["server"]["ports"][0].rsplit(":", 1)[-1]
    client = SERVICES["agent"]["environment"]["WANDB_BASE_URL"]
    assert f"http://{chosen['allow_host'][0]}:{chosen['port']}" in client
    assert str(chosen["files"]).startswith(SERVICES["server"]["volumes"][0].split(":")[1])


@pytest.fixture
def shell(tmp_path: Path) -> Callable[..., str]:
    """Run what compose would run, with a folder of the test in place of the volume of the key."""

    def run(words: list[str], *more: str, **environment: str) -> str:
        made = [word.replace("$$", "$").replace("/run/kag", str(tmp_path)) for word in (*words, *more)]
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        database = f"sqlite:///{tmp_path / 'tracking.db'}"
        env = {"PATH": path, "KAG_DB": database, **environment}
        done = subprocess.run(made, env=env, capture_output=True, text=True, check=True, cwd=ROOT)
        return done.stdout.strip()

    return run


def test_the_first_key_is_made_once_and_handed_over(shell: Callable[..., str], tmp_path: Path) -> None:
    maker, agent = SERVICES["key"], SERVICES["agent"]
    shell([*maker["entrypoint"], *maker["command"]])
    key = (tmp_path / "key").read_text().strip()
    assert re.fullmatch(r"[0-9a-f]{40}", key)
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    shell([*maker["entrypoint"], *maker["command"]])
    assert (tmp_path / "key").read_text().strip() == key
    asked = shlex.split("sh -c 'echo $WANDB_API_KEY'")
    assert shell([*agent["entrypoint"], *asked]) == key
    assert shell([*agent["entrypoint"], *asked], WANDB_API_KEY="from elsewhere") == "from elsewhere"


def test_an_agent_without_a_sweep_says_what_is_missing(shell: Callable[..., str]) -> None:
    with pytest.raises(subprocess.CalledProcessError) as failed:
        shell([*SERVICES["agent"]["entrypoint"], *SERVICES["agent"]["command"]], WANDB_API_KEY="k")
    assert "the path that wandb sweep printed" in failed.value.stderr
