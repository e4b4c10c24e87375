"""Crops, flips and rotations: CFA letters and black levels follow every pixel."""

import numpy as np
import pytest
import torch

from isptoolkit import Capture, align, crop, flip, rotate
from isptoolkit.capture import BAYER
from isptoolkit.errors import InvalidArgument, InvalidCapture, InvalidSize

BLACK = (1.0, 2.0, 3.0, 4.0)


def scene(cfa, height, width):
    """A mosaic of distinct pixel values, with the CFA letter and black level of every pixel."""
    numbers = np.arange(height * width, dtype=float).reshape(height, width)
    rows, columns = np.indices((height, width)) % 2
    site = 2 * rows + columns
    capture = Capture.of(cfa, black=BLACK, white=100)
    return numbers, np.array(list(cfa))[site], np.array(BLACK)[site], capture


def check(result, numbers, letters, black):
    """Check the pixel values of a result, and the letters and levels that its capture assigns to them."""
    mosaic, capture = result
    np.testing.assert_array_equal(mosaic[0, 0].numpy(), numbers)
    rows, columns = np.indices(numbers.shape) % 2
    np.testing.assert_array_equal(np.array(list(capture.cfa))[2 * rows + columns], letters)
    np.testing.assert_array_equal(capture.black[0].numpy()[2 * rows + columns], black)


def tensor(numbers):
    return torch.from_numpy(numbers)[None, None]


@pytest.mark.parametrize("cfa", BAYER)
@pytest.mark.parametrize("size", [(4, 6), (5, 7), (2, 3), (6, 5)])
def test_every_crop(cfa, size):
    numbers, letters, black, capture = scene(cfa, *size)
    for top in range(size[0] - 1):
        for left in range(size[1] - 1):
            window = np.s_[top : top + 2, left : left + 2]
            result = crop(tensor(numbers), capture, top, left, 2, 2)
            check(result, numbers[window], letters[window], black[window])


@pytest.mark.parametrize("cfa", BAYER)
@pytest.mark.parametrize("size", [(4, 6), (5, 7), (4, 5), (3, 4), (1, 3), (2, 1)])
def test_flips_and_rotations(cfa, size):
    numbers, letters, black, capture = scene(cfa, *size)
    for horizontal in (False, True):
        for vertical in (False, True):
            axes = [axis for axis, mirrored in ((0, vertical), (1, horizontal)) if mirrored]
            result = flip(tensor(numbers), capture, horizontal=horizontal, vertical=vertical)
            check(result, *(np.flip(values, axes) for values in (numbers, letters, black)))
    for turns in range(-1, 6):
        result = rotate(tensor(numbers), capture, turns)
        check(result, *(np.rot90(values, turns) for values in (numbers, letters, black)))


@pytest.mark.parametrize("cfa", BAYER)
@pytest.mark.parametrize("target", BAYER)
def test_align_drops_at_most_one_row_and_one_column(cfa, target):
    numbers, letters, black, capture = scene(cfa, 6, 5)
    mosaic, aligned = align(tensor(numbers), capture, target)
    assert aligned.cfa == target
    top, left = 6 - mosaic.shape[2], 5 - mosaic.shape[3]
    assert max(top, left) <= 1
    check((mosaic, aligned), numbers[top:, left:], letters[top:, left:], black[top:, left:])


def test_other_fields_are_kept(capture):
    _, rotated = rotate(torch.zeros(1, 1, 4, 5), capture, 1)
    assert torch.equal(rotated.gains, capture.gains)
    assert torch.equal(rotated.white, capture.white)


def test_errors():
    mosaic, capture = torch.zeros(1, 1, 4, 4), Capture.of("RGGB")
    for window in ((0, 0, 5, 4), (-1, 0, 2, 2), (0, 3, 2, 2), (0, 0, 0, 2)):
        with pytest.raises(InvalidSize, match="4 x 4"):
            crop(mosaic, capture, *window)
    with pytest.raises(InvalidArgument, match="RGBG"):
        align(mosaic, capture, "RGBG")


def test_samples_without_a_mosaic_keep_their_layout():
    planes = torch.rand(1, 3, 5, 6)
    capture = Capture.of("RGB", black=(1, 2, 2, 3), white=100)
    for result, expected in (
        (crop(planes, capture, 1, 1, 3, 4), planes[..., 1:4, 1:5]),
        (flip(planes, capture, horizontal=True), planes.flip(-1)),
        (rotate(planes, capture, 3), torch.rot90(planes, 3, (-2, -1))),
    ):
        assert torch.equal(result[0], expected) and result[1] == capture


def test_black_levels_of_a_sensor_without_filters_follow_the_pixels():
    numbers, _, black, capture = scene("RGGB", 4, 5)
    mono = capture.replace(cfa="MONO")
    part, moved = crop(tensor(numbers), mono, 1, 1, 2, 3)
    np.testing.assert_array_equal(part[0, 0].numpy(), numbers[1:3, 1:4])
    assert moved.cfa == "MONO" and moved.black.tolist() == [black[1:3, 1:3].flatten().tolist()]
    turned, moved = rotate(tensor(numbers), mono, 1)
    assert moved.cfa == "MONO" and moved.black.tolist() == [np.rot90(black)[:2, :2].flatten().tolist()]
    assert turned.shape == (1, 1, 5, 4)


@pytest.mark.parametrize("cfa", ["RGB", "MONO"])
def test_nothing_to_align_without_a_mosaic(cfa):
    with pytest.raises(InvalidCapture, match=f"samples with the cfa '{cfa}' have no phase to align"):
        align(torch.zeros(1, 1, 4, 4), Capture.of(cfa))
