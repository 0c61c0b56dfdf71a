from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import pytest
from files_from_others import virtual
from malformed_files import MALFORMED
from typer.testing import CliRunner

from kag.cli.data import app
from kag.data.read import read_sites
from kag.errors import DataError, UserError

runner = CliRunner()


def test_check_prints_a_table(default_file: Path) -> None:
    result = runner.invoke(app, ["check", str(default_file)])
    assert result.exit_code == 0
    for word in ("train", "2,800", "140", "5.00%", "one per centre residue", "synth.column00", "constant"):
        assert word in result.output


def test_check_prints_json(default_file: Path) -> None:
    result = runner.invoke(app, ["check", "--json", str(default_file)])
    assert json.loads(result.stdout)["digest"] == read_sites(default_file).digest


def test_check_counts_clusters_and_names_one_in_two_splits(default_file: Path, tmp_path: Path) -> None:
    proteins, file = read_sites(default_file).proteins, tmp_path / "clusters.csv"
    file.write_text("protein,cluster\n" + "".join(f"{key},{place // 2}\n" for place, key in enumerate(proteins)))
    result = runner.invoke(app, ["check", str(default_file), "--clusters", str(file)])
    assert f"clusters        {len(proteins) // 2} of {len(proteins)} proteins" in result.output
    assert "warning cluster_in_two_splits" in result.output
    told = json.loads(runner.invoke(app, ["check", "--json", str(default_file), "--clusters", str(file)]).stdout)
    assert (told["clusters"], "cluster_in_two_splits" in [one["code"] for one in told["findings"]]) == (12, True)
    assert "clusters" not in runner.invoke(app, ["check", str(default_file)]).output


@pytest.mark.parametrize("fault", ["missing file", "label 2"])
def test_check_raises_the_fault_for_the_one_place_that_prints_it(tmp_path: Path, fault: str) -> None:
    MALFORMED[fault](tmp_path / "faulty.h5")
    result = runner.invoke(app, ["check", str(tmp_path / "faulty.h5")])
    assert isinstance(result.exception, DataError)


def test_synth_writes_what_the_options_say(tmp_path: Path) -> None:
    out = tmp_path / "new" / "s.h5"
    options = ["--proteins", "4", "--points", "12", "--embedding", "6", "--neighbours", "2", "--features", "3"]
    result = runner.invoke(app, ["synth", str(out), *options, "--prevalence", "0.25", "--missing", "0", "--seed", "9"])
    assert result.exit_code == 0, result.output
    sites = read_sites(out)
    assert (len(sites.proteins), sites.points, sites.embedding, sites.neighbours, sites.columns) == (4, 48, 6, 2, 3)
    assert sites.label_N.sum() == 12
    assert (sites.neighbour_NK >= 0).all()


def test_synth_does_not_replace_a_file_unasked(tmp_path: Path) -> None:
    out = tmp_path / "precious.h5"
    out.write_text("mine")
    refused = runner.invoke(app, ["synth", str(out)]).exception
    assert isinstance(refused, UserError)
    assert "--force" in str(refused.remedy)
    assert out.read_text() == "mine"
    assert runner.invoke(app, ["synth", str(out), "--force", "--proteins", "3", "--points", "9"]).exit_code == 0
    assert read_sites(out).points == 27


def test_help_reads_no_data_library() -> None:
    heavy = "{'numpy', 'h5py', 'torch', 'rich.table'}"
    # An older rich loads its tables whenever it prints.
    code = f"import sys, rich.console; own = {heavy} - set(sys.modules); import kag.cli.data; "
    code += "sys.exit(bool(own & set(sys.modules)))"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-c", code], env=env, check=False).returncode == 0
    for command in ("check", "synth"):
        assert "Example" in runner.invoke(app, [command, "--help"]).output


def test_check_says_what_is_odd_by_rule_name(tmp_path: Path, default_file: Path) -> None:
    odd = Path(shutil.copy(default_file, tmp_path / "[b]odd.h5"))
    with h5py.File(odd, "r+") as file:
        del file["esm"]
        file["residue_embeddings"][:2] = 0.0
        names = file["feature_names"][:]
        names[0] = b"[/x] share"
        file["feature_names"][:] = names
    result = runner.invoke(app, ["check", str(odd)], env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    assert "warning embeddings_zero: 2 of " in result.output
    assert "[/x] share" in result.output, "a name is no markup"
    told = json.loads(runner.invoke(app, ["check", "--json", str(odd)]).stdout)["findings"]
    assert [(finding["code"], finding["evidence"]["zero"]) for finding in told] == [("embeddings_zero", 2)]


def test_check_reads_a_virtual_dataset_if_asked_to(tmp_path: Path) -> None:
    virtual("labels")(tmp_path / "view.h5")
    assert isinstance(runner.invoke(app, ["check", str(tmp_path / "view.h5")]).exception, DataError)
    assert runner.invoke(app, ["check", "--allow-virtual", str(tmp_path / "view.h5")]).exit_code == 0
