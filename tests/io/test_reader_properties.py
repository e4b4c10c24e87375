"""Generated DNG structures, read as tifffile, LibRaw and the formulas of the DNG specification read them."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rawpy
import tifffile
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from isptoolkit import read_raw
from isptoolkit.stages import Levels

MATRIX = (0.6, 0.1, -0.05, -0.3, 1.1, 0.25, 0.0, 0.2, 0.6)
SHORT, LONG, RATIONAL, SRATIONAL, BYTE, ASCII = 3, 4, 5, 10, 1, 2
MANY = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def rationals(values: Any, below: int = 1000) -> tuple[int, ...]:
    return tuple(part for value in values for part in (round(value * below), below))


@dataclass(frozen=True)
class Structure:
    """A DNG file: where its mosaic lies, how its samples are stored, and what its levels are."""

    size: tuple[int, int]
    cfa: str
    big_endian: bool
    tile: tuple[int, int] | None
    rows_per_strip: int
    place: str  # "first", "subifd", "subifd after a smaller one", "chain"
    active: tuple[int, int, int, int] | None
    repeat: tuple[int, int]
    black: tuple[float, ...]
    delta_h: tuple[float, ...] | None
    delta_v: tuple[float, ...] | None
    white: int
    table: tuple[int, ...] | None
    seed: int

    @property
    def area(self) -> tuple[int, int, int, int]:
        return self.active or (0, 0, *self.size)

    def codes(self) -> "np.ndarray":
        top = len(self.table) - 1 if self.table else 4095
        return np.random.default_rng(self.seed).integers(0, top + 1, self.size).astype(np.uint16)

    def normalized(self) -> "np.ndarray":
        """The active area with black at 0 and white at 1, by the formulas of the specification.

        Each sample is divided by white minus its own black level, as `Levels` does; the specification divides all of
        them by white minus the highest.
        """
        top, left, bottom, right = self.area
        codes = self.codes()[top:bottom, left:right]
        linear = np.asarray(self.table)[codes].astype(float) if self.table else codes.astype(float)
        rows, columns = np.indices(linear.shape)
        pattern = np.asarray(self.black).reshape(self.repeat)
        black = pattern[rows % self.repeat[0], columns % self.repeat[1]]
        if self.delta_v:
            black = black + np.asarray(self.delta_v)[:, None]
        if self.delta_h:
            black = black + np.asarray(self.delta_h)[None]
        return (linear - black) / (self.white - black)

    def write(self, path: Path) -> None:
        camera = [
            (50706, BYTE, 4, bytes([1, 4, 0, 0]), True),
            (50708, ASCII, 0, "Generated", True),
            (50721, SRATIONAL, 9, rationals(MATRIX), True),
            (50778, SHORT, 1, 21, True),
            (50728, RATIONAL, 3, rationals((0.5, 1, 0.625)), True),
        ]
        raw = [
            (33421, SHORT, 2, (2, 2), True),
            (33422, BYTE, 4, bytes("RGB".index(letter) for letter in self.cfa), True),
            (50713, SHORT, 2, self.repeat, True),
            (50714, RATIONAL, len(self.black), rationals(self.black), True),
            (50717, LONG, 1, self.white, True),
        ]
        if self.active:
            raw.append((50829, LONG, 4, self.active, True))
        for code, values in ((50715, self.delta_h), (50716, self.delta_v)):
            if values:
                raw.append((code, SRATIONAL, len(values), rationals(values), True))
        if self.table:
            raw.append((50712, SHORT, len(self.table), self.table, True))
        options: dict[str, Any] = {"photometric": 32803, "metadata": None}
        options |= {"tile": self.tile} if self.tile else {"rowsperstrip": self.rows_per_strip}
        preview = np.full((8, 12, 3), 99, np.uint8)
        smaller = np.full((12, 16, 3), 7, np.uint16)
        reduced: dict[str, Any] = {"photometric": "rgb", "subfiletype": 1, "metadata": None, "extratags": camera}
        with tifffile.TiffWriter(path, byteorder=">" if self.big_endian else "<") as file:
            if self.place == "first":
                file.write(self.codes(), extratags=sorted(camera + raw), **options)
                return
            subifds = {"subifd": 1, "subifd after a smaller one": 2, "chain": 0}[self.place]
            file.write(preview, **reduced, **({"subifds": subifds} if subifds else {}))
            if subifds == 2:
                file.write(smaller, photometric=34892, subfiletype=1, metadata=None, planarconfig="contig")
            file.write(self.codes(), subfiletype=0, extratags=sorted(raw), **options)


def numbers(low: float, high: float, count: int) -> st.SearchStrategy[tuple[float, ...]]:
    return st.tuples(*[st.integers(int(low * 100), int(high * 100)).map(lambda n: n / 100)] * count)


@st.composite
def structures(draw: st.DrawFn) -> Structure:
    height, width = draw(st.integers(32, 56)), draw(st.integers(32, 56))
    active = None
    if draw(st.booleans()):
        top, left = draw(st.integers(0, 3)), draw(st.integers(0, 3))
        bottom, right = draw(st.integers(height - 2, height)), draw(st.integers(width - 2, width))
        active = top, left, bottom, right
    rows, columns = (height, width) if active is None else (active[2] - active[0], active[3] - active[1])
    repeat = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    table = draw(st.none() | st.lists(st.integers(0, 40), min_size=256, max_size=1024))
    return Structure(
        size=(height, width),
        cfa=draw(st.sampled_from(["RGGB", "BGGR", "GRBG", "GBRG"])),
        big_endian=draw(st.booleans()),
        tile=draw(st.none() | st.sampled_from([(16, 16), (32, 16), (48, 48)])),
        rows_per_strip=draw(st.integers(1, height)),
        place=draw(st.sampled_from(["first", "subifd", "subifd after a smaller one", "chain"])),
        active=active,
        repeat=repeat,
        black=draw(numbers(0, 70, repeat[0] * repeat[1])),
        delta_h=draw(st.none() | numbers(-5, 5, columns)),
        delta_v=draw(st.none() | numbers(-5, 5, rows)),
        white=draw(st.integers(3000, 4095)),
        table=None if table is None else tuple(np.cumsum(table).clip(0, 65535).tolist()),
        seed=draw(st.integers(0, 1000)),
    )


@MANY
@given(structures())
def test_levels_follow_the_formulas_of_the_specification(tmp_path, structure):
    structure.write(tmp_path / "a.dng")
    x, capture = read_raw(tmp_path / "a.dng")
    assert capture.cfa == structure.cfa  # CFAPattern starts at the active area
    assert float(capture.white) == structure.white
    normalized = Levels()(x.double(), capture)[0, 0].numpy()
    np.testing.assert_allclose(normalized, structure.normalized(), rtol=0, atol=1e-6)


@MANY
@given(structures())
def test_samples_equal_those_of_tifffile_and_libraw(tmp_path, structure):
    plain = replace(structure, repeat=(1, 1), black=(64.0,), delta_h=None, delta_v=None, table=None)
    plain.write(tmp_path / "a.dng")
    samples = read_raw(tmp_path / "a.dng")[0][0, 0].numpy()
    with tifffile.TiffFile(tmp_path / "a.dng") as file:
        first = file.pages[0]
        pages = [first, *(first.pages or ()), *file.pages[1:]]
        mosaics = [page.asarray() for page in pages if page.photometric == 32803]
    top, left, bottom, right = plain.area
    np.testing.assert_array_equal(samples, mosaics[0][top:bottom, left:right])
    if plain.tile is None and not (top % 2 or left % 2):  # otherwise LibRaw reads other pixels
        with rawpy.imread(str(tmp_path / "a.dng")) as raw:
            np.testing.assert_array_equal(samples, raw.raw_image_visible)


@pytest.mark.parametrize("white", [1, 2])
def test_floating_point_samples_keep_the_scale_of_their_white_level(tmp_path, white):
    values = np.random.default_rng(0).random((48, 64)).astype(np.float32)
    for brightest in (0.5, 1.0):
        structure = [
            (50706, BYTE, 4, bytes([1, 4, 0, 0]), True),
            (50721, SRATIONAL, 9, rationals(MATRIX), True),
            (50778, SHORT, 1, 21, True),
            (50728, RATIONAL, 3, rationals((0.5, 1, 0.625)), True),
            (33421, SHORT, 2, (2, 2), True),
            (33422, BYTE, 4, bytes([0, 1, 1, 2]), True),
            (50714, SHORT, 1, 0, True),
            (50717, LONG, 1, white, True),
        ]
        with tifffile.TiffWriter(tmp_path / "f.dng") as file:
            file.write(values * brightest, photometric=32803, metadata=None, extratags=sorted(structure))
        x, capture = read_raw(tmp_path / "f.dng")
        assert torch.equal(x[0, 0], torch.from_numpy(values * np.float32(brightest)))
        assert float(capture.white) == white
