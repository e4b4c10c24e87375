"""Captures: checked at construction, batched, moved, joined and compared."""

import copy
import pickle

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from isptoolkit import Capture
from isptoolkit.errors import InvalidCapture, InvalidTensor


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cfa": "RGBG"}, "cfa must be one of RGGB, BGGR, GRBG, GBRG, RGB, MONO, got 'RGBG'"),
        ({"black": (1, 2, 3)}, r"black must have shape \(1, 4\), got \(1, 3\)"),
        ({"black": 64, "white": 64}, "white must be above black, got white"),
        ({"gains": (2, 0, 1)}, "gains must be positive"),
        ({"gains": (2, float("nan"), 1)}, "gains must be finite"),
        ({"srgb_to_camera": ((2, 0, 0), (0, 1, 0), (0, 0, 1))}, "must sum to 1"),
        ({"srgb_to_camera": ((1, 0, 0), (1, 0, 0), (0, 0, 1))}, "must be invertible"),
        ({"noise": (-1.0, 0.0)}, "must not be negative"),
        ({"exposure": float("inf")}, "exposure must be finite"),
        ({"cfa": "RGB", "black": (1, 2, 3, 4), "white": 255}, "one black level for green, given twice"),
    ],
)
def test_impossible_captures_are_refused_with_the_value(change, message):
    arguments = {"cfa": "RGGB", **change}
    with pytest.raises(InvalidCapture, match=message):
        Capture.of(**arguments)


def test_one_black_level_serves_all_four_sites():
    assert Capture.of("RGGB", black=64, white=255).black.tolist() == [[64.0] * 4]


def test_indexing_undoes_collate(capture):
    other = Capture.of("GRBG", black=3, white=255, noise=(1e-4, 1e-7))
    batch = Capture.collate([capture, other])
    assert len(batch) == 2
    assert torch.equal(batch[0].black, capture.black)
    assert torch.equal(batch[1].white, other.white)
    assert torch.equal(batch[-1].white, other.white)


def test_collate_drops_noise_that_one_capture_lacks(capture):
    assert Capture.collate([capture, Capture.of("GRBG")]).noise is None


def test_collate_keeps_the_exposure_that_only_one_capture_states(capture):
    stated, silent = capture.replace(exposure=torch.tensor([0.5], dtype=torch.float64)), capture
    assert Capture.collate([stated, silent]).exposure.tolist() == [0.5, 0.0]
    assert Capture.collate([silent, silent]).exposure is None
    assert Capture.collate([stated, silent])[0] == stated


def test_collate_refuses_two_phases(capture):
    with pytest.raises(InvalidCapture, match="one CFA phase"):
        Capture.collate([capture, Capture.of("RGGB")])


def test_to_casts_every_tensor(capture):
    cast = capture.to(torch.float32)
    assert cast.black.dtype == cast.noise.dtype == cast.srgb_to_camera.dtype == torch.float32


def test_a_batch_size_mismatch_is_named(capture):
    with pytest.raises(InvalidTensor, match="describes 2 samples, the tensor holds 3"):
        Capture.collate([capture, capture]).check(torch.zeros(3, 1, 2, 2))


def test_copies_and_pickles(capture):
    for twin in (copy.deepcopy(capture), pickle.loads(pickle.dumps(capture))):
        assert twin == capture
        assert hash(twin) == hash(capture)


LEVELS = st.sampled_from((0.0, -0.0, 1.0, 64.0))


def capture_of(fields):
    """A capture in new tensors."""
    black, white, gain, noise, camera, dtype, copies = fields
    single = Capture.of("RGGB", black=black, white=white, gains=(gain, 1, 2), noise=noise, camera=camera)
    return Capture.collate([single] * copies).to(dtype)


FIELDS = st.tuples(
    st.lists(LEVELS, min_size=4, max_size=4),
    st.sampled_from((255.0, 1023.0)),
    st.sampled_from((1.5, 2.0)),
    st.sampled_from((None, (0.0, 1e-6), (-0.0, 1e-6))),
    st.sampled_from(("", "A")),
    st.sampled_from((torch.float32, torch.float64)),
    st.integers(1, 2),
)


@settings(max_examples=300, deadline=None, database=None)
@given(FIELDS, FIELDS)
def test_captures_are_equal_exactly_if_their_values_are(first, second):
    a, b = capture_of(first), capture_of(second)
    assert (a == b) is (first == second)  # tuples of numbers compare by value, 0.0 and -0.0 alike
    assert (a != b) is (first != second)
    if a == b:
        assert hash(a) == hash(b) and len({a, b}) == 1
    copy_of_a = capture_of(first)
    assert a == copy_of_a and hash(a) == hash(copy_of_a)


def test_what_makes_captures_differ(capture):
    for change in (
        {"cfa": "RGGB"},
        {"black": capture.black + torch.tensor([0, 0, 0, 1e-9], dtype=torch.float64)},
        {"noise": None},
        {"camera": ("other",)},
        {"orientation": ()},
        {"white": capture.white.float()},
    ):
        assert capture.replace(**change) != capture
    assert Capture.collate([capture, capture]) != capture
    assert capture.to("meta") != capture and capture.to("meta") == capture.to("meta")
    assert hash(capture.to("meta")) == hash(capture.to("meta"))
    assert capture != "capture" and capture != capture.black.tolist()


def test_captures_cannot_be_changed(capture):
    with pytest.raises(AttributeError):
        capture.cfa = "RGGB"
