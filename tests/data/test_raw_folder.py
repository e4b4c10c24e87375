"""Patches of real RAW files: alignment, CFA, cache, and unusable folders."""

import shutil

import pytest
import torch

from isptoolkit import errors, presets
from isptoolkit.data import RawFolder, fivek
from isptoolkit.data.decoded import TARGETS
from isptoolkit.metrics import psnr


@pytest.fixture(scope="module")
def folder(data, tmp_path_factory):
    """Two RAW files of one camera, a text file, and a damaged RAW file."""
    path = tmp_path_factory.mktemp("raw")
    for name in ("CRW_0117.CRW", "CRW_0118.CRW"):
        shutil.copy(data / "digicam_corpus" / "canon-powershot-s40" / name, path)
    (path / "notes.txt").write_text("text")
    (path / "broken.nef").write_bytes(b"damaged")
    return path


@pytest.fixture(scope="module")
def source(folder, tmp_path_factory):
    return RawFolder(folder, cache=tmp_path_factory.mktemp("cache"))


def test_files_without_a_mosaic_are_skipped(source):
    assert [path.name for path in source.files] == ["CRW_0117.CRW", "CRW_0118.CRW"]
    assert [path.name for path in source.skipped] == ["broken.nef"]


def test_files_without_white_balance_are_skipped(data, tmp_path):
    for place in ("canon-powershot-s40/CRW_0117.CRW", "kodak-dc120/P003908.KDC"):
        shutil.copy(data / "digicam_corpus" / place, tmp_path)
    source = RawFolder(tmp_path, mixed=True)
    assert [path.name for path in source.files] == ["CRW_0117.CRW"]
    assert "no as-shot white balance" in next(iter(source.skipped.values()))


def test_patches_are_aligned_in_every_orientation(source):
    """Every patch, rendered by the preset, looks like its target."""
    batch = source.batch(3, 12, 96)
    assert batch.sensor.shape == (12, 1, 96, 96)
    assert batch.capture.cfa == "RGGB"
    codes = 255 * batch.target
    assert float((codes - codes.round()).abs().max()) < 1e-3 and float(codes.max()) > 1
    rendered = presets.libraw()(batch.sensor, batch.capture)
    for image, target in zip(rendered, batch.target, strict=True):
        a, b = (x.mean(0)[8:-8, 8:-8].flatten() for x in (image, target))
        if float(b.std()) > 0.02:
            assert float(torch.corrcoef(torch.stack((a, b)))[0, 1]) > 0.9
        shifted = target.roll((1, 1), (1, 2)).mean(0)[8:-8, 8:-8].flatten()
        assert float((a - a.mean() - b + b.mean()).abs().mean()) < float(
            (a - a.mean() - shifted + shifted.mean()).abs().mean()
        )


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
    first = RawFolder(folder, cache=tmp_path / "a").batch(0, 2, 32)
    assert len(list((tmp_path / "a").iterdir())) == 2
    with monkeypatch.context() as patched:
        for name in TARGETS:
            patched.setitem(TARGETS, name, lambda path: pytest.fail(f"{path} is decoded again"))
        (folder / "broken.nef").rename(folder / "broken.txt")
        try:
            cached = RawFolder(folder, cache=tmp_path / "a").batch(0, 2, 32)
        finally:
            (folder / "broken.txt").rename(folder / "broken.nef")
    assert torch.equal(first.sensor, cached.sensor)


def test_evicted_and_damaged_files_are_decoded_again(folder, tmp_path):
    whole, small = RawFolder(folder).batch(1, 6, 32), RawFolder(folder, cache=tmp_path, cache_bytes=30_000_000)
    assert len(list(tmp_path.iterdir())) == 1
    assert torch.equal(small.batch(1, 6, 32).sensor, whole.sensor)
    assert len(list(tmp_path.iterdir())) == 1
    (cached,) = tmp_path.iterdir()
    cached.write_bytes(b"half a file")
    assert torch.equal(small.batch(1, 6, 32).target, whole.target)


def test_temporary_caches_are_removed_with_their_folder(folder):
    source = RawFolder(folder)
    cache = source._decoded.folder
    assert cache.is_dir()
    del source
    assert not cache.exists()


