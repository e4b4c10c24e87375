"""Whatever write_dng writes, read_raw reads back equal: random captures, also under the names of known cameras."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import rawpy
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from isptoolkit import Capture, read_raw, write_dng
from isptoolkit.capture import BAYER, MONO, RGB
from isptoolkit.io import describe_raw, read_gain_map
from isptoolkit.io.color_profile import ColorProfile
from isptoolkit.io.raw import default_crop
from isptoolkit.spaces import XYZ_FROM_SRGB
from isptoolkit.stages import LensShadingMesh

KNOWN = (
    "Canon EOS 5D", "Canon EOS 6D", "Canon PowerShot S40", "Canon EOS R5", "NIKON D750", "NIKON D70s", "NIKON Z 6",
    "SONY ILCE-7M3", "SONY DSLR-A900", "FUJIFILM X100", "OLYMPUS E-M1", "Panasonic DMC-GH4", "PENTAX K-3",
    "LEICA M10", "SAMSUNG NX1", "RaspberryPi RP_imx477", "Hasselblad X1D", "Leaf Aptus 22", "Kodak DCS Pro 14nx",
    "Casio EX-Z50", "Ricoh GR", "Minolta DiMAGE A1", "Phase One P 45", "Google Pixel 3", "DJI FC220", "Apple iPhone X",
)  # fmt: skip
"""Cameras whose matrices or levels LibRaw knows, or that it treats in some way of their own."""


@dataclass(frozen=True)
class File:
    """What a file is written from; the samples are drawn from a seed, so that failures print short."""

    size: tuple[int, int]
    seed: int
    capture: Capture
    options: dict[str, Any]

    @property
    def samples(self):
        shape = (1, 3 if self.capture.cfa == RGB else 1, *self.size)
        top = min(65535, int(float(self.capture.white) * 1.2))
        return torch.randint(0, top + 1, shape, generator=torch.Generator().manual_seed(self.seed)).float()


def levels(highest):
    """Black levels: whole, decimal, and binary fractions."""
    whole = st.integers(0, highest).map(float)
    return st.one_of(whole, whole.map(lambda n: n / 64), st.floats(0, highest).map(lambda x: round(x, 3)))


@st.composite
def matrices(draw, spread=0.35):
    entry = st.floats(-spread, spread)
    rows = (
        torch.eye(3).double() + torch.tensor(draw(st.lists(entry, min_size=9, max_size=9))).double().reshape(3, 3) / 2
    )
    return rows / rows.sum(1, keepdim=True)


@st.composite
def captures(draw, cfa):
    white = draw(st.integers(256, 65535))
    four = [draw(levels(white // 2)) for _ in range(4)]
    black = {RGB: [four[0], four[1], four[1], four[3]]}.get(cfa, four)
    gain = st.floats(0.125, 8)
    brightness = draw(st.sampled_from([1.0, 1.0, 0.75, 2.5]))
    gains = [brightness] * 3 if cfa == MONO else [draw(gain), brightness, draw(gain)]
    noise = st.tuples(st.floats(0, 0.1), st.floats(0, 0.01))
    return Capture.of(
        cfa,
        black=black,
        white=white,
        gains=gains,
        srgb_to_camera=torch.eye(3).tolist() if cfa == MONO else draw(matrices()).tolist(),
        noise=draw(st.none() | noise),
        exposure=draw(st.none() | st.floats(-4, 4)),
        camera=draw(st.sampled_from(["", "Maker Model X", *KNOWN])),
        orientation=draw(st.integers(1, 8)),
    )


@st.composite
def profiles(draw):
    """One or two illuminants, with or without forward matrices and analog balance."""
    matrix = matrices(spread=0.2).map(lambda rows: rows @ torch.linalg.inv(XYZ_FROM_SRGB))
    first, second = draw(st.sampled_from([(17, 21), (17, 23), (20, 22), (21, 0)]))
    values: dict[str, Any] = {"color_matrix1": draw(matrix), "illuminant1": first}
    if second:
        values |= {"color_matrix2": draw(matrix), "illuminant2": second}
    if draw(st.booleans()):
        to_xyz = torch.diag(torch.tensor([0.9642, 1.0, 0.8249]).double())
        names = ("forward_matrix1", "forward_matrix2") if second else ("forward_matrix1",)
        values |= {name: to_xyz @ draw(matrices(spread=0.2)) for name in names}
    if draw(st.booleans()):
        values["analog_balance"] = torch.tensor(draw(st.tuples(*[st.floats(0.5, 2)] * 3))).double()
    return ColorProfile(**values)


@st.composite
def files(draw):
    cfa = draw(st.sampled_from([*BAYER, RGB, MONO]))
    capture = draw(captures(cfa))
    height, width = draw(st.integers(22, 48)), draw(st.integers(22, 48))
    seed = draw(st.integers(0, 2**32))
    generator = torch.Generator().manual_seed(seed)
    options: dict[str, Any] = {"compress": cfa != RGB and draw(st.booleans())}
    if draw(st.booleans()):
        options["preview"] = torch.rand(1, 3, 16, 24, generator=generator)
    if draw(st.booleans()):
        top, left = draw(st.integers(0, height - 8)), draw(st.integers(0, width - 8))
        options["crop"] = (top, left, draw(st.integers(8, height - top)), draw(st.integers(8, width - left)))
    if cfa in BAYER and draw(st.booleans()):
        mesh = 1 + torch.rand(draw(st.sampled_from([1, 4])), 3, 5, generator=generator)
        options["shading"] = LensShadingMesh(mesh.double())
    if cfa != MONO and draw(st.booleans()):
        options["profile"] = draw(profiles())
    return File((height, width), seed, capture, options)


def check(file):
    """Write a file, read it, and compare everything."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.dng"
        written = file.samples
        write_dng(path, written, file.capture, **file.options)
        samples, capture = read_raw(path)
        original, options = file.capture, file.options
        assert torch.equal(samples, written)
        assert capture.cfa == original.cfa
        assert capture.orientation == original.orientation
        assert capture.camera == original.camera
        torch.testing.assert_close(capture.black, original.black, rtol=0, atol=1e-9)
        assert torch.equal(capture.white, original.white)
        gains = original.gains / original.gains[:, 1:2]
        torch.testing.assert_close(capture.gains, gains, rtol=1e-8, atol=0)
        matrix, profile = original.srgb_to_camera, options.get("profile")
        if profile is not None:
            matrix = profile.srgb_to_camera((1 / original.gains[0]).tolist())[None]
        torch.testing.assert_close(capture.srgb_to_camera, matrix, rtol=0, atol=1e-6)
        stated = original.exposure is not None or float(original.gains[0, 1]) != 1
        assert (capture.exposure is not None) == stated
        if stated:
            exposure = 0.0 if original.exposure is None else float(original.exposure)
            assert float(capture.exposure) == pytest.approx(exposure + float(original.gains[0, 1].log2()), abs=1e-8)
        assert (capture.noise is None) == (original.noise is None)
        if original.noise is not None:
            assert torch.equal(capture.noise, original.noise)
        assert default_crop(path) == options.get("crop")
        mesh = read_gain_map(path)
        assert (mesh is None) == ("shading" not in options)
        if mesh is not None:
            assert torch.equal(mesh.mesh, options["shading"].mesh)
        assert describe_raw(path)["problems"] == []
        with rawpy.imread(str(path)) as raw:
            visible = torch.from_numpy(raw.raw_image_visible.astype("float32"))
        planes = visible[None] if visible.ndim == 2 else visible[..., :3].permute(2, 0, 1)
        assert torch.equal(planes[None], written)


@given(file=files())
@settings(max_examples=40, derandomize=True, deadline=None, database=None)
def test_random_files_are_read_back_equal(file):
    check(file)


@pytest.mark.slow
@given(file=files())
@settings(max_examples=500, deadline=None, database=None)
def test_five_hundred_random_files_are_read_back_equal(file):
    check(file)
