"""Self-ensemble: its result for a convolution, and that it commutes with rotations."""

import pytest
import torch

from isptoolkit import PACKED, SRGB, Capture, Stage, errors, stages
from isptoolkit.learned import SelfEnsemble
from isptoolkit.recipes import rst_isp_net

CAPTURE = Capture.of("RGGB")


def test_the_ensemble_of_a_network():
    """The network does not commute with transposition; its ensemble does."""
    torch.manual_seed(0)
    stage = SelfEnsemble(rst_isp_net.build(rst_isp_net.LEAN).eval())
    x = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        whole = stages.Pack().inverse(stage(x, CAPTURE), CAPTURE)
        transposed = stages.Pack().inverse(stage(x.transpose(2, 3), CAPTURE), CAPTURE)
    torch.testing.assert_close(whole.transpose(2, 3), transposed)
    with pytest.raises(errors.InvalidArgument, match="needs a stage srgb -> packed"):
        SelfEnsemble(stages.SRGBCurve())


class Convolved(Stage):
    """A convolution with repeated borders, sampled and packed."""

    takes, gives, contract = SRGB, PACKED, stages.Pack().contract

    def __init__(self, kernel):
        super().__init__()
        self.kernel = kernel

    def forward(self, x, capture):
        padded = torch.nn.functional.pad(x, (1, 1, 1, 1), mode="replicate")
        y = torch.nn.functional.conv2d(padded, self.kernel.expand(3, 1, 3, 3), groups=3)
        return stages.Pack()(stages.Mosaic()(y, capture), capture)


def test_the_ensemble_of_a_convolution_is_that_of_the_mean_kernel():
    """The mean over the eight orientations of the kernel, at the borders too."""
    torch.manual_seed(0)
    kernel, x = torch.rand(3, 3).double(), torch.rand(2, 3, 8, 10).double()
    rotated = [kernel.rot90(count) for count in range(4)]
    mean = torch.stack([*rotated, *(one.T for one in rotated)]).mean(0)
    torch.testing.assert_close(SelfEnsemble(Convolved(kernel))(x, CAPTURE), Convolved(mean)(x, CAPTURE))