def test_forked_workers_do_not_lock(source):
    """LibRaw itself locks in forked workers after threads have run in the parent."""
    batches = [source.batch(number, 2, 32) for number in range(6)]
    loader = torch.utils.data.DataLoader(
        Numbered(source), num_workers=2, batch_size=None, multiprocessing_context="fork", timeout=60
    )
    for sensor, batch in zip(loader, batches, strict=True):
        assert torch.equal(sensor, batch.sensor)
    assert source.batch(0, 2, 32).sensor.shape == (2, 1, 32, 32)


class Numbered(torch.utils.data.Dataset):
    def __init__(self, source):
        self.source = source

    def __len__(self):
        return 6

    def __getitem__(self, number):
        return self.source.batch(number, 2, 32).sensor


def test_targets_of_the_published_program(folder, source):
    plain, compressed = source.batch(0, 4, 64), RawFolder(folder, target="libraw-jpeg").batch(0, 4, 64)
    assert torch.equal(plain.sensor, compressed.sensor)
    quality = psnr(plain.target, compressed.target)
    assert float(quality.min()) > 25 and float(quality.max()) < 50


def test_embedded_previews_are_aligned(folder):
    """No shift fits LibRaw's rendering better than none, both blurred."""
    batch = RawFolder(folder, target="camera").batch(1, 16, 256)
    rendered = presets.libraw()(batch.sensor, batch.capture)
    image, target = (torch.nn.functional.avg_pool2d(x.mean(1, keepdim=True), 9, 1) for x in (rendered, batch.target))

    def correlation(down, across):
        moved = target.roll((down, across), (2, 3))[..., 8:-8, 8:-8].flatten(1)
        fixed = image[..., 8:-8, 8:-8].flatten(1)
        detailed = fixed.std(1) > 0.02
        pairs = zip(fixed[detailed], moved[detailed], strict=True)
        return sum(float(torch.corrcoef(torch.stack(pair))[0, 1]) for pair in pairs) / int(detailed.sum())

    scores = {(d, a): correlation(d, a) for d in (-4, 0, 4) for a in (-4, 0, 4)}
    assert max(scores, key=scores.get) == (0, 0)
    assert scores[0, 0] > 0.9


def test_the_layout_of_fivek(folder, tmp_path):
    (tmp_path / "PowerShot" / "DNG").mkdir(parents=True)
    for path in folder.glob("*.CRW"):
        (tmp_path / "PowerShot" / "DNG" / path.name).symlink_to(path)
    (tmp_path / "PowerShot_train.txt").write_text("CRW_0118\n")
    assert [path.stem for path in fivek(tmp_path, "PowerShot", "train").files] == ["CRW_0118"]
    (tmp_path / "PowerShot_test.txt").write_text("CRW_0117\na0002-dgw_005\n")
    with pytest.raises(errors.InvalidArgument, match=r"1 of 2 listed files are not in .*a0002-dgw_005"):
        fivek(tmp_path, "PowerShot", "test")
    with pytest.raises(errors.InvalidArgument, match="not a readable list of file names"):
        fivek(tmp_path, "NIKON_D700", "test")


def test_unusable_folders(tmp_path, data):
    with pytest.raises(errors.InvalidArgument, match="is not a folder"):
        RawFolder(tmp_path / "none")
    with pytest.raises(errors.InvalidArgument, match="no RAW file"):
        RawFolder(tmp_path)
    for camera in ("canon-powershot-s40", "canon-powershot-g2"):
        shutil.copy(next((data / "digicam_corpus" / camera).glob("*.CRW")), tmp_path / f"{camera}.crw")
    with pytest.raises(errors.InvalidArgument, match=r"several cameras \(.*G2.*S40.*\)"):
        RawFolder(tmp_path)
    assert len(RawFolder(tmp_path, mixed=True).files) == 2
    with pytest.raises(errors.InvalidArgument, match="target must be one of libraw"):
        RawFolder(tmp_path, target="adobe")


@pytest.mark.parametrize("patch", [31, 0, 5000])
def test_patches_that_do_not_fit(source, patch):
    with pytest.raises(errors.InvalidArgument, match=f"got {patch}"):
        source.batch(0, 1, patch)


def test_the_largest_patch(source):
    """The height of the files less the two rows that rotation needs; a larger patch is refused."""
    largest = min(min(size) for size in source._sizes.values()) // 2 * 2 - 2
    assert source.batch(0, 1, largest).sensor.shape == (1, 1, largest, largest)
    with pytest.raises(errors.InvalidArgument, match=f"got {largest + 2}"):
        source.batch(0, 1, largest + 2)
