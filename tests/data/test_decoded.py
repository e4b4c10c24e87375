"""The cache of decoded files: its content, its evictions, and the JPEG of the published targets."""

import io
import os
import time

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open

from isptoolkit import Capture
from isptoolkit.data.decoded import TARGETS, DecodedFiles, Pair

CAPTURE = Capture.of(
    "RGGB",
    black=(60, 62.5, 61, 64),
    white=1023,
    gains=(2.1, 1.0, 1.6),
    srgb_to_camera=((0.65, 0.27, 0.08), (0.08, 0.76, 0.16), (0.01, 0.23, 0.76)),
    camera="Maker Model X",
    noise=(2e-4, 3e-7),
    exposure=-0.35,
    orientation=6,
)


@pytest.fixture
def decoded(tmp_path, monkeypatch):
    """A cache with room for two and a half files, a folder of files of one number, and the names of decoded files."""
    names = []

    def read(path):
        names.append(path.name)
        value = float(path.read_text())
        return Pair(value + torch.arange(256.0).view(1, 1, 16, 16), CAPTURE, torch.full((1, 3, 16, 16), 9).byte())

    monkeypatch.setitem(TARGETS, "numbered", read)
    for number in range(3):
        (tmp_path / f"{number}.raw").write_text(f"{number}")
    probe = DecodedFiles("numbered", tmp_path / "probe", 1 << 20)
    probe.describe(tmp_path / "0.raw")
    (size,) = (path.stat().st_size for path in (tmp_path / "probe").iterdir())
    names.clear()
    return DecodedFiles("numbered", tmp_path / "cache", 5 * size // 2), tmp_path, names


def test_the_least_recently_used_file_is_evicted(decoded):
    files, folder, names = decoded
    for number in (0, 1, 0, 2, 0):
        time.sleep(0.02)  # file times have a resolution of milliseconds
        files.describe(folder / f"{number}.raw")
    assert names == ["0.raw", "1.raw", "2.raw"]
    assert len(list((folder / "cache").iterdir())) == 2
    files.describe(folder / "1.raw")
    assert names[3:] == ["1.raw"]


def test_a_changed_file_is_decoded_again(decoded):
    files, folder, names = decoded
    assert float(files.patch(folder / "0.raw", 0, 0, 2, 2).sensor[0, 0, 0, 0]) == 0
    (folder / "0.raw").write_text("7")
    os.utime(folder / "0.raw", ns=(1, 1))
    assert float(files.patch(folder / "0.raw", 0, 0, 2, 2).sensor[0, 0, 0, 0]) == 7
    assert names == ["0.raw", "0.raw"]


@pytest.mark.parametrize(("value", "kind"), [("3", "U16"), ("0.5", "F32"), ("-3", "F32"), ("65500", "F32")])
def test_samples_and_captures_are_stored_exactly(decoded, value, kind):
    """With 16 bits where they fit."""
    files, folder, _ = decoded
    (folder / "0.raw").write_text(value)
    capture, size = files.describe(folder / "0.raw")
    assert size == (16, 16)
    assert capture == CAPTURE
    part = files.patch(folder / "0.raw", 2, 4, 6, 8)
    expected = float(value) + torch.arange(256.0).view(1, 1, 16, 16)
    assert torch.equal(part.sensor, expected[..., 2:8, 4:12]) and part.target.shape == (1, 3, 6, 8)
    (cached,) = (folder / "cache").iterdir()
    with safe_open(cached, "pt") as file:
        assert file.get_slice("sensor").get_dtype() == kind


def test_the_jpeg_of_the_published_targets(data):
    """Quality 90 and 4:2:2: the quantization tables, and the decoded pixels."""
    path = data / "digicam_corpus" / "canon-powershot-s40" / "CRW_0117.CRW"
    plain, compressed = TARGETS["libraw"](path), TARGETS["libraw-jpeg"](path)
    assert torch.equal(plain.sensor, compressed.sensor)
    file = io.BytesIO()
    Image.fromarray(plain.target[0].permute(1, 2, 0).numpy()).save(file, "JPEG", quality=90, subsampling="4:2:2")
    expected = Image.open(io.BytesIO(file.getvalue()))
    assert expected.quantization[0][0] == 3  # 16 at quality 50, a fifth at 90
    assert np.array_equal(np.array(expected), compressed.target[0].permute(1, 2, 0).numpy())
