"""With `--json` the standard output is JSON and nothing else, and says what the words for people say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from small_spec import SMALL

from kag.data.read import read_sites
from kag.spec import build_spec, spec_text
from kag.track.folder import RunFolder
from kag.track.record import RunRecord, Status
from kag.view.words import find_run
from tests.delivered import delivered


def test_from_training_to_the_change_log(kag: Any, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)

    def answer(*words: str) -> Any:
        done = kag(*words, "--json")
        assert done.code == 0, done.error
        return json.loads(done.out)

    made = answer("data", "synth", "sites.h5", "--proteins", "9", "--points", "60")
    assert made == {"file": "sites.h5", "proteins": 9, "points": 540}
    assert len(read_sites(Path("sites.h5")).label_N) == 540
    Path("spec.yaml").write_text(spec_text(build_spec(SMALL, {"epochs": 1, "data.file": str(tmp_path / "sites.h5")})))

    record = RunRecord.model_validate(answer("train", "spec.yaml"))
    assert record.status is Status.FINISHED
    folder = find_run(Path("runs"), "small")
    assert record == folder.read_record()

    codes = [finding["code"] for finding in answer("doctor", "small")["findings"]]
    assert all(f" {code}: " in kag("doctor", "small").out for code in codes)

    mined = answer("mine", "small", "--out", "hard.json")
    assert mined["run"] == record.id
    assert mined["written"] == len(json.loads(Path("hard.json").read_text())["indices"])
    assert mined["weights_digest"] == delivered(record, "val").weights_digest

    assert answer("note", "small", "kept")["notes"].strip() == "kept"
    assert folder.notes().strip() == "kept"
    (row,) = answer("changelog")
    assert record.id in json.dumps(row)
    assert "kept" in json.dumps(row)


def test_watching_tells_the_runs_under_way(kag: Any, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    for name, status in (("one", Status.RUNNING), ("two", Status.FINISHED)):
        folder = RunFolder(tmp_path / "runs" / f"2026-01-02_03-04-05_{name}")
        folder.path.mkdir(parents=True)
        folder.write_record(
            RunRecord.model_validate({"id": folder.id, "name": name, "status": status, "start": "2026-01-02T03:04:05Z"})
        )
        folder.append_history({"epoch": 0, "val/auprc": 0.25})
    (seen,) = json.loads(kag("runs", "watch", "--json").out)
    assert seen["run"] == "2026-01-02_03-04-05_one"
    assert seen["newest"] == {"epoch": 0, "val/auprc": 0.25}


def test_keys_of_the_server(kag: Any, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    made = json.loads(kag("serve", "key", "new", "laptop", "--json").out)
    assert made["name"] == "laptop"
    assert json.loads(kag("serve", "key", "revoke", "laptop", "--json").out) == {"revoked": "laptop"}
    (listed,) = json.loads(kag("serve", "key", "list", "--json").out)
    assert listed["name"] == "laptop"
    assert listed["revoked"]
    assert made["key"] not in json.dumps(listed)
