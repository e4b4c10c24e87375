"""Registration of embedded previews in the frame of the sensor."""

import pytest
import torch
from torch.nn import functional as F

from isptoolkit import Capture, errors, write_dng
from isptoolkit.data.registration import Placement, place, register
from isptoolkit.io.embedded import read_embedded
from isptoolkit.io.libraw import render_by_libraw


def frame(height, width):
    torch.manual_seed(3)
    coarse = torch.rand(1, 3, height // 8, width // 8)
    return F.interpolate(coarse, (height, width), mode="bicubic") + 0.02 * torch.randn(1, 3, height, width)


@pytest.mark.parametrize("box", [(6, 18, 420, 560), (0, 0, 432, 576), (11, 3, 405, 540)], ids=str)
def test_a_known_box_is_found(box):
    top, left, height, width = box
    image = frame(432, 576)
    part = F.interpolate(
        image[..., top : top + height, left : left + width], (150, 200), mode="bilinear", antialias=True
    )
    result = register(0.4 * part.clamp_min(0) ** 1.5 + 0.1, image)
    assert (result.top, result.left, result.height, result.width) == pytest.approx(box, abs=1.5)
    assert result.correlation > 0.9


def test_registered_previews_are_placed_in_position():
    image = frame(200, 300)
    preview = F.interpolate(image, (100, 150), mode="area")
    placed = place(preview, register(preview, image), 20, 30, 100, 120)
    expected = image[..., 20:120, 30:150]
    assert float((placed - expected).abs().mean()) < 0.03


@pytest.mark.parametrize("name", ["canon-powershot-s40/CRW_0101.CRW", "canon-powershot-g2/CRW_0305.CRW"])
def test_the_box_of_embedded_previews(name, data):
    """Known independently, from a search and from documentation: x 18, y 6, 2276 x 1707."""
    path = data / "digicam_corpus" / name
    result = register(read_embedded(path), render_by_libraw(path))
    assert (result.top, result.left, result.height, result.width) == pytest.approx((6, 18, 1707, 2276), abs=2.5)


def test_previews_that_do_not_fit():
    with pytest.raises(
        errors.InvalidArgument, match=r"\[200, 300\] pixels cannot be registered in a frame of \[100, 150\]"
    ):
        register(torch.rand(1, 3, 200, 300), torch.rand(1, 3, 100, 150))
    for height, width in ((31, 64), (64, 31)):
        with pytest.raises(errors.InvalidArgument, match=rf"\[{height}, {width}\] pixels cannot be registered"):
            register(torch.rand(1, 3, height, width), torch.rand(1, 3, 100, 150))
    with pytest.raises(errors.InvalidArgument, match="cannot be registered"):
        register(torch.rand(1, 3, 8, 8), torch.rand(1, 3, 100, 150))


def test_resampled_values():
    """A box as large as its preview returns the preview; half a pixel off, torch's cubic weights of a midpoint."""
    preview = torch.rand(1, 3, 12, 14, generator=torch.Generator().manual_seed(0))
    placed = place(preview, Placement(5.0, 7.0, 12.0, 14.0, 1.0), 5, 7, 12, 14)
    torch.testing.assert_close(placed, preview, rtol=0, atol=1e-5)
    placed = place(preview, Placement(4.5, 7.0, 12.0, 14.0, 1.0), 6, 9, 8, 10)
    weights = (-0.09375, 0.59375, 0.59375, -0.09375)
    expected = sum(weight * preview[..., n : n + 8, 2:12] for n, weight in enumerate(weights))
    torch.testing.assert_close(placed, expected, rtol=0, atol=1e-5)


def test_a_file_without_a_preview(tmp_path):
    capture = Capture.of("RGGB", black=64, white=1023, gains=(2.0, 1.0, 1.5))
    write_dng(tmp_path / "plain.dng", torch.full((1, 1, 32, 48), 500.0), capture)
    with pytest.raises(errors.UnreadableFile, match="plain.dng has no embedded preview that LibRaw can read$"):
        read_embedded(tmp_path / "plain.dng")
