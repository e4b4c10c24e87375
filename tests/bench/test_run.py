"""Runs: alike twice, kept until something changes, one entrant's failure its own; what is refused."""

import dataclasses
import json
import operator
import shutil

import pytest

from isptoolkit import errors
from isptoolkit.bench import run as running
from isptoolkit.bench import table
from isptoolkit.bench.entrants import ENTRANTS, entrant
from isptoolkit.bench.run import read_results
from isptoolkit.bench.run import run as bench
from isptoolkit.bench.worker import Job, settings_of

JOB = Job("micro", "u-net", None, "libraw", 3, 0, "cpu", 0, 1)


def but(job, **changes):
    return dataclasses.replace(job, **changes)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("bench")
    bench([but(JOB, entrant="classic"), JOB], out)
    return out


def test_two_runs_agree(folder, tmp_path):
    again = bench([JOB], tmp_path)["entrants"]["u-net"]
    first = read_results(folder / "results.json")["entrants"]["u-net"]
    for one, other in zip(first["cases"], again["cases"], strict=True):
        assert one["raw PSNR"] == pytest.approx(other["raw PSNR"], abs=1e-6)
        assert one["raw SSIM"] == pytest.approx(other["raw SSIM"], abs=1e-6)
    assert first["key"] == again["key"]


def test_what_is_done_is_not_done_again(folder, tmp_path, monkeypatch):
    folder = shutil.copytree(folder, tmp_path / "copy")
    before = (folder / "entrants" / "classic" / "result.json").stat().st_mtime_ns
    bench([but(JOB, entrant="classic")], folder)
    assert (folder / "entrants" / "classic" / "result.json").stat().st_mtime_ns == before
    told = []
    monkeypatch.setattr(running, "_in_a_process", lambda job, *_: told.append(job.entrant))
    bench([but(JOB, seed=1), but(JOB, entrant="classic")], folder)
    assert told == ["u-net"]  # nothing about classic() depends on the seed


def test_what_changes_a_result_changes_its_key(folder, monkeypatch):
    key = running._key(JOB, "data", "code")
    others = [
        running._key(but(JOB, steps=4), "data", "code"),
        running._key(but(JOB, seed=1), "data", "code"),
        running._key(but(JOB, entrant="rst"), "data", "code"),
        running._key(JOB, "other data", "code"),
        running._key(JOB, "data", "other code"),
    ]
    assert len({key, *others}) == 6
    assert running._key(but(JOB, threads=2, memory=1 << 40), "data", "code") == key


def test_one_failure_leaves_the_others(folder, tmp_path):
    """One has no memory, one no time: each is a row that says so."""
    bench([but(JOB, entrant="ssdnet")], tmp_path, budget=0.3)
    results = bench([but(JOB, entrant="invisp", memory=300 << 20), but(JOB, entrant="classic")], tmp_path)
    assert "cases" in results["entrants"]["classic"]
    assert results["entrants"]["invisp"]["failed"]
    told = table.text(results)
    assert "invisp" in told and "failed: " in told
    kept = json.loads((tmp_path / "entrants" / "ssdnet" / "result.json").read_text())
    assert kept["failed"] == "stopped, since its budget of 0.3 seconds was spent"


def test_a_process_that_dies_is_a_row(tmp_path, monkeypatch):
    monkeypatch.setattr(running, "work", operator.add)  # of two, called with three
    found = bench([but(JOB, entrant="identity")], tmp_path)["entrants"]["identity"]
    assert found["failed"] == "its process ended with status 1"


def test_fewer_pictures_than_the_protocol_has_are_told(folder):
    results = read_results(folder / "results.json")
    assert table.remark(results["entrants"]["classic"], results) == ""
    results["protocol"]["images"] = 480
    assert table.remark(results["entrants"]["classic"], results) == "24 of 480 pictures"
    assert "(24 of 480 pictures)" in table.markdown(results)


def test_published_figures_stand_beside(folder):
    results = read_results(folder / "results.json")
    results["protocol"]["reported"] = {"u-net": [26.3, 0.77]}
    assert table.published("u-net", results) == "26.30 / 0.77"
    assert table.published("classic", results) == ""


@pytest.mark.parametrize("name", ENTRANTS)
def test_everyone_says_what_it_is(name):
    one = entrant(name)
    assert one.about and (one.make is None or settings_of(but(JOB, entrant=name), one).steps >= 1)


def test_bad_input(folder, tmp_path):
    with pytest.raises(errors.InvalidArgument, match="no entrant 'nobody': choose from identity, classic"):
        bench([but(JOB, entrant="nobody")], tmp_path)
    with pytest.raises(errors.InvalidArgument, match="holds results of micro: take another folder"):
        bench([but(JOB, protocol="pairs")], folder)
    with pytest.raises(errors.InvalidArgument, match="the protocol pairs needs --data"):
        bench([but(JOB, protocol="pairs")], tmp_path)
    (tmp_path / "results.json").write_text('{"format": 0}')
    with pytest.raises(errors.UnreadableFile, match="format 0, not 1.: run the benchmark again"):
        read_results(tmp_path / "results.json")


def test_by_command(run, tmp_path):
    status, told, _ = run("bench", "micro", "-o", tmp_path / "out", "--entrants", "classic,identity", "--workers", "1")
    assert status == 0
    assert told.splitlines()[1].startswith("classic")
    assert {"results.json", "table.md", "index.html", "entrants"} <= {p.name for p in (tmp_path / "out").iterdir()}
    assert run("bench", "nothing", "-o", tmp_path)[0] == 2
    status, _, complaint = run("bench", "micro", "-o", tmp_path / "x", "--entrants", "nobody")
    assert status == 2
    assert "no entrant 'nobody'" in complaint and "Traceback" not in complaint
