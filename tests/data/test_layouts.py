"""Published layouts, written small: aligned in every orientation; incomplete downloads are named."""

import csv
import shutil

import h5py
import numpy as np
import pytest
import torch
from PIL import Image

from isptoolkit import errors
from isptoolkit.data import LAYOUTS, source_of
from isptoolkit.data.aim22 import SIZES, split
from isptoolkit.data.sidd import PHASES
from isptoolkit.stages import Mosaic
from isptoolkit.stages.cfa import mosaic

SCENES = ("0001_001_S6_00100_00060_3200_L", "0002_001_GP_00100_00060_3200_N", "0003_001_IP_00100_00060_3200_N")

PHASED = ("RGGB", "GRBG", "GBRG", "BGGR")
"""CFAs of whole frames whose patches begin with RGGB: at even positions, odd columns, odd rows, and both."""


def image_of(seed, height, width):
    """`[1,3,H,W]` sRGB codes, smooth over a few pixels, different at every position."""
    coarse = torch.rand(1, 3, height // 8, width // 8, generator=torch.Generator().manual_seed(seed))
    return 20 + 200 * torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)


def write_tile(folder, name, seed, size):
    """RAW samples are four times the codes of the image."""
    folder.mkdir(parents=True, exist_ok=True)
    codes = image_of(seed, size, size).round()
    raw = (4 * mosaic(codes, "RGGB")[0, 0]).numpy().astype(np.uint16)
    packed = np.stack([raw[0::2, 0::2], raw[0::2, 1::2], raw[1::2, 0::2], raw[1::2, 1::2]], 2)
    np.save(folder / f"{name}.npy", packed)
    Image.fromarray(codes[0].permute(1, 2, 0).to(torch.uint8).numpy()).save(
        folder / f"{name}.jpg", quality=100, subsampling=0
    )


