"""Two hosts on this one: network and host name of their own (namespaces on a bridge), one file system. Root."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BRIDGE = "kagbr"
HOSTS = {"hA": "10.77.0.1", "hB": "10.77.0.2"}
OUTSIDE = "10.77.0.254"
"""Where both of them find this machine."""
_NAMED = """hostname "$0"; mount --bind "$1" /etc/hosts; shift; exec "$@" """


@contextmanager
def two_hosts(folder: Path) -> Iterator[Path]:
    """They are there inside the block.

    Args:
        folder: takes the file by which they know each other's names, which the block is given.
    """
    names = folder / "hosts"
    names.write_text("127.0.0.1 localhost\n" + "".join(f"{at} {host}\n" for host, at in HOSTS.items()))
    try:
        _ip(f"link add {BRIDGE} type bridge", f"addr add {OUTSIDE}/24 dev {BRIDGE}", f"link set {BRIDGE} up")
        for host, at in HOSTS.items():
            _ip(f"netns add {host}", f"link add v{host} type veth peer name eth0 netns {host}")
            _ip(f"link set v{host} master {BRIDGE} up", f"-n {host} addr add {at}/24 dev eth0")
            _ip(f"-n {host} link set eth0 up", f"-n {host} link set lo up")
        yield names
    finally:
        for host in HOSTS:
            subprocess.run(["ip", "netns", "del", host], capture_output=True, check=False)
        subprocess.run(["ip", "link", "del", BRIDGE], capture_output=True, check=False)


def on(host: str, names: Path, *words: str) -> list[str]:
    """What runs a command on one of them.

    Args:
        names: the file that `two_hosts` gives.
    """
    inside = ["unshare", "--uts", "--mount", "bash", "-c", _NAMED]
    return ["ip", "netns", "exec", host, *inside, host, str(names), *words]


def _ip(*calls: str) -> None:
    for call in calls:
        subprocess.run(["ip", *call.split()], check=True)
