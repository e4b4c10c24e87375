"""Removing a picture's style: features normalized, and given statistics that a network reads off their Gram matrix."""

import itertools
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..errors import InvalidArgument, InvalidSize
from .adain import EPSILON, adain
from .blur import Blur
from .strips import in_strips, large, strips

BORDERS = ("repeated", "published")
"""What blocks that halve find outside their features, see `StyleRemoval`."""


def gram(x: Tensor) -> Tensor:
    """What channels have in common, wherever it is: `G = X X^T / (H W)`, `[B,C,H,W]` to `[B,C,C]`.

    Source: Gatys et al., "Image style transfer using convolutional neural networks", CVPR 2016, equation 3.

    >>> gram(torch.ones(1, 2, 3, 4))[0].tolist()
    [[1.0, 1.0], [1.0, 1.0]]
    """
    flat = x.flatten(2)
    made: Tensor = flat @ flat.transpose(1, 2) / flat.shape[2]
    return made


class EqualizedConv2d(nn.Module):
    """A convolution whose weights are drawn from N(0, 1) and scaled as it runs, by `1 / sqrt(inputs kernel^2)`.

    Args:
        inputs: channels.
        outputs: channels.
        kernel: odd.
        stride: of the convolution.
        padding: zeros on every side; None keeps the size (but for the stride).

    Source: Karras et al., "Progressive growing of GANs", ICLR 2018, section 4.1.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, padding: int | None = None) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.stride, self.scale = stride, (inputs * kernel**2) ** -0.5
        self.padding = kernel // 2 if padding is None else padding

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight * self.scale, stride=self.stride, padding=self.padding)


class BiasedLeaky(nn.Module):
    """`sqrt(2) leaky_relu(x + b, 0.2)`, which keeps the variance; one b for each channel of `[B,C,...]`.

    Source: Karras et al., "Analyzing and improving the image quality of StyleGAN", CVPR 2020.

    >>> BiasedLeaky(2)(torch.tensor([[1.0, -1.0]])).detach()
    tensor([[ 1.4142, -0.2828]])
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return 2**0.5 * F.leaky_relu(x + self.bias.view(-1, *[1] * (x.ndim - 2)), 0.2)


class StyleExtractor(nn.Module):
    """Fully connected layers from the Gram matrix of features to deviations and means of the next ones.

    With `reduced`, features are first mixed down to so many channels, and of the matrix, which is symmetric, one
    triangle is read: most parameters of the published network are in layers that see every entry twice.

    Args:
        inputs: channels of the features.
        outputs: channels that get statistics.
        layers: how many; the paper has five, the submitted program two, and neither has anything between them.
        reduced: channels after mixing; 0 takes the full matrix.

    Raises:
        InvalidArgument: for no layer.

    Source: Kinli, Ozcan and Kirac, "Reversing image signal processors by reverse style transferring", AIM 2022
    reversed ISP challenge (RST-ISP-Net).

    >>> [tuple(part.shape) for part in StyleExtractor(4, 6)(torch.rand(2, 4, 5, 5))]
    [(2, 6), (2, 6)]
    """

    def __init__(self, inputs: int, outputs: int, layers: int = 2, reduced: int = 0) -> None:
        super().__init__()
        if layers < 1:
            raise InvalidArgument(f"StyleExtractor: at least one layer, got {layers}")
        self.mix = nn.Conv2d(inputs, reduced, 1, bias=False) if reduced else None
        entries = reduced * (reduced + 1) // 2 if reduced else inputs**2
        sizes = [entries, *[2 * outputs] * layers]
        self.layers = nn.Sequential(*(nn.Linear(a, b) for a, b in itertools.pairwise(sizes)))
        last: Any = self.layers[-1]
        with torch.no_grad():  # begins as: deviation 1, mean 0
            last.weight.mul_(0.1)
            last.bias.zero_()
            last.bias[:outputs] = 1

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        if self.mix is None:
            seen = gram(x).flatten(1)
        else:
            matrix = gram(self.mix(x))
            rows, columns = torch.triu_indices(*matrix.shape[1:], device=x.device)
            seen = matrix[:, rows, columns]
        scale, shift = self.layers(seen).chunk(2, 1)
        return scale, shift


