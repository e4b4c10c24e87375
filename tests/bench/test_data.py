"""Published layouts, written small by the tests: read as they are meant, and half-downloaded ones named as such."""

import io
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from isptoolkit import errors
from isptoolkit.bench import PROTOCOLS
from isptoolkit.bench.data import pairs as reading
from isptoolkit.bench.methods.entrants import entrant
from isptoolkit.bench.scoring import as_compared, score, through_file
from isptoolkit.metrics import psnr
from isptoolkit.stages import pack_sensor

CRW = ("CRW_0117.CRW", "CRW_0118.CRW", "CRW_0112.CRW")


@pytest.fixture
def pairs_of(tmp_path_factory):
    """What a protocol trains and tests on, files being decoded into a folder of the test."""
    decoded = tmp_path_factory.mktemp("decoded")
    return lambda protocol, folder, target="libraw": reading.pairs_of(protocol, folder, target, decoded)


def tile(folder, name, seed, size=504):
    """A smooth RAW of RGGB, and a JPEG file of it: sRGB that grows with the samples."""
    folder.mkdir(parents=True, exist_ok=True)
    cells = torch.rand(1, 4, 6, 6, generator=torch.Generator().manual_seed(seed))
    cells[:, 2] = cells[:, 1]
    raw = torch.nn.functional.interpolate(0.05 + 0.9 * cells, (size // 2, size // 2), mode="bilinear")[0]
    codes = (raw * 1023).round().to(torch.int32).permute(1, 2, 0).numpy().astype(np.uint16)
    np.save(folder / f"{name}.npy", codes)
    picture = torch.stack((raw[0], (raw[1] + raw[2]) / 2, raw[3]), 2).repeat_interleave(2, 0).repeat_interleave(2, 1)
    Image.fromarray((255 * picture ** (1 / 2.2)).round().to(torch.uint8).numpy()).save(
        folder / f"{name}.jpg", quality=95
    )
    return codes


@pytest.fixture
def phone(tmp_path):
    for photograph in ("0011", "0012"):
        for number in range(2):
            tile(tmp_path / "train", f"{photograph}_{number}", int(photograph) + number)
    return tmp_path


def test_tiles_of_the_challenge(pairs_of, phone):
    """Held out by photograph; RAW as the arrays have it, divided by 1024."""
    data = pairs_of("aim22-s7", phone)
    assert [case.name for case in data.cases] == ["0012_0", "0012_1"]
    assert data.notes == ["no test/: 2 tiles of 1 photographs of train/ held out instead"]
    codes = np.load(phone / "train" / "0012_0.npy")
    found = pack_sensor(data.cases[0].sensor, data.cases[0].capture)
    assert torch.equal(found[0].permute(1, 2, 0) * 1024, torch.from_numpy(codes.astype(np.float32)))
    batch = data.train.batch(0, 4, 64, seed=0, rank=0, world=1)
    green = batch.sensor[:, 0, 0::2, 1::2].flatten(1) / 1024
    shown = batch.target[:, 1, 0::2, 1::2].flatten(1) ** 2.2
    assert all(float(torch.corrcoef(torch.stack(pair))[0, 1]) > 0.5 for pair in zip(green, shown, strict=True))
    tile(phone / "test", "0099_0", 5)
    again = pairs_of("aim22-s7", phone)
    assert [case.name for case in again.cases] == ["0099_0"] and again.fingerprint != data.fingerprint


def test_an_entrant_on_the_challenge(pairs_of, phone):
    """What is never clipped, as its scoring has it, and by the formula."""
    protocol, case = PROTOCOLS["aim22-s7"], pairs_of("aim22-s7", phone).cases[0]
    predictor = entrant("identity").predictor(None)
    found, raw, rendered = score(predictor, case, protocol)
    wanted = np.load(phone / "train" / "0012_0.npy").astype(np.float64) / 1024
    error = np.mean((raw[0].permute(1, 2, 0).numpy() - wanted) ** 2)
    assert found["raw PSNR"] == pytest.approx(10 * np.log10(1 / error), abs=1e-4)
    assert rendered is None and "sRGB PSNR" not in found


def test_half_downloaded_tiles(pairs_of, phone, tmp_path):
    with pytest.raises(errors.InvalidArgument, match="train is not there: get the challenge's data from"):
        pairs_of("aim22-s7", tmp_path / "train")
    (phone / "train" / "0011_1.npy").unlink()
    with pytest.raises(errors.InvalidArgument, match=r"lacks 0011_1.npy and 0 more files: download it again"):
        pairs_of("aim22-s7", phone)
    cut = phone / "train" / "0011_0.npy"
    tile(phone / "train", "0011_1", 1)
    cut.write_bytes(cut.read_bytes()[:5000])
    with pytest.raises(errors.UnreadableFile, match="0011_0.npy is not a whole array"):
        pairs_of("aim22-s7", phone)
    archive = io.BytesIO()
    np.savez(archive, raw=np.zeros((252, 252, 4), np.uint16))
    huge = io.BytesIO()
    np.lib.format.write_array_header_1_0(huge, {"descr": "<u2", "fortran_order": False, "shape": (2**62, 2**62, 4)})
    for content in (b"", archive.getvalue(), b"PK\3\4" + bytes(60), huge.getvalue(), huge.getvalue()[:10] + b"[" * 118):
        cut.write_bytes(content)
        with pytest.raises(errors.UnreadableFile, match="0011_0.npy is not a whole array"):
            pairs_of("aim22-s7", phone)


def test_wrong_depths_and_sizes(pairs_of, phone):
    path = phone / "train" / "0012_0.npy"
    good = np.load(path)
    np.save(path, good * 16)
    with pytest.raises(errors.UnreadableFile, match="RAW of the challenge has 10 bits, at most 1023"):
        list(pairs_of("aim22-s7", phone).cases)
    for wrong in (good.astype(np.float32), good[:100], np.array({}, dtype=object)):
        np.save(path, wrong, allow_pickle=True)
        with pytest.raises(errors.UnreadableFile, match=r"not uint16 \[252, 252, 4\]|is not a whole array"):
            pairs_of("aim22-s7", phone)
    np.save(path, good)
    Image.new("RGB", (504, 500)).save(phone / "train" / "0012_0.jpg")
    with pytest.raises(errors.UnreadableFile, match="has 504 x 500 pixels, not 504 x 504"):
        list(pairs_of("aim22-s7", phone).cases)
    with pytest.raises(errors.UnreadableFile, match=r"not uint16 \[248, 248, 4\]"):
        pairs_of("aim22-p20", phone)


def test_the_layout_of_fivek(pairs_of, data, tmp_path):
    """White-balanced, bilinearly demosaiced, gamma 2.2, of the entrant's own JPEG."""
    (tmp_path / "NIKON_D700" / "DNG").mkdir(parents=True)
    for name in CRW[:2]:
        (tmp_path / "NIKON_D700" / "DNG" / name).symlink_to(data / "digicam_corpus" / "canon-powershot-s40" / name)
    with pytest.raises(errors.InvalidArgument, match=r"NIKON_D700_train.txt is not there: get the data from"):
        pairs_of("fivek-nikon", tmp_path)
    (tmp_path / "NIKON_D700_train.txt").write_text("CRW_0117\n")
    (tmp_path / "NIKON_D700_test.txt").write_text("CRW_0118\n")
    protocol, cases = PROTOCOLS["fivek-nikon"], pairs_of("fivek-nikon", tmp_path).cases
    assert len(cases) == 9 and cases[5].name == "CRW_0118 tile 12"
    assert PROTOCOLS["fivek-nikon"].images == 73 * 9
    case = cases[0]
    height, width = case.given.shape[2:]
    assert (height, width) == tuple(case.sensor.shape[2:]) and height % 2 == width % 2 == 0
    beside, below = cases[1], cases[3]
    assert float((case.given[..., -1] - beside.given[..., 0]).abs().mean()) < 0.05  # they go on where it ends
    assert float((case.given[..., -1, :] - below.given[..., 0, :]).abs().mean()) < 0.05
    found, raw, rendered = score(entrant("classic").predictor(None), case, protocol)
    again = entrant("classic").predictor(None).back(through_file(rendered), case.capture)
    assert torch.equal(raw, again)
    made, wanted = (as_compared(x, case.capture, protocol) for x in (raw, pack_sensor(case.sensor, case.capture)))
    assert made.shape == (1, 3, height, width)
    assert found["raw PSNR"] == pytest.approx(float(psnr(made, wanted)))
    assert 40 < found["raw PSNR"] < 60
    assert score(entrant("identity").predictor(None), case, protocol)[1] is None


@pytest.mark.slow
def test_a_folder_of_raw_files(pairs_of, data, tmp_path):
    for name in CRW:
        shutil.copy(data / "digicam_corpus" / "canon-powershot-s40" / name, tmp_path)
    (tmp_path / "notes.dng").write_text("no RAW")
    pairs = pairs_of("pairs", tmp_path)
    assert pairs.notes[1].startswith("1 files passed over, such as notes.dng") and str(tmp_path) not in pairs.notes[1]
    assert [path.name for path in pairs.train.files] == ["CRW_0112.CRW", "CRW_0117.CRW"]
    assert len(pairs.cases) == 8 and pairs.cases[0].given.shape == (1, 3, 256, 256)
    assert pairs_of("pairs", tmp_path, "camera").fingerprint != pairs.fingerprint
    (tmp_path / "one").mkdir()
    shutil.copy(tmp_path / CRW[0], tmp_path / "one")
    with pytest.raises(errors.InvalidArgument, match="no folder with two RAW files"):
        pairs_of("pairs", tmp_path / "one")


def test_passes_through_jpeg():
    found = {name: protocol.jpeg_passes for name, protocol in PROTOCOLS.items()}
    assert found["pairs"] == found["sidd"] == 0 and found["aim22-s7"] == found["fivek-canon"] == found["micro"] == 1


def test_bad_input(pairs_of, tmp_path):
    with pytest.raises(errors.InvalidArgument, match="no protocol 'dnd': choose one of micro"):
        pairs_of("dnd", tmp_path)
    with pytest.raises(errors.InvalidArgument, match="needs --data: Samsung S7"):
        pairs_of("aim22-s7", None)
    with pytest.raises(errors.InvalidArgument, match="is not a folder"):
        pairs_of("pairs", tmp_path / "none")
    with pytest.raises(errors.InvalidArgument, match="layout is planes, mosaic, demosaiced, got 'cells'"):
        type(PROTOCOLS["micro"])("x", "y", layout="cells")
