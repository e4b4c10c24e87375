"""The upsampling of the U-Net and of the residual decoder block, by their definitions."""

import pytest
import torch
from torch.nn import functional as F

from isptoolkit import errors
from isptoolkit.learned import UNet, UpsampleBlock
from isptoolkit.learned.unet import _upsample


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (4, 2)], ids=str)
def test_upsampling_keeps_samples_and_inserts_means(size):
    x = torch.rand(2, 3, *size, dtype=torch.float64)
    expected = x
    for axis in (2, 3):
        last = expected.narrow(axis, expected.shape[axis] - 1, 1)
        following = torch.cat((expected.narrow(axis, 1, expected.shape[axis] - 1), last), axis)
        expected = torch.stack((expected, (expected + following) / 2), axis + 1).flatten(axis, axis + 1)
    torch.testing.assert_close(_upsample(x), expected)


def test_borders_are_repeated_up_to_whole_cells():
    torch.manual_seed(0)
    net, x = UNet(2, 1, (4, 6, 8)), torch.rand(1, 2, 9, 14)
    with torch.no_grad():
        whole = net(F.pad(x, (0, 2, 0, 3), mode="replicate"))
        torch.testing.assert_close(net(x), whole[..., :9, :14])
    with pytest.raises(errors.InvalidArgument, match="needs at least two widths, got \\(4,\\)"):
        UNet(2, 1, (4,))


@pytest.mark.parametrize("outputs", [8, 16])
def test_channels_are_shuffled_after_the_shortcut_is_added(outputs):
    torch.manual_seed(0)
    part, x = UpsampleBlock(8, outputs), torch.rand(1, 8, 3, 4) - 0.5
    shortcut = x if outputs == 8 else F.conv2d(x, part.straight.weight, part.straight.bias)
    y = F.conv2d(F.conv2d(x, part.first.weight, part.first.bias), part.second.weight, part.second.bias) + shortcut
    y = torch.where(y > 0, y, 0.2 * y)
    output = part(x)
    for site in range(4):
        torch.testing.assert_close(output[..., site // 2 :: 2, site % 2 :: 2], y[:, site::4])