class CBAM(nn.Module):
    """Features weighed by channel, then by pixel, each from its means and maxima.

    Source: Woo et al., "CBAM: convolutional block attention module", ECCV 2018.

    >>> CBAM(16)(torch.rand(1, 16, 5, 5)).shape
    torch.Size([1, 16, 5, 5])
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        narrow = max(1, channels // 16)
        first, second = (nn.Conv2d(*pair, 1, bias=False) for pair in ((channels, narrow), (narrow, channels)))
        self.channels = nn.Sequential(first, nn.ReLU(), second)
        self.pixels = nn.Conv2d(2, 1, 7, padding=3, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.weighed(x, x.mean((2, 3), keepdim=True), x.amax((2, 3), keepdim=True))

    def weighed(self, x: Tensor, mean: Tensor, most: Tensor) -> Tensor:
        """The same, where mean and maximum of the channels, `[B,C,1,1]`, are known."""
        x = x * torch.sigmoid(self.channels(mean) + self.channels(most))
        seen = torch.cat((x.mean(1, keepdim=True), x.amax(1, keepdim=True)), 1)
        made: Tensor = x * torch.sigmoid(self.pixels(seen))
        return made


class StyleRemoval(nn.Module):
    """A residual block whose features lose their statistics and get those of the style extractor (AdaIN).

    Args:
        inputs: channels.
        outputs: channels.
        kernel: of both convolutions.
        down: halve height and width (rounded up), blurred first.
        attention: weigh the features.
        layers: of the style extractor.
        reduced: see `StyleExtractor`.
        borders: what a block that halves finds outside its features: "repeated", the blur repeats their border and any
            size will do; "published", zeros before the blur, and the convolution after it is unpadded, so that height
            and width must be even.
        odd: with published borders, pad that convolution by 1 instead: height and width must be odd.
        epsilon: of `adain`; 0 in the program, where features without any variance become NaN.

    Raises:
        InvalidArgument: for other borders.
        InvalidSize: in `forward`, for sizes that published borders cannot halve.

    Source: as `StyleExtractor`; blur by `(1, 3, 3, 1) / 8` as StyleGAN2 has it.

    >>> StyleRemoval(3, 8, down=True)(torch.zeros(1, 3, 9, 8)).shape
    torch.Size([1, 8, 5, 4])
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 3,
        down: bool = False,
        attention: bool = False,
        layers: int = 2,
        reduced: int = 0,
        borders: str = "repeated",
        odd: bool = False,
        epsilon: float = EPSILON,
    ) -> None:
        super().__init__()
        if borders not in BORDERS:
            raise InvalidArgument(f"StyleRemoval: borders are {' or '.join(BORDERS)}, got {borders!r}")
        self.down, self.odd, self.epsilon = down, odd, epsilon
        self.published = down and borders == "published"
        self.style = StyleExtractor(inputs, outputs, layers, reduced)
        padding = int(odd) if self.published else None
        self.first = EqualizedConv2d(inputs, outputs, kernel)
        self.second = EqualizedConv2d(outputs, outputs, kernel, 1 + down, padding)
        self.leaky = nn.ModuleList(BiasedLeaky(outputs) for _ in range(3))
        self.attention = CBAM(outputs) if attention else None
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride=1 + down) if inputs != outputs or down else None
        blur = Blur(2, 2, repeated=False) if self.published else Blur()
        self.blur = blur if down else None

    def forward(self, x: Tensor) -> Tensor:
        if self.published and any(size % 2 != self.odd for size in x.shape[2:]):
            takes = "odd" if self.odd else "even"
            raise InvalidSize(f"StyleRemoval: published borders need {takes} sizes here, got {list(x.shape[2:])}")
        scale, shift = self.style(x)
        if large(x):
            return self._in_strips(x, scale, shift)
        y = adain(self._features(x), scale, shift, self.epsilon)
        return self._ended(x, y if self.attention is None else self.attention(y))

    def _features(self, x: Tensor) -> Tensor:
        y = self.leaky[0](self.first(x))
        if self.blur is not None:
            y = self.blur(y)
        made: Tensor = self.leaky[1](self.second(y))
        if self.published and self.odd:  # strips have even heights
            made = made[:, :, : -(-x.shape[2] // 2)]
        return made

    def _ended(self, x: Tensor, y: Tensor) -> Tensor:
        made: Tensor = self.leaky[2](y + (x if self.shortcut is None else self.shortcut(x)))
        return made

    def _in_strips(self, x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        """In two passes (see `isptoolkit.learned.strips`): first the features' statistics, then the rest."""
        halo, down = 16, 1 + self.down
        total = torch.zeros_like(scale, dtype=torch.float64)
        squares, least, most = total.clone(), torch.full_like(scale, torch.inf), torch.full_like(scale, -torch.inf)
        count = 0
        for part, own in strips(x, halo):
            y = self._features(part)[:, :, own.start // down : -(-own.stop // down)]
            total, squares = total + y.double().sum((2, 3)), squares + y.double().square().sum((2, 3))
            least, most = torch.minimum(least, y.amin((2, 3))), torch.maximum(most, y.amax((2, 3)))
            count += y.shape[2] * y.shape[3]
        mean = total / count
        variance = ((squares - total * mean) / max(count - 1, 1)).clamp_min(0)
        # AdaIN as a line: y -> slope y + offset; its mean is the shift, its maximum that of one end.
        slope = scale / torch.sqrt(variance + self.epsilon).to(scale)
        offset = shift - mean.to(scale) * slope
        highest = torch.maximum(slope * least, slope * most) + offset
        slope, offset, middle, highest = (value[..., None, None] for value in (slope, offset, shift, highest))

        def work(part: Tensor) -> Tensor:
            y = slope * self._features(part) + offset
            return self._ended(part, y if self.attention is None else self.attention.weighed(y, middle, highest))

        return in_strips(work, x, halo, down)