@pytest.fixture(scope="module", params=["aim22-s7", "aim22-p20"])
def phone(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    for seed, name in enumerate(("0011_0", "0011_1", "0012_0")):
        write_tile(folder / "train", name, seed, SIZES[request.param])
    return request.param, folder


@pytest.mark.parametrize("patch", [32, "whole"])
def test_tiles_are_aligned_in_every_orientation(phone, patch):
    layout, folder = phone
    patch = SIZES[layout] if patch == "whole" else patch
    source = source_of(layout, folder)
    assert [path.name for path in source.files] == ["0011_0.jpg", "0011_1.jpg"] and source.skipped == {}
    batch = source.batch(1, 4, patch, seed=3, rank=0, world=1)
    assert batch.sensor.shape == (4, 1, patch, patch) and batch.capture.cfa == "RGGB"
    assert batch.capture.white.tolist() == [1024.0] * 4 and float(batch.capture.black.abs().max()) == 0
    error, shifted = (
        (batch.sensor / 4 - 255 * Mosaic()(target, batch.capture)).abs()
        for target in (batch.target, batch.target.roll(1, 3))
    )
    assert float(error.max()) < 8 and float(error.mean()) < 0.6  # the JPEG
    assert float(shifted.mean()) > 5
    assert source.batch(0, 1, 2, seed=3, rank=0, world=1).sensor.shape == (1, 1, 2, 2)  # the smallest patch
    shared = source.batch(1, 4, patch, seed=3, rank=1, world=2)
    assert torch.equal(shared.sensor, batch.sensor[1::2]) and torch.equal(shared.target, batch.target[1::2])
    assert not torch.equal(source.batch(2, 4, patch, seed=3, rank=0, world=1).sensor, batch.sensor)


def test_patches_of_tiles_have_every_orientation_and_position(phone):
    """The image brightens downward, and faster to the right: the signs of the slopes identify the orientation."""
    layout, folder = phone
    size = SIZES[layout]
    rows, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    ramp = (20 + 80 * rows / size + 130 * columns / size).round()
    slopes = folder / "slopes"
    for name in ("0011_0", "0012_0"):
        write_tile(slopes / "train", name, 0, size)
        cells = (4 * ramp).numpy().astype(np.uint16).reshape(size // 2, 2, size // 2, 2).transpose(0, 2, 1, 3)
        np.save(slopes / "train" / f"{name}.npy", cells.reshape(size // 2, size // 2, 4))
    batch = source_of(layout, slopes).batch(0, 64, 64, seed=0, rank=0, world=1)
    down, across = (
        batch.sensor[..., -1, 0] - batch.sensor[..., 0, 0],
        batch.sensor[..., 0, -1] - batch.sensor[..., 0, 0],
    )
    orientations = {(bool(d > 0), bool(a > 0), bool(d.abs() > a.abs())) for d, a in zip(down, across, strict=True)}
    assert len(orientations) == 8
    assert float(batch.sensor.amin((1, 2, 3)).std()) > 30
    whole = source_of(layout, slopes).batch(0, 8, size, seed=0, rank=0, world=1)
    assert torch.equal(whole.sensor, whole.sensor[:1].expand(8, -1, -1, -1))


def test_tiles_are_held_out_by_photograph(phone):
    layout, folder = phone
    tiles = split(folder, SIZES[layout])
    assert [tile.raw.name for tile in tiles.test] == ["0012_0.npy"]
    assert tiles.note == "no test/: 1 tiles of 1 photographs of train/ held out instead"


def test_one_photograph_in_ten_is_held_out(tmp_path):
    for number in range(21):
        write_tile(tmp_path / "train", f"{number:04d}_0", number, 504)
    tiles = split(tmp_path, 504)
    assert [tile.photograph for tile in tiles.test] == ["0009", "0019"] and len(tiles.train) == 19
    (tmp_path / "test").mkdir()
    write_tile(tmp_path / "test", "0099_0", 5, 504)
    tiles = split(tmp_path, 504)
    assert [tile.photograph for tile in tiles.test] == ["0099"] and len(tiles.train) == 21
    assert tiles.note == "21 tiles to train on, 1 of test/"


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    """Frames with three CFAs; noisy ones are a tenth brighter, and their stated noise differs by scene."""
    folder = tmp_path_factory.mktemp("sidd")
    with (folder / "noise_level_functions.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["scene_instance_id", *[f"beta{n}_{c}" for c in "rgb" for n in (1, 2)]])
        for number, scene in enumerate(SCENES):
            # In some rows of the published table, the read noise of green is negative.
            table.writerow([scene, 9, 9, 1e-3 * (number + 1), 1e-6 * (number - 1), 9, 9])
    for number, scene in enumerate(SCENES):
        path = folder / "Data" / scene
        path.mkdir(parents=True)
        frame = mosaic(image_of(number, 60, 90) / 255, PHASES[scene.split("_")[2]])[0, 0].numpy()
        for kind, values in (("GT", frame), ("NOISY", frame + 0.1)):
            with h5py.File(path / f"0001_{kind}_RAW_010.MAT", "w") as file:
                file["x"] = values.T  # MATLAB stores columns first
    return folder


@pytest.mark.parametrize("patch", [16, 60])
def test_frames_are_aligned_and_begin_with_rggb(frames, patch):
    """Every patch is the mosaic of an oriented crop of the image; 60 is the whole height, which is not rotated."""
    source = source_of("sidd", frames)
    assert [path.parent.name for path in source.files] == list(SCENES) and source.skipped == {}
    batch = source.batch(0, 12, patch, seed=1, rank=0, world=1)
    assert batch.capture.cfa == "RGGB" and batch.capture.white.tolist() == [1.0] * 12
    assert float((batch.sensor - batch.target - 0.1).abs().max()) < 1e-6
    numbers = {"S6": 0, "GP": 1, "IP": 2}
    orientations, starts = set(), []
    for n in range(12):
        number = numbers[batch.capture.camera[n]]
        assert batch.capture.noise[n].tolist() == pytest.approx([1e-3 * (number + 1), 1e-6 * max(number - 1, 0)])
        whole = image_of(number, 60, 90) / 255
        positions = [
            (turns, mirrored, top, left)
            for turns, mirrored, turned in _orientations(whole)
            for top, left in _positions(turned, batch.target[n, 0])
        ]
        assert len(positions) == 1
        orientations.add(positions[0][:2])
        starts.append(positions[0][2:])
    assert all(len(set(values)) > 4 for values in zip(*starts, strict=True)) or patch == 60
    assert len(orientations) > 5 if patch == 16 else orientations <= {(0, False), (0, True), (2, False), (2, True)}


def _orientations(whole):
    for turns in range(4):
        for mirrored in (False, True):
            turned = whole.rot90(turns, (2, 3))
            yield turns, mirrored, turned.flip(3) if mirrored else turned


def _positions(whole, part):
    """Positions in an image from which a mosaic that begins with RGGB may have been sampled."""
    size, positions = part.shape[0], []
    frames = {(site // 2, site % 2): mosaic(whole, cfa)[0, 0] for site, cfa in enumerate(PHASED)}
    for top in range(whole.shape[2] - size + 1):
        for left in range(whole.shape[3] - size + 1):
            crop = frames[top % 2, left % 2][top : top + size, left : left + size]
            if abs(float(crop[0, 0] - part[0, 0])) < 1e-6 and torch.allclose(crop, part, rtol=0, atol=1e-6):
                positions.append((top, left))
    return positions


def test_fivek(data, tmp_path):
    (tmp_path / "NIKON_D700" / "DNG").mkdir(parents=True)
    for name in ("CRW_0117.CRW", "CRW_0118.CRW"):
        shutil.copy(data / "digicam_corpus" / "canon-powershot-s40" / name, tmp_path / "NIKON_D700" / "DNG")
    with pytest.raises(errors.InvalidArgument, match=r"NIKON_D700_train.txt does not exist: get the data from https"):
        source_of("fivek-nikon", tmp_path)
    (tmp_path / "NIKON_D700_train.txt").write_text("CRW_0118\n")
    counts = []
    options = {"cache": tmp_path / "cache", "on_file": lambda *count: counts.append(count)}
    source = source_of("fivek-nikon", tmp_path, **options)
    assert [path.stem for path in source.files] == ["CRW_0118"] and counts == [(1, 1)]
    plain = source_of("fivek-nikon", tmp_path, target="libraw", **options)
    share = {"seed": 0, "rank": 0, "world": 1}
    one, other = source.batch(0, 1, 64, **share), plain.batch(0, 1, 64, **share)
    assert torch.equal(one.sensor, other.sensor) and not torch.equal(one.target, other.target)
    assert len(list((tmp_path / "cache").iterdir())) == 2
    with pytest.raises(errors.InvalidArgument, match=r"Canon_EOS_5D_train.txt does not exist"):
        source_of("fivek-canon", tmp_path)


def test_declared_layouts():
    assert list(LAYOUTS) == ["aim22-s7", "aim22-p20", "fivek-nikon", "fivek-canon", "sidd"]
    for name, layout in LAYOUTS.items():
        assert layout.name == name and layout.where.startswith("https://")
        assert layout.task == ("denoise" if name == "sidd" else "reverse")
        assert layout.decodes == name.startswith("fivek")


@pytest.mark.parametrize(
    ("layout", "options", "message"),
    [
        ("raise", {}, "no layout 'raise': choose one of aim22-s7, aim22-p20, fivek-nikon, fivek-canon, sidd"),
        ("sidd", {"target": "camera"}, "the layout sidd takes no target: it holds no camera files to decode"),
        ("aim22-s7", {"cache": "x"}, "the layout aim22-s7 takes no cache"),
        ("sidd", {}, "none is not a folder: sidd is a folder of Data/SCENE/.*, from https://abdokamel"),
    ],
    ids=["name", "target", "cache", "folder"],
)
def test_bad_input(tmp_path, layout, options, message):
    with pytest.raises(errors.InvalidArgument, match=message):
        source_of(layout, tmp_path / "none", **options)


def test_scenes_of_another_data_set(frames, tmp_path):
    shutil.copy(frames / "noise_level_functions.csv", tmp_path)
    (tmp_path / "Data" / "0001_001_XX").mkdir(parents=True)
    for kind in ("NOISY", "GT"):
        (tmp_path / "Data" / "0001_001_XX" / f"0001_{kind}_RAW_010.MAT").write_bytes(b"")
    with pytest.raises(
        errors.UnreadableFile, match="scene 0001_001_XX does not name a phone of SIDD: GP, IP, S6, N6, G4"
    ):
        source_of("sidd", tmp_path)
    (tmp_path / "Data" / "0001_001_XX").rename(tmp_path / "Data" / "0009_001_S6_00100_00060_3200_L")
    with pytest.raises(errors.InvalidArgument, match=r"noise_level_functions.csv has no row for 0009_001_S6_.*_L"):
        source_of("sidd", tmp_path)
