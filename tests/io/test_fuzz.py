"""Damaged files: read or refused in one sentence, in bounded time and memory, and never with another file's samples."""

import os
from collections import Counter
from pathlib import Path

import damage
import imagecodecs
import numpy as np
import pytest
import tifffile
import torch

from isptoolkit import Capture, read_raw, write_dng
from isptoolkit.errors import UnreadableFile
from isptoolkit.stages import LensShadingMesh

COUNT = int(os.environ.get("ISPTOOLKIT_FUZZ", "210"))
"""Damaged copies of all files together."""
POISON = 54321
CAPTURE = Capture.of("RGGB", black=64, white=1023, gains=(2.0, 1.0, 1.6), noise=(1e-3, 1e-6), camera="Maker Model")


def tiled(path: Path, data: "np.ndarray") -> None:
    """Lossless JPEG in tiles, the layout of Adobe's converter and of phones."""
    write_dng(path, torch.from_numpy(data).float()[None, None], CAPTURE)
    with tifffile.TiffFile(path) as file:
        tags = [(t.code, int(t.dtype), t.count, t.value, True) for t in file.pages[0].tags if t.code > 33000]
    tiles = [data[y : y + 32, x : x + 32] for y in range(0, 64, 32) for x in range(0, 96, 32)]
    coded = [imagecodecs.ljpeg_encode(np.ascontiguousarray(tile), bitspersample=16) for tile in tiles]
    with tifffile.TiffWriter(path, byteorder="<") as file:
        file.write(
            iter(coded),
            shape=data.shape,
            dtype=data.dtype,
            tile=(32, 32),
            compression="jpeg",
            photometric=32803,
            metadata=None,
            extratags=tags,
        )


@pytest.fixture(scope="module")
def originals(tmp_path_factory) -> list[Path]:
    folder = tmp_path_factory.mktemp("originals")
    codes = torch.randint(64, 1023, (1, 1, 64, 96), generator=torch.Generator().manual_seed(0)).float()
    mesh = LensShadingMesh(1 + torch.rand(4, 3, 4, generator=torch.Generator().manual_seed(1)))
    write_dng(folder / "plain.dng", codes, CAPTURE)
    write_dng(folder / "preview.dng", codes, CAPTURE, preview=torch.rand(1, 3, 16, 24), shading=mesh)
    write_dng(folder / "lossless.dng", codes, CAPTURE, compress=True)
    write_dng(folder / "linear.dng", codes.expand(1, 3, 64, 96), CAPTURE)
    tiled(folder / "tiled.dng", codes[0, 0].numpy().astype(np.uint16))
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def poison(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("poison") / "poison.dng"
    write_dng(path, torch.full((1, 1, 512, 512), float(POISON)), CAPTURE.replace(white=0 * CAPTURE.white + 65535))
    return path


def judged(copies: dict[Path, str], poison: Path) -> Counter:
    outcomes = damage.readings(copies, poison)
    bad = {
        f"{path.name} {copies[path]}": outcome
        for path, outcome in outcomes.items()
        if not (outcome == "read" or outcome.startswith("refused "))
    }
    assert not bad, bad
    assert len(outcomes) == len(copies)
    return Counter(outcome.split()[0] for outcome in outcomes.values())


def damaged_copies(originals: list[Path], folder: Path, count: int) -> dict[Path, str]:
    copies = {}
    for seed in range(count):
        original = originals[seed // len(damage.DAMAGES) % len(originals)]
        name, content = damage.damaged(original.read_bytes(), seed)
        path = folder / f"{seed}-{original.stem}{original.suffix}"
        path.write_bytes(content)
        copies[path] = name
    return copies


def test_damaged_dng_files_are_read_or_refused(originals, poison, tmp_path):
    counts = judged(damaged_copies(originals, tmp_path, COUNT), poison)
    assert min(counts["read"], counts["refused"]) > COUNT / 20, counts  # neither is the only outcome


def test_damaged_camera_files_are_read_or_refused(data, poison, tmp_path):
    names = ["rawpy/RAW_KODAK_DC50_é.KDC", "digicam_corpus/canon-powershot-s40", "digicam_corpus/kodak-dc120"]
    cameras = []
    for name in names:
        path = data / name
        cameras.append(sorted(path.iterdir())[0] if path.is_dir() else path)
    judged(damaged_copies(cameras, tmp_path, COUNT // 10), poison)


def test_every_cut_of_a_file_is_refused_or_leaves_its_samples_whole(originals, poison, tmp_path):
    for original in originals:
        content, whole = original.read_bytes(), read_raw(original)[0]
        for step in range(1, 24):
            path = tmp_path / "cut.dng"
            path.write_bytes(content[: len(content) * step // 24])
            read_raw(poison)
            try:
                samples = read_raw(path)[0]
            except UnreadableFile:
                continue
            assert torch.equal(samples, whole), f"{original.name} cut at {step}/24"


def test_render_leaves_no_output_for_a_file_that_it_refuses(originals, run, tmp_path):
    output, statuses = tmp_path / "out", Counter()
    for path in damaged_copies(originals, tmp_path, 3 * len(damage.DAMAGES)):
        output.mkdir()
        status, printed, message = run("render", path, "-o", output / "a.png")
        statuses[status] += 1
        assert printed == ""
        if status == 0:
            (output / "a.png").unlink()
        else:
            assert (status, message.count("\n")) == (2, 1), (path.name, message)
            assert message.startswith("isptoolkit: ")
        output.rmdir()  # fails if anything else was written
    assert set(statuses) == {0, 2}
