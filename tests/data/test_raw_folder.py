"""Patches of real RAW files: alignment, phases, cache, and folders that are none."""

import shutil

import pytest
import torch

from isptoolkit import errors, presets
from isptoolkit.data import RawFolder


@pytest.fixture(scope="module")
def folder(data, tmp_path_factory):
    """Two files of one camera, and things that are no RAW."""
    made = tmp_path_factory.mktemp("raw")
    for name in ("CRW_0117.CRW", "CRW_0118.CRW"):
        shutil.copy(data / "digicam_corpus" / "canon-powershot-s40" / name, made)
    (made / "notes.txt").write_text("no picture")
    (made / "broken.nef").write_bytes(b"no raw")
    return made


@pytest.fixture(scope="module")
def source(folder, tmp_path_factory):
    return RawFolder(folder, cache=tmp_path_factory.mktemp("cache"))


def test_files_that_are_no_mosaic_are_passed_over(source):
    assert [path.name for path in source.files] == ["CRW_0117.CRW", "CRW_0118.CRW"]


def test_patches_are_aligned_however_they_are_turned(source):
    """Rendered by ourselves, every patch looks like its target."""
    batch = source.batch(3, 12, 96)
    assert batch.sensor.shape == (12, 1, 96, 96)
    assert batch.capture.cfa == "RGGB"
    picture = presets.libraw()(batch.sensor, batch.capture)
    for mine, target in zip(picture, batch.target, strict=True):
        a, b = (x.mean(0)[8:-8, 8:-8].flatten() for x in (mine, target))
        if float(b.std()) > 0.02:
            assert float(torch.corrcoef(torch.stack((a, b)))[0, 1]) > 0.9
        off = target.roll((1, 1), (1, 2)).mean(0)[8:-8, 8:-8].flatten()
        assert float((a - a.mean() - b + b.mean()).abs().mean()) < float((a - a.mean() - off + off.mean()).abs().mean())


def test_a_batch_is_a_function_of_its_number(source, folder):
    one, other = source.batch(5, 4, 32, seed=1), RawFolder(folder).batch(5, 4, 32, seed=1)
    assert torch.equal(one.sensor, other.sensor)
    assert torch.equal(one.target, other.target)
    assert not torch.equal(one.sensor, source.batch(6, 4, 32, seed=1).sensor)
    assert not torch.equal(one.sensor, source.batch(5, 4, 32, seed=2).sensor)


def test_processes_share_a_batch(source):
    whole = source.batch(2, 4, 32)
    for rank in (0, 1):
        part = source.batch(2, 4, 32, rank=rank, world=2)
        assert torch.equal(part.sensor, whole.sensor[rank::2])


def test_the_cache_is_used_and_bounded(folder, tmp_path, monkeypatch):
    first = RawFolder(folder, cache=tmp_path).batch(0, 2, 32)
    assert len(list(tmp_path.iterdir())) == 2

    monkeypatch.setattr("isptoolkit.data.raw_folder.read_raw", lambda path: pytest.fail(f"{path} is decoded again"))
    (folder / "broken.nef").rename(folder / "broken.txt")
    try:
        again = RawFolder(folder, cache=tmp_path).batch(0, 2, 32)
    finally:
        (folder / "broken.txt").rename(folder / "broken.nef")
    assert torch.equal(first.sensor, again.sensor)
    monkeypatch.undo()
    small = tmp_path / "small"
    RawFolder(folder, cache=small, cache_bytes=40_000_000)
    assert len(list(small.iterdir())) == 1
    (file,) = small.iterdir()
    file.write_bytes(b"half")
    with pytest.raises(errors.InvalidArgument, match="delete it"):
        RawFolder(folder, cache=small)


def test_folders_that_are_none(tmp_path, data):
    with pytest.raises(errors.InvalidArgument, match="is not a folder"):
        RawFolder(tmp_path / "none")
    with pytest.raises(errors.InvalidArgument, match="no RAW file"):
        RawFolder(tmp_path)
    for camera in ("canon-powershot-s40", "canon-powershot-g2"):
        shutil.copy(next((data / "digicam_corpus" / camera).glob("*.CRW")), tmp_path / f"{camera}.crw")
    with pytest.raises(errors.InvalidArgument, match=r"several cameras \(.*G2.*S40.*\)"):
        RawFolder(tmp_path)
    assert len(RawFolder(tmp_path, mixed=True).files) == 2


@pytest.mark.parametrize("patch", [31, 0, 5000])
def test_patches_that_do_not_fit(source, patch):
    with pytest.raises(errors.InvalidArgument, match=f"got {patch}"):
        source.batch(0, 1, patch)
