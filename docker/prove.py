"""Build both images without a Docker engine, and try in them what compose.yaml would start.

    sudo python docker/prove.py /tmp/proof

Needs root, buildah, debootstrap, ip and unshare (iproute2, util-linux), PostgreSQL and PyYAML. The base image is made
by debootstrap unless --base names one. The services run in a network namespace with nothing but a loopback device, so
what they do, they do without the internet. What stays unproven without an engine: Docker's own networks, published
ports, the ownership of fresh volumes, restarts, limits, and a GPU.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
COMPOSE = ROOT / "docker" / "compose.yaml"
USER = 1000
PATIENCE = 120.0
SWEEP = """\
method: grid
metric: {name: val/auprc, goal: maximize}
parameters: {seed: {values: [1, 2]}}
command: ["${env}", kag, train, runs/specs/demo.yaml, data.file=/data/demo.h5, epochs=2, swa=null, track.mode=auto,
          "${args_no_hyphens}"]
"""


class Buildah:
    """buildah with a store of its own. Its vfs driver and chroot isolation need no kernel feature."""

    def __init__(self, folder: Path) -> None:
        self.words = ["buildah", "--storage-driver=vfs", f"--root={folder / 'store'}", f"--runroot={folder / 'run'}"]
        self.volumes: list[str] = []

    def __call__(self, *words: str) -> str:
        """Run a command of buildah; what it printed."""
        return subprocess.run([*self.words, *words], check=True, text=True, stdout=subprocess.PIPE).stdout.strip()

    def build(self, target: str, base: str, arguments: Sequence[str]) -> float:
        """Build one target of the Dockerfile; the seconds that it took."""
        begun = time.monotonic()
        given = [f"--build-arg={word}" for word in (f"BASE={base}", *arguments)]
        mounted = [f"--volume={volume}" for volume in self.volumes]
        words = ["bud", "--isolation=chroot", "--format=docker", "--layers", *given, *mounted, f"--target={target}"]
        self(*words, f"--tag=kag-{target}", f"--file={ROOT / 'docker' / 'Dockerfile'}", str(ROOT))
        return time.monotonic() - begun

    def config(self, image: str) -> dict[str, Any]:
        """The part of an image's configuration that Docker reads."""
        found: dict[str, Any] = json.loads(self("inspect", "--type=image", image))["Docker"]["config"]
        return found

    def run(
        self, name: str, words: Sequence[str], *, environment: Mapping[str, str], volumes: Sequence[str]
    ) -> list[str]:
        """The command line that runs words in a working container, as the user of the image."""
        options = [*(f"--env={key}={value}" for key, value in environment.items()), *(f"--volume={v}" for v in volumes)]
        return [*self.words, "run", "--isolation=chroot", *options, name, "--", *words]


def make_base(buildah: Buildah, folder: Path, mirror: str) -> str:
    """An image of Debian's stable release as debootstrap makes it: what debian:bookworm-slim is, with more papers."""
    root = folder / "bookworm"
    if not root.exists():
        subprocess.run(["debootstrap", "--variant=minbase", "bookworm", str(root), mirror], check=True, stdout=2)
    container = buildah("from", "scratch")
    buildah("copy", "--quiet", container, str(root), "/")
    buildah("config", "--env=PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", container)
    buildah("commit", "--quiet", "--rm", container, "localhost/bookworm")
    return "localhost/bookworm"


def check_images(buildah: Buildah) -> None:
    """What an image promises before it runs: nobody's root, its health check, no installer inside."""
    for target in ("serve", "train"):
        config = buildah.config(f"kag-{target}")
        assert config["User"] == f"{USER}:{USER}", config["User"]
        assert config["Entrypoint"] == ["kag"], config["Entrypoint"]
        assert config["Labels"]["org.opencontainers.image.title"] == f"kag {target}"
        size = next(each["size"] for each in json.loads(buildah("images", "--json", f"kag-{target}")))
        name = buildah("from", f"kag-{target}")
        held = subprocess.run(
            buildah.run(name, ["sh", "-c", "id -u; command -v pip pip3 || true"], environment={}, volumes=[]),
            check=True, text=True, capture_output=True,
        ).stdout.split()  # fmt: skip
        assert held == [str(USER)], held
        buildah("rm", name)
        say(f"kag-{target}: {size}, user {USER}, no pip")
    test = buildah.config("kag-serve")["Healthcheck"]["Test"]
    assert "/healthz" in " ".join(test), test


