"""Data of the protocols, in small folders of the published layouts: read correctly; incomplete downloads are named."""

import io
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

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
    """Opens the data of a protocol, with decoded files in a temporary folder."""
    decoded = tmp_path_factory.mktemp("decoded")
    return lambda protocol, folder, target="libraw": reading.pairs_of(protocol, folder, target, decoded)


def tile(folder, name, seed, size=504):
    """Write a smooth RGGB RAW, and a JPEG whose sRGB values increase with the samples."""
    folder.mkdir(parents=True, exist_ok=True)
    cells = torch.rand(1, 4, 6, 6, generator=torch.Generator().manual_seed(seed))
    cells[:, 2] = cells[:, 1]
    raw = torch.nn.functional.interpolate(0.05 + 0.9 * cells, (size // 2, size // 2), mode="bilinear")[0]
    codes = (raw * 1023).round().to(torch.int32).permute(1, 2, 0).numpy().astype(np.uint16)
    np.save(folder / f"{name}.npy", codes)
    image = torch.stack((raw[0], (raw[1] + raw[2]) / 2, raw[3]), 2).repeat_interleave(2, 0).repeat_interleave(2, 1)
    Image.fromarray((255 * image ** (1 / 2.2)).round().to(torch.uint8).numpy()).save(folder / f"{name}.jpg", quality=95)
    return codes


@pytest.fixture
def phone(tmp_path):
    for photograph in ("0011", "0012"):
        for number in range(2):
            tile(tmp_path / "train", f"{photograph}_{number}", int(photograph) + number)
    return tmp_path


def test_tiles_of_the_challenge(pairs_of, phone):
    """Held out by photograph; RAW equals the arrays divided by 1024."""
    data = pairs_of("aim22-s7", phone)
    assert [case.name for case in data.cases] == ["0012_0", "0012_1"]
    assert data.notes == ["no test/: 2 tiles of 1 photographs of train/ held out instead"]
    codes = np.load(phone / "train" / "0012_0.npy")
    packed = pack_sensor(data.cases[0].sensor, data.cases[0].capture)
    assert torch.equal(packed[0].permute(1, 2, 0) * 1024, torch.from_numpy(codes.astype(np.float32)))
    batch = data.train.batch(0, 4, 64, seed=0, rank=0, world=1)
    green = batch.sensor[:, 0, 0::2, 1::2].flatten(1) / 1024
    shown = batch.target[:, 1, 0::2, 1::2].flatten(1) ** 2.2
    assert all(float(torch.corrcoef(torch.stack(pair))[0, 1]) > 0.5 for pair in zip(green, shown, strict=True))
    tile(phone / "test", "0099_0", 5)
    with_test = pairs_of("aim22-s7", phone)
    assert [case.name for case in with_test.cases] == ["0099_0"] and with_test.fingerprint != data.fingerprint


def test_an_entrant_on_the_challenge(pairs_of, phone):
    """RAW is not clipped, as in the challenge's scoring program; PSNR by its formula."""
    protocol, case = PROTOCOLS["aim22-s7"], pairs_of("aim22-s7", phone).cases[0]
    predictor = entrant("identity").predictor(None)
    figures, raw, rendered = score(predictor, case, protocol)
    expected = np.load(phone / "train" / "0012_0.npy").astype(np.float64) / 1024
    error = np.mean((raw[0].permute(1, 2, 0).numpy() - expected) ** 2)
    assert figures["raw PSNR"] == pytest.approx(10 * np.log10(1 / error), abs=1e-4)
    assert rendered is None and "sRGB PSNR" not in figures


def test_incomplete_downloads_of_tiles(pairs_of, phone, tmp_path):
    with pytest.raises(errors.InvalidArgument, match="train is not a folder: download the challenge's data from"):
        pairs_of("aim22-s7", tmp_path / "train")
    (phone / "train" / "0011_1.npy").unlink()
    with pytest.raises(errors.InvalidArgument, match=r"lacks 0011_1.npy and 0 more files: download it again"):
        pairs_of("aim22-s7", phone)
    cut = phone / "train" / "0011_0.npy"
    tile(phone / "train", "0011_1", 1)
    cut.write_bytes(cut.read_bytes()[:5000])
    with pytest.raises(errors.UnreadableFile, match="0011_0.npy is not a complete array"):
        pairs_of("aim22-s7", phone)
    archive = io.BytesIO()
    np.savez(archive, raw=np.zeros((252, 252, 4), np.uint16))
    huge = io.BytesIO()
    np.lib.format.write_array_header_1_0(huge, {"descr": "<u2", "fortran_order": False, "shape": (2**62, 2**62, 4)})
    for content in (b"", archive.getvalue(), b"PK\3\4" + bytes(60), huge.getvalue(), huge.getvalue()[:10] + b"[" * 118):
        cut.write_bytes(content)
        with pytest.raises(errors.UnreadableFile, match="0011_0.npy is not a complete array"):
            pairs_of("aim22-s7", phone)


def test_wrong_depths_and_sizes(pairs_of, phone):
    path = phone / "train" / "0012_0.npy"
    good = np.load(path)
    np.save(path, good * 16)
    with pytest.raises(errors.UnreadableFile, match="RAW of the challenge has 10 bits, at most 1023"):
        list(pairs_of("aim22-s7", phone).cases)
    for array in (good.astype(np.float32), good[:100], np.array({}, dtype=object)):
        np.save(path, array, allow_pickle=True)
        with pytest.raises(errors.UnreadableFile, match=r"not uint16 \[252, 252, 4\]|is not a complete array"):
            pairs_of("aim22-s7", phone)
    np.save(path, good)
    Image.new("RGB", (504, 500)).save(phone / "train" / "0012_0.jpg")
    with pytest.raises(errors.UnreadableFile, match="has 504 x 500 pixels, not 504 x 504"):
        list(pairs_of("aim22-s7", phone).cases)
    with pytest.raises(errors.UnreadableFile, match=r"not uint16 \[248, 248, 4\]"):
        pairs_of("aim22-p20", phone)


def test_the_layout_of_fivek(pairs_of, data, tmp_path):
    """White-balanced, bilinearly demosaiced, gamma 2.2, recovered from the entrant's own JPEG."""
    (tmp_path / "NIKON_D700" / "DNG").mkdir(parents=True)
    for name in CRW[:2]:
        (tmp_path / "NIKON_D700" / "DNG" / name).symlink_to(data / "digicam_corpus" / "canon-powershot-s40" / name)
    with pytest.raises(errors.InvalidArgument, match=r"NIKON_D700_train.txt is missing: download the data from"):
        pairs_of("fivek-nikon", tmp_path)
    (tmp_path / "NIKON_D700_train.txt").write_text("CRW_0117\n")
    (tmp_path / "NIKON_D700_test.txt").write_text("CRW_0118\n")
    protocol, cases = PROTOCOLS["fivek-nikon"], pairs_of("fivek-nikon", tmp_path).cases
    assert len(cases) == 9 and cases[5].name == "CRW_0118 tile 12"
    assert PROTOCOLS["fivek-nikon"].images == 73 * 9
    case = cases[0]
    height, width = case.input.shape[2:]
    assert (height, width) == tuple(case.sensor.shape[2:]) and height % 2 == width % 2 == 0
    beside, below = cases[1], cases[3]
    assert float((case.input[..., -1] - beside.input[..., 0]).abs().mean()) < 0.05  # neighboring tiles continue it
    assert float((case.input[..., -1, :] - below.input[..., 0, :]).abs().mean()) < 0.05
    figures, raw, rendered = score(entrant("classic").predictor(None), case, protocol)
    expected = entrant("classic").predictor(None).back(through_file(rendered), case.capture)
    assert torch.equal(raw, expected)
    output, target = (as_compared(x, case.capture, protocol) for x in (raw, pack_sensor(case.sensor, case.capture)))
    assert output.shape == (1, 3, height, width)
    assert figures["raw PSNR"] == pytest.approx(float(psnr(output, target)))
    assert 40 < figures["raw PSNR"] < 60
    assert score(entrant("identity").predictor(None), case, protocol)[1] is None


@pytest.mark.slow
def test_a_folder_of_raw_files(pairs_of, data, tmp_path):
    for name in CRW:
        shutil.copy(data / "digicam_corpus" / "canon-powershot-s40" / name, tmp_path)
    (tmp_path / "notes.dng").write_text("text")
    pairs = pairs_of("pairs", tmp_path)
    assert pairs.notes[1].startswith("1 files skipped, such as notes.dng") and str(tmp_path) not in pairs.notes[1]
    assert [path.name for path in pairs.train.files] == ["CRW_0112.CRW", "CRW_0117.CRW"]
    assert len(pairs.cases) == 8 and pairs.cases[0].input.shape == (1, 3, 256, 256)
    assert pairs_of("pairs", tmp_path, "camera").fingerprint != pairs.fingerprint
    (tmp_path / "one").mkdir()
    shutil.copy(tmp_path / CRW[0], tmp_path / "one")
    with pytest.raises(errors.InvalidArgument, match="needs a folder with at least two RAW files"):
        pairs_of("pairs", tmp_path / "one")


def test_passes_through_jpeg():
    passes = {name: protocol.jpeg_passes for name, protocol in PROTOCOLS.items()}
    assert passes["pairs"] == passes["sidd"] == 0
    assert passes["aim22-s7"] == passes["fivek-canon"] == passes["micro"] == 1


@pytest.mark.parametrize("name", ["micro", "micro-noise", "pairs"])
def test_committed_results_record_the_protocol(name):
    """Every field that a figure depends on, as the protocol states it today; readers are not data."""
    path = Path(__file__).resolve().parents[2] / "benchmarks" / "results" / name / "results.json"
    assert json.loads(path.read_text())["protocol"] == PROTOCOLS[name].recorded()


def test_protocols_are_listed_without_their_readers():
    """The command line lists protocols; what opens their data is imported when it is needed."""
    readers = [f"isptoolkit.bench.data.{path.stem}" for path in Path(reading.__file__).parent.glob("*.py")]
    readers = sorted({*readers} - {f"isptoolkit.bench.data.{name}" for name in ("__init__", "protocol")})
    source = f"import sys, isptoolkit.bench.data.protocol; print([name for name in {readers} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", source], capture_output=True, text=True).stdout.strip() == "[]"


def test_bad_input(pairs_of, tmp_path):
    with pytest.raises(errors.InvalidArgument, match="no protocol 'dnd': choose one of micro"):
        pairs_of("dnd", tmp_path)
    with pytest.raises(errors.InvalidArgument, match="needs --data, a folder of Samsung S7"):
        pairs_of("aim22-s7", None)
    with pytest.raises(errors.InvalidArgument, match="is not a folder"):
        pairs_of("pairs", tmp_path / "none")
    with pytest.raises(errors.InvalidArgument, match="must be one of packed, mosaic, demosaiced, got 'cells'"):
        replace(PROTOCOLS["micro"], layout="cells")
