"""Runs: alike twice, kept until something changes, one entrant's failure its own; what is refused."""

import contextlib
import dataclasses
import json
import operator
import shutil
import time
from pathlib import Path

import pytest

from isptoolkit import errors
from isptoolkit.bench import run as running
from isptoolkit.bench.job import Job, by_seed, settings_of
from isptoolkit.bench.methods.entrants import ENTRANTS, entrant
from isptoolkit.bench.report import table
from isptoolkit.bench.results import folder_of, read_results, remark
from isptoolkit.bench.run import run as bench
from isptoolkit.train.log import steps_of

JOB = Job("micro", "u-net", None, "libraw", 3, 0, "cpu", 0, 1)


def but(job, **changes):
    return dataclasses.replace(job, **changes)


def run_of(results, name, seed=0):
    return results["entrants"][name]["runs"][f"{seed}"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("bench")
    bench([but(JOB, entrant="classic"), JOB], out)
    return out


def test_two_runs_agree(folder, tmp_path):
    again = run_of(bench([JOB], tmp_path), "u-net")
    first = run_of(read_results(folder / "results.json"), "u-net")
    for one, other in zip(first["cases"], again["cases"], strict=True):
        assert one["raw PSNR"] == pytest.approx(other["raw PSNR"], abs=1e-6)
        assert one["raw SSIM"] == pytest.approx(other["raw SSIM"], abs=1e-6)
    assert first["key"] == again["key"]


def test_what_is_done_is_not_done_again(folder, tmp_path, monkeypatch):
    folder = shutil.copytree(folder, tmp_path / "copy")
    kept = folder_of(folder, "classic", 0) / "result.json"
    before = kept.stat().st_mtime_ns
    bench([but(JOB, entrant="classic")], folder)
    assert kept.stat().st_mtime_ns == before
    told = []
    monkeypatch.setattr(running, "_in_a_process", lambda job, *_: told.append((job.entrant, job.seed)))
    jobs = by_seed(JOB, ["u-net", "classic"], [1, 0])
    assert [(job.entrant, job.seed) for job in jobs] == [("u-net", 1), ("u-net", 0), ("classic", 0)]
    results = bench(jobs, folder)
    assert told == [("u-net", 1)]
    assert results["seeds"] == [1, 0] and list(results["entrants"]["classic"]["runs"]) == ["0"]
    assert run_of(results, "u-net", 1) == {"failed": "it left no result"} and "cases" in run_of(results, "u-net", 0)
    row = next(line for line in table.text(results).splitlines() if line.startswith("u-net"))
    assert row.endswith("1 of 2 seeds failed: it left no result") and "±" not in row


def test_what_changes_a_result_changes_its_key(folder, monkeypatch):
    key = running._key(JOB, "data", "code")
    others = [
        running._key(but(JOB, steps=4), "data", "code"),
        running._key(but(JOB, seed=1), "data", "code"),
        running._key(but(JOB, entrant="rst"), "data", "code"),
        running._key(but(JOB, entrant="least-squares"), "data", "code"),
        running._key(but(JOB, entrant="least-squares", seed=1), "data", "code"),
        running._key(but(JOB, processes=2), "data", "code"),
        running._key(but(JOB, full=True), "data", "code"),
        running._key(but(JOB, batch=2), "data", "code"),
        running._key(JOB, "other data", "code"),
        running._key(JOB, "data", "other code"),
    ]
    assert len({key, *others}) == 11
    still = [running._key(but(JOB, entrant="classic", seed=seed), "data", "code") for seed in (0, 1)]
    assert still[0] == still[1]  # nothing about classic() depends on the seed
    assert running._key(but(JOB, threads=2, memory=1 << 40), "data", "code") == key


def test_what_another_program_trained_is_not_gone_on_with(folder, tmp_path, monkeypatch):
    folder = shutil.copytree(folder, tmp_path / "copy")
    log = folder_of(folder, "u-net", 0) / "training" / "log.jsonl"
    log.write_text(log.read_text().replace('"loss"', '"old"'))
    before = run_of(read_results(folder / "results.json"), "u-net")
    monkeypatch.setattr(running, "code_hash", lambda: "another program")
    after = run_of(bench([JOB], folder), "u-net")
    assert after["key"] != before["key"] and after["means"]["raw PSNR"] == before["means"]["raw PSNR"]
    assert '"old"' not in log.read_text()


@pytest.mark.slow
def test_a_group_of_processes_trains(folder, tmp_path):
    """As one does: the same batches, shared."""
    alone = run_of(read_results(folder / "results.json"), "u-net")
    found = run_of(bench([but(JOB, processes=2)], tmp_path), "u-net")
    logs = [list(steps_of(folder_of(at, "u-net", 0) / "training" / "log.jsonl")) for at in (folder, tmp_path)]
    assert len(logs[0]) == len(logs[1]) == 3
    # Each process tells the loss of its own half.
    assert logs[1][0]["loss"] != logs[0][0]["loss"] and logs[1][0]["lr"] == logs[0][0]["lr"]
    assert found["means"]["raw PSNR"] == pytest.approx(alone["means"]["raw PSNR"], abs=0.01)


def test_a_group_that_fails_is_a_row(tmp_path):
    found = run_of(bench([but(JOB, processes=3)], tmp_path), "u-net")
    told = "TrainingFailed: a group of 3 processes failed: InvalidArgument: a batch of 4 does not divide"
    assert found["failed"].startswith(told)


@pytest.mark.slow
def test_a_group_whose_budget_is_spent_is_ended(tmp_path):
    found = run_of(bench([but(JOB, processes=2, steps=100_000)], tmp_path, budget=9), "u-net")
    assert found["failed"].startswith("stopped, since its budget of 9 seconds was spent")
    for _ in range(100):
        if not running_with(str(tmp_path)):
            return
        time.sleep(0.2)
    pytest.fail("members of the group are still there")


def running_with(words):
    """Processes that have the words in their command."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found += [path] if words.encode() in path.read_bytes() else []
    return found


def test_only_those_of_the_task_take_part(tmp_path):
    with pytest.raises(
        errors.InvalidArgument, match="u-net is not an entrant of micro-noise: choose from noisy, wiener"
    ):
        bench([but(JOB, protocol="micro-noise")], tmp_path)


def test_one_failure_leaves_the_others(folder, tmp_path):
    """One has no memory, one no time: each is a row that says so."""
    bench([but(JOB, entrant="ssdnet")], tmp_path, budget=0.3)
    results = bench([but(JOB, entrant="invisp", memory=300 << 20), but(JOB, entrant="classic")], tmp_path)
    assert "cases" in run_of(results, "classic")
    assert run_of(results, "invisp")["failed"]
    told = table.text(results)
    assert "invisp" in told and "failed: " in told
    kept = json.loads((folder_of(tmp_path, "ssdnet", 0) / "result.json").read_text())
    assert kept["failed"] == "stopped, since its budget of 0.3 seconds was spent"


def test_a_process_that_dies_is_a_row(tmp_path, monkeypatch):
    monkeypatch.setattr(running, "work", operator.add)  # of two, called with three
    found = run_of(bench([but(JOB, entrant="identity")], tmp_path), "identity")
    assert found["failed"] == "its process ended with status 1"


def test_fewer_pictures_than_the_protocol_has_are_told(folder):
    results = read_results(folder / "results.json")
    assert remark(results["entrants"]["classic"], results) == ""
    results["protocol"]["images"] = 480
    assert remark(results["entrants"]["classic"], results) == "24 of 480 images"
    assert "(24 of 480 images)" in table.markdown(results)


def test_published_figures_stand_beside(folder):
    results = read_results(folder / "results.json")
    results["protocol"]["name"] = "aim22-s7"
    assert table.published("u-net", results) == "26.30 / 0.77"
    assert table.published("classic", results) == ""


PUBLISHED = {
    "u-net": 1_861_764,
    "zero-noise": 171_112,
    "rst": 86_310_148,  # the program allocates 6,920 more that it never uses
    "ssdnet": 35_563_936,
    "ssdnet-training": 36_241_628,
    "invisp": 1_413_760,
    "upi-denoiser": 11_776_708,
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_full_size_is_that_of_the_papers(name):
    count = sum(value.numel() for value in entrant(name, full=True).make().parameters())
    assert count == PUBLISHED[name]
    assert "as published" in entrant(name, full=True).about and "as published" not in entrant(name).about
    job = but(JOB, entrant=name, full=True, steps=7, batch=8, patch=96)
    settings = settings_of(job, entrant(name, full=True))
    assert (settings.steps, settings.batch, settings.patch) == (7, 8, 96)


@pytest.mark.parametrize("name", ENTRANTS)
def test_everyone_says_what_it_is(name):
    one = entrant(name)
    assert one.about and (one.make is None or settings_of(but(JOB, entrant=name), one).steps >= 1)


def test_bad_input(folder, tmp_path):
    with pytest.raises(errors.InvalidArgument, match="no entrant 'nobody': choose from identity, classic"):
        bench([but(JOB, entrant="nobody")], tmp_path)
    with pytest.raises(errors.InvalidArgument, match="holds results of micro: choose another folder"):
        bench([but(JOB, protocol="pairs")], folder)
    with pytest.raises(errors.InvalidArgument, match="^pairs needs --data, a folder of RAW files$"):
        bench([but(JOB, protocol="pairs")], tmp_path)
    (tmp_path / "results.json").write_text('{"format": 1}')
    with pytest.raises(errors.UnreadableFile, match="format 1, not 2.: run the benchmark again in another folder"):
        read_results(tmp_path / "results.json")
    with pytest.raises(errors.UnreadableFile, match="format 1, not 2"):
        bench([JOB], tmp_path)


def test_by_command(run, tmp_path):
    status, told, _ = run("bench", "micro", "-o", tmp_path / "out", "--entrants", "classic, identity", "--workers", "1")
    assert status == 0
    assert told.splitlines()[1].startswith("classic ")
    assert "LPIPS left out: pass the folder of its weights" in told
    assert {"results.json", "table.md", "index.html", "entrants"} <= {p.name for p in (tmp_path / "out").iterdir()}
    assert run("bench", "nothing", "-o", tmp_path)[0] == 2
    status, _, complaint = run("bench", "micro", "-o", tmp_path / "x", "--entrants", "nobody")
    assert status == 2
    for seeds in ("0,x", "-1", ""):
        status, _, said = run("bench", "micro", "-o", tmp_path / "x", "--entrants", "classic", "--seeds", seeds)
        assert status == 2 and "--seeds are whole numbers" in " ".join(said.split())
    assert "no entrant 'nobody'" in complaint and "Traceback" not in complaint


@pytest.mark.slow
@pytest.mark.slow
def test_several_seeds_are_one_row(run, tmp_path):
    """Mean and deviation over runs, each of which is that of its seed; what learns nothing runs once."""
    asked = ("--entrants", "least-squares,classic", "--seeds", "0,1,0", "--workers", "1")
    status, told, _ = run("bench", "micro", "-o", tmp_path, *asked)
    assert status == 0
    results = read_results(tmp_path / "results.json")
    assert results["seeds"] == [0, 1] and list(results["entrants"]["classic"]["runs"]) == ["0"]
    first, second = (run_of(results, "least-squares", seed)["means"]["raw PSNR"] for seed in (0, 1))
    assert first != second and run_of(results, "least-squares", 1)["key"] != run_of(results, "least-squares")["key"]
    shown = f"{(first + second) / 2:.2f} ± {abs(first - second) / 2**0.5:.2f}"
    assert shown in told and shown in (tmp_path / "table.md").read_text()
    assert not [line for line in told.splitlines() if line.startswith("classic") and "±" in line]
    assert len(list((tmp_path / "entrants" / "least-squares").iterdir())) == 2
