"""Headerless dumps: every sample type and phase, and geometries that must be refused."""

import numpy as np
import pytest
import torch

from isptoolkit import errors, read_mosaic

D750 = [[0.902, -0.289, -0.0715], [-0.4535, 1.2436, 0.2348], [-0.0934, 0.1919, 0.7086]]
DUMP = {"black": 600, "white": 15520, "gains": (1.949, 1, 1.344), "matrix": D750}


def test_the_four_phases_of_one_dump_hold_the_same_samples(data):
    packed = {}
    for cfa in ("RGGB", "BGGR", "GRBG", "GBRG"):
        path = data / "mushfiqulalam-isp" / f"DSC_1339_768x512_{cfa.lower()}.raw"
        sensor, capture = read_mosaic(path, width=768, height=512, cfa=cfa, **DUMP)
        assert np.array_equal(sensor[0, 0].numpy(), np.fromfile(path, "<u2").reshape(512, 768))
        assert (capture.cfa, capture.white.item()) == (cfa, 15520)
        sites = dict.fromkeys("RGB", ())
        for index, letter in enumerate(cfa):
            sites[letter] += (sensor[0, 0, index // 2 :: 2, index % 2 :: 2],)
        packed[cfa] = [sites["R"][0], sites["B"][0], sites["G"][0] + sites["G"][1], sites["G"][0] * sites["G"][1]]
    for channels in packed.values():
        assert all(torch.equal(a, b) for a, b in zip(channels, packed["RGGB"], strict=True))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "<u2", ">u2", "float32", ">f4"])
def test_dumps_of_every_type(tmp_path, dtype):
    pixels = np.random.default_rng(1).integers(0, 255, (5, 7))
    stored = {"uint8": "u1", "uint16": "<u2", "float32": "<f4"}.get(dtype, dtype)
    (tmp_path / "d.raw").write_bytes(b"head" + pixels.astype(stored).tobytes())
    sensor, capture = read_mosaic(
        tmp_path / "d.raw", width=7, height=5, cfa="GRBG", dtype=dtype, offset=4, orientation=6, camera="Acme", **DUMP
    )
    assert np.array_equal(sensor[0, 0].numpy(), pixels)
    assert (capture.orientation, capture.camera) == ((6,), ("Acme",))


@pytest.mark.parametrize(
    ("width", "height", "dtype"), [(768, 511, "uint16"), (767, 512, "uint16"), (768, 512, "uint8")]
)
def test_a_wrong_geometry_names_both_sizes(data, width, height, dtype):
    path = data / "mushfiqulalam-isp" / "DSC_1339_768x512_rggb.raw"
    needed = width * height * (1 if dtype == "uint8" else 2)
    with pytest.raises(errors.UnreadableFile, match=rf"786432 bytes.*{needed}"):
        read_mosaic(path, width=width, height=height, cfa="RGGB", dtype=dtype, **DUMP)


def test_dumps_that_are_not_finite(tmp_path):
    np.array([[1, np.nan], [np.inf, 2]], "<f4").tofile(tmp_path / "d.raw")
    with pytest.raises(errors.UnreadableFile, match="2 samples that are not finite"):
        read_mosaic(tmp_path / "d.raw", width=2, height=2, cfa="RGGB", dtype="float32", **DUMP)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"gains": None}, errors.MissingMetadata),
        ({"matrix": None}, errors.MissingMetadata),
        ({"gains": (1, -1, 1)}, errors.InvalidArgument),
        ({"dtype": "int64"}, errors.InvalidArgument),
        ({"dtype": "object"}, errors.InvalidArgument),
        ({"width": 0}, errors.InvalidArgument),
        ({"width": 2.0}, errors.InvalidArgument),
        ({"height": -2}, errors.InvalidArgument),
        ({"offset": -1}, errors.InvalidArgument),
        ({"width": 1 << 20, "height": 1 << 20}, errors.InvalidArgument),
        ({"cfa": "RGBG"}, errors.InvalidCapture),
        ({"white": 600}, errors.InvalidCapture),
    ],
)
def test_dumps_with_wrong_arguments(tmp_path, changes, error):
    np.zeros((2, 2), "<u2").tofile(tmp_path / "d.raw")
    with pytest.raises(error):
        read_mosaic(tmp_path / "d.raw", **({"width": 2, "height": 2, "cfa": "RGGB", **DUMP} | changes))


def test_missing_dumps(tmp_path):
    for path in (tmp_path, tmp_path / "none.raw"):
        with pytest.raises(errors.UnreadableFile, match="is not a file"):
            read_mosaic(path, width=2, height=2, cfa="RGGB", **DUMP)
