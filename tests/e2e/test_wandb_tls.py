"""`kag serve --tls-cert --tls-key`: the unmodified client over HTTPS, with a certificate made for the test."""

from __future__ import annotations

import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import trustme


@pytest.fixture
def authority(tmp_path: Path) -> dict[str, Path]:
    """Files of a certificate for 127.0.0.1, its key, and the authority that signed it."""
    issuer = trustme.CA()
    files = {name: tmp_path / f"{name}.pem" for name in ("authority", "certificate", "key")}
    issued = issuer.issue_cert("127.0.0.1")
    issuer.cert_pem.write_to_path(files["authority"])
    issued.private_key_pem.write_to_path(files["key"])
    for blob in issued.cert_chain_pems:
        blob.write_to_path(files["certificate"], append=True)
    return files


def test_a_run_and_its_files_go_over_tls(make_client: Any, authority: dict[str, Path]) -> None:
    words = ["--tls-cert", str(authority["certificate"]), "--tls-key", str(authority["key"])]
    client = make_client("sqlite", "--strict", *words, authority=authority["authority"])
    found = client.python(
        """
        import json, pathlib, wandb
        pathlib.Path("weights.bin").write_bytes(bytes(range(256)))
        with wandb.init(project="p", id="first") as run:
            for step in range(3):
                run.log({"loss": step})
            run.save("weights.bin", policy="now")
        run = wandb.Api().run("kag/p/first")
        file = run.file("weights.bin")
        file.download(root="down", replace=True).close()
        print(json.dumps({
            "rows": [row["loss"] for row in run.scan_history()], "state": run.state, "url": file.url,
            "same": pathlib.Path("down/weights.bin").read_bytes() == bytes(range(256)),
        }))
        """
    )
    assert (found["rows"], found["state"], found["same"]) == ([0, 1, 2], "finished", True)
    assert found["url"].startswith(f"{client.server.url}/"), "file links keep the scheme that the client came by"
    health = f"{client.server.url}/healthz"
    with pytest.raises(urllib.error.URLError, match="certificate verify failed"):
        urllib.request.urlopen(health, timeout=60, context=ssl.create_default_context())
    with pytest.raises(OSError, match=r"closed|reset|empty"):
        urllib.request.urlopen(health.replace("https", "http"), timeout=60)