class Services:
    """The services of compose.yaml as processes in working containers."""

    def __init__(self, buildah: Buildah, folder: Path) -> None:
        self.buildah = buildah
        self.folder = folder
        self.known = {"POSTGRES_PASSWORD": "proof", "KAG_DATA": str(folder / "data")}
        self.services = self._filled(yaml.safe_load(COMPOSE.read_text(encoding="utf-8")))["services"]
        self.started: list[subprocess.Popen[bytes]] = []

    def _filled(self, tree: Any) -> Any:
        """A tree with compose's variables put in: `${NAME:-default}`, `${NAME:?message}` and `$$`."""
        if isinstance(tree, dict):
            return {key: self._filled(value) for key, value in tree.items()}
        if isinstance(tree, list):
            return [self._filled(value) for value in tree]
        if not isinstance(tree, str):
            return tree

        def value(found: re.Match[str]) -> str:
            return "$" if found[0] == "$$" else self.known.get(found[1]) or (found[2] if found[2] else "")

        return re.sub(r"\$\$|\$\{(\w+)(?::-([^}]*)|:\?[^}]*)?\}", value, tree)

    def words(self, service: str, *instead: str) -> list[str]:
        """The command line of a service in a container of its image; `instead` replaces its command."""
        config, image = self.services[service], self.services[service]["image"]
        name = self.buildah("from", "--add-host=server:127.0.0.1", "--add-host=database:127.0.0.1", image)
        command = instead or config["command"]
        volumes = [self._volume(str(volume)) for volume in config["volumes"]]
        entrypoint = config.get("entrypoint", ["kag"])
        return self.buildah.run(
            name, [*entrypoint, *command], environment=config.get("environment", {}), volumes=volumes
        )

    def _volume(self, volume: str) -> str:
        source, _, rest = volume.partition(":")
        folder = Path(source) if source.startswith("/") else self.folder / source.removeprefix("../")
        folder.mkdir(parents=True, exist_ok=True)
        os.chown(folder, USER, USER)
        return f"{folder}:{rest}"

    def once(self, service: str, *instead: str) -> str:
        """Run a service to its end; what it printed."""
        done = subprocess.run(self.words(service, *instead), text=True, stdout=subprocess.PIPE, check=True)
        return done.stdout

    def start(self, service: str, *instead: str) -> subprocess.Popen[bytes]:
        """Start a service."""
        self.started.append(subprocess.Popen(self.words(service, *instead)))
        return self.started[-1]

    def health(self) -> bool:
        """Whether the health check of the server's image passes, run as the engine would run it."""
        test = self.buildah.config("kag-serve")["Healthcheck"]["Test"]
        return self._inside("kag-serve", test[1:]).returncode == 0

    def page(self) -> str:
        """What the server shows to somebody who has not logged in yet."""
        code = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:8080/login').read().decode())"
        return self._inside("kag-serve", ["python", "-c", code]).stdout

    def _inside(self, image: str, words: Sequence[str]) -> subprocess.CompletedProcess[str]:
        name = self.buildah("from", image)
        line = self.buildah.run(name, words, environment={}, volumes=[])
        done = subprocess.run(line, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.buildah("rm", name)
        return done

    def stop(self) -> None:
        """End what was started."""
        for process in self.started:
            process.terminate()
            process.wait()


def start_database(folder: Path) -> list[str]:
    """PostgreSQL as the compose file sets it up: user, database and password; the words that control it."""
    found = shutil.which("initdb") or str(max(Path("/usr/lib/postgresql").glob("*/bin/initdb")))
    programs = Path(found).resolve().parent
    home = folder / "postgresql"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    (home / "password").write_text("proof")
    shutil.chown(home, "postgres", "postgres")
    shutil.chown(home / "password", "postgres", "postgres")
    down = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    control = [*down, str(programs / "pg_ctl"), "--pgdata", str(home / "data"), "--log", str(home / "log"), "--wait"]
    safe = ["--auth=scram-sha-256", "--username=kag", f"--pwfile={home / 'password'}"]
    initdb = [*down, str(programs / "initdb"), "--pgdata", str(home / "data"), *safe]
    listen = f"-c listen_addresses=127.0.0.1 -c unix_socket_directories={home}"
    createdb = [*down, "env", "PGPASSWORD=proof", str(programs / "createdb"), "-h", str(home), "-U", "kag", "kag"]
    for words in (initdb, [*control, "-o", listen, "start"], createdb):
        subprocess.run(words, check=True, cwd="/", stdout=subprocess.DEVNULL)
    return control


def try_services(folder: Path) -> None:
    """Server, key, sweep and agents, in the order in which compose.yaml would start them."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for name in ("files", "key", "runs", "sweeps", "data"):
        shutil.rmtree(folder / name, ignore_errors=True)
    shutil.copytree(ROOT / "runs" / "specs", folder / "runs" / "specs")
    (folder / "sweeps").mkdir()
    (folder / "sweeps" / "seeds.yaml").write_text(SWEEP)
    services = Services(Buildah(folder), folder)
    control = start_database(folder)
    try:
        services.start("server")
        until(services.health, "the health check")
        assert "<form" in services.page()
        say("server: healthy on PostgreSQL, with its page")
        services.once("key")
        key = (folder / "key" / "key").read_text()
        services.once("key")
        assert (folder / "key" / "key").read_text() == key
        assert (folder / "key" / "key").stat().st_mode & 0o777 == 0o600
        say("key: made once, readable by its user alone")
        try_sweep(services, folder)
    finally:
        services.stop()
        subprocess.run([*control, "--mode=fast", "stop"], check=True, cwd="/", stdout=subprocess.DEVNULL)


def try_sweep(services: Services, folder: Path) -> None:
    """Make a sweep and let two agents run it; then ask for the change log of what they trained."""
    folder.joinpath("data").mkdir(exist_ok=True)
    os.chown(folder / "data", USER, USER)
    writable = dict(services.services["agent"], volumes=[f"{folder / 'data'}:/data", f"{folder / 'key'}:/run/kag"])
    services.services["maker"] = writable
    services.once("maker", "kag", "data", "synth", "/data/demo.h5", "--proteins", "12", "--points", "60")
    services.once("agent", "sh", "-c", "wandb sweep --project proof sweeps/seeds.yaml 2>runs/sweep.txt")
    told = (folder / "runs" / "sweep.txt").read_text()
    made = re.search(r"wandb agent (\S+)", told)
    assert made, told
    services.services["agent"]["environment"]["KAG_SWEEP"] = made[1]
    agents = [services.start("agent") for _ in range(2)]
    assert [agent.wait() for agent in agents] == [0, 0]
    records = [json.loads(file.read_text()) for file in sorted((folder / "runs").glob("*/record.json"))]
    assert [record["status"] for record in records] == ["finished", "finished"], records
    rows = services.once("agent", "kag", "changelog", "--source", "runs")
    assert all(record["id"] in rows for record in records), rows
    say(f"agents: two trials of {made[1]} finished, both in the change log")


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for something that another process does."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not pass in {PATIENCE:g} s")
        time.sleep(1)


def say(text: str) -> None:
    """One line of the proof."""
    print(text, flush=True)


def main() -> None:
    """Read the command line and do it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="holds the images and what the services write; kept")
    parser.add_argument("--base", help="image to build on")
    parser.add_argument("--mirror", default="http://deb.debian.org/debian", help="where debootstrap finds Debian")
    parser.add_argument("--build-arg", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--volume", action="append", default=[], help="SOURCE:TARGET:ro while building: pip.conf, ...")
    parser.add_argument("--try", action="store_true", dest="only_try", help="the images are there; isolated already")
    chosen = parser.parse_args()
    folder = chosen.folder.resolve()
    if chosen.only_try:
        try_services(folder)
        return
    folder.mkdir(parents=True, exist_ok=True)
    buildah = Buildah(folder)
    buildah.volumes = chosen.volume
    base = chosen.base or make_base(buildah, folder, chosen.mirror)
    for target in ("serve", "train"):
        say(f"kag-{target}: built in {buildah.build(target, base, chosen.build_arg):.0f} s")
    check_images(buildah)
    subprocess.run(["unshare", "--net", sys.executable, __file__, "--try", str(folder)], check=True)


if __name__ == "__main__":
    main()
