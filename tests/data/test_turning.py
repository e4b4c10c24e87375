"""The eight orientations: mosaic and image stay aligned, and every patch begins with RGGB."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from isptoolkit import Capture, errors
from isptoolkit.capture import BAYER
from isptoolkit.data.turning import MARGIN, phased, turned, turned_at_random
from isptoolkit.stages import Mosaic

ORIENTATIONS = [(turns, mirrored) for turns in range(4) for mirrored in (False, True)]


def numbered(height, width, samples=1):
    """An image of distinct values, so that a pixel identifies its position."""
    count = samples * 3 * height * width
    return torch.arange(count, dtype=torch.float64).view(samples, 3, height, width)


@pytest.mark.parametrize("cfa", BAYER)
@pytest.mark.parametrize(("turns", "mirrored"), ORIENTATIONS)
@settings(max_examples=30, deadline=None)
@given(half=st.tuples(st.integers(1, 6), st.integers(1, 6)), more=st.tuples(st.integers(1, 4), st.integers(1, 4)))
def test_the_mosaic_of_the_turned_image_is_the_turned_mosaic(cfa, turns, mirrored, half, more):
    """Exactly, for odd and even sizes; black levels follow their sites."""
    height, width = (2 * n for n in half)
    rows, columns = height + more[0], width + more[1]
    image = numbered(*((columns, rows) if turns % 2 else (rows, columns)), samples=2)
    capture = Capture.of(cfa, black=[{"R": 1.0, "G": 2.0, "B": 3.0}[letter] for letter in cfa], white=9)
    sensor = Mosaic()(image, capture)
    result, described, target = turned(sensor, capture, image, turns, mirrored, height, width)
    assert described.cfa == "RGGB" and described.black.tolist() == [[1.0, 2.0, 2.0, 3.0]]
    assert result.shape == (2, 1, height, width) and target.shape == (2, 3, height, width)
    assert torch.equal(result, Mosaic()(target, described))
    whole = np.rot90(image.numpy(), turns, (2, 3))
    whole = whole[..., ::-1] if mirrored else whole
    parts = [whole[..., top : top + height, left : left + width] for top in (0, 1) for left in (0, 1)]
    assert sum(np.array_equal(part, target.numpy()) for part in parts) == 1


@pytest.mark.parametrize("cfa", BAYER)
def test_a_mosaic_as_target_is_turned_with_the_mosaic(cfa):
    """For denoisers, whose target is the clean mosaic."""
    sensor = numbered(10, 12)[:, :1]
    for turns, mirrored in ORIENTATIONS:
        result, _, target = turned(sensor, Capture.of(cfa), sensor + 0.25, turns, mirrored, 8, 8)
        assert torch.equal(target, result + 0.25)


def test_orientations_are_drawn_uniformly_and_repeatably():
    sensor, capture = numbered(8 + MARGIN, 8 + MARGIN)[:, :1], Capture.of("RGGB")
    counts = {turned(sensor, capture, sensor, *one, 8, 8)[0].numpy().tobytes(): 0 for one in ORIENTATIONS}
    assert len(counts) == 8
    for seed in range(400):
        result, _, _ = turned_at_random(np.random.default_rng(seed), sensor, capture, sensor, 8)
        counts[result.numpy().tobytes()] += 1
    assert min(counts.values()) > 25
    first, second = (turned_at_random(np.random.default_rng(7), sensor, capture, sensor, 8)[0] for _ in range(2))
    assert torch.equal(first, second)


@pytest.mark.parametrize("cfa", BAYER)
def test_a_patch_as_large_as_its_tile_is_not_turned(cfa):
    """If its CFA is not RGGB, it is mirrored, always in the same way."""
    image, capture = numbered(8, 8), Capture.of(cfa)
    sensor, axes = Mosaic()(image, capture), {"RGGB": (), "GRBG": (3,), "GBRG": (2,), "BGGR": (2, 3)}[cfa]
    for seed in range(20):
        result, described, target = turned_at_random(np.random.default_rng(seed), sensor, capture, image, 8)
        assert torch.equal(target, image.flip(axes)) and described.cfa == "RGGB"
        assert torch.equal(result, Mosaic()(target, described))


def test_patches_that_do_not_fit():
    with pytest.raises(errors.InvalidSize, match="cannot crop 8 x 8"):
        turned(torch.zeros(1, 1, 8, 8), Capture.of("RGGB"), torch.zeros(1, 3, 8, 8), 0, True, 8, 8)
    with pytest.raises(errors.InvalidSize, match="cannot crop 10 x 10"):
        phased(torch.zeros(1, 1, 8, 8), Capture.of("RGGB"), torch.zeros(1, 3, 8, 8), 10, 10)
    with pytest.raises(errors.InvalidArgument, match=r"no mirror image of \[7, 7\] pixels of GRBG begins with RGGB"):
        turned_at_random(
            np.random.default_rng(0), *(torch.zeros(1, 1, 7, 7), Capture.of("GRBG"), torch.zeros(1, 3, 7, 7)), 7
        )
