"""Style removal: normalize features, and give them statistics that a network predicts from their Gram matrix."""

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
"""Border modes of downsampling blocks: `repeated` pads by repetition, `published` with zeros."""


def gram(x: Tensor) -> Tensor:
    """The Gram matrix of features, `G = X X^T / (H W)`: `[B,C,H,W]` to `[B,C,C]`.

    Source: Gatys et al., "Image style transfer using convolutional neural networks", CVPR 2016, equation 3.

    >>> gram(torch.ones(1, 2, 3, 4))[0].tolist()
    [[1.0, 1.0], [1.0, 1.0]]
    """
    flat = x.flatten(2)
    output: Tensor = flat @ flat.transpose(1, 2) / flat.shape[2]
    return output


class EqualizedConv2d(nn.Module):
    """A convolution with equalized learning rate: weights from N(0, 1), scaled by `1 / sqrt(inputs kernel^2)`.

    `[B,inputs,H,W]` to `[B,outputs,H',W']`, without bias.

    Args:
        inputs: input channels.
        outputs: output channels.
        kernel: odd size.
        stride: of the convolution.
        padding: zeros on every side; None keeps the size (for stride 1).

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
    """`y = sqrt(2) leaky_relu(x + b, 0.2)`, which preserves the variance; one bias per channel of `[B,C,...]`.

    Args:
        channels: C.

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
    """Linear layers from the Gram matrix of features `[B,inputs,H,W]` to AdaIN's scale and shift, `[B,outputs]` each.

    With `reduced`, a 1x1 convolution first mixes the features down to that many channels, and only one triangle of the
    symmetric matrix is used; without, every entry enters the layers twice, which hold most parameters of the published
    network.

    Args:
        inputs: channels of the features.
        outputs: channels of scale and shift.
        layers: number of layers, without activations in between; five in the paper, two in the submitted code.
        reduced: channels after mixing; 0 uses the full matrix.

    Raises:
        InvalidArgument: for fewer than one layer.

    Source: Kinli, Ozcan and Kirac, "Reversing image signal processors by reverse style transferring", AIM 2022
    reversed ISP challenge (RST-ISP-Net).

    >>> [tuple(part.shape) for part in StyleExtractor(4, 6)(torch.rand(2, 4, 5, 5))]
    [(2, 6), (2, 6)]
    """

    def __init__(self, inputs: int, outputs: int, layers: int = 2, reduced: int = 0) -> None:
        super().__init__()
        if layers < 1:
            raise InvalidArgument(f"StyleExtractor needs at least one layer, got {layers}")
        self.mix = nn.Conv2d(inputs, reduced, 1, bias=False) if reduced else None
        entries = reduced * (reduced + 1) // 2 if reduced else inputs**2
        sizes = [entries, *[2 * outputs] * layers]
        self.layers = nn.Sequential(*(nn.Linear(a, b) for a, b in itertools.pairwise(sizes)))
        last: Any = self.layers[-1]
        with torch.no_grad():  # initialized to scale 1, shift 0
            last.weight.mul_(0.1)
            last.bias.zero_()
            last.bias[:outputs] = 1

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        if self.mix is None:
            entries = gram(x).flatten(1)
        else:
            matrix = gram(self.mix(x))
            rows, columns = torch.triu_indices(*matrix.shape[1:], device=x.device)
            entries = matrix[:, rows, columns]
        scale, shift = self.layers(entries).chunk(2, 1)
        return scale, shift


class CBAM(nn.Module):
    """Reweight features by channel, then by pixel, each from means and maxima: `[B,C,H,W]` to `[B,C,H,W]`.

    `y = x sigmoid(W2 relu(W1 mean) + W2 relu(W1 max))` with mean and maximum of each channel, then
    `z = y sigmoid(conv7x7([mean, max]))` with mean and maximum of each pixel. W1 reduces the channels by 16.

    Args:
        channels: C.

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
        return self.reweight(x, x.mean((2, 3), keepdim=True), x.amax((2, 3), keepdim=True))

    def reweight(self, x: Tensor, mean: Tensor, maximum: Tensor) -> Tensor:
        """Reweight features by given mean and maximum of the channels, `[B,C,1,1]` each."""
        x = x * torch.sigmoid(self.channels(mean) + self.channels(maximum))
        pooled = torch.cat((x.mean(1, keepdim=True), x.amax(1, keepdim=True)), 1)
        output: Tensor = x * torch.sigmoid(self.pixels(pooled))
        return output


class StyleRemoval(nn.Module):
    """A residual block that replaces the statistics of its features by those of a style extractor (AdaIN).

    `[B,inputs,H,W]` to `[B,outputs,H,W]`, or to half the height and width, rounded up.

    Args:
        inputs: input channels.
        outputs: output channels.
        kernel: of both convolutions.
        down: halve height and width after a blur.
        attention: add `CBAM`.
        layers: of the style extractor.
        reduced: channels of the style extractor's Gram matrix; 0 uses all.
        borders: of a downsampling block: "repeated" repeats the border for the blur and accepts any size; "published"
            pads the blur with zeros and leaves the next convolution unpadded, which needs even height and width.
        odd: with published borders, pad that convolution by 1, which needs odd height and width.
        epsilon: of `adain`; 0 in the published code, where features without variance become NaN.

    Raises:
        InvalidArgument: for other borders.
        InvalidSize: in `forward`, for sizes that published borders cannot halve.

    Source: Kinli, Ozcan and Kirac, "Reversing image signal processors by reverse style transferring", AIM 2022
    reversed ISP challenge (RST-ISP-Net); the blur by `(1, 3, 3, 1) / 8` is that of StyleGAN2.

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
            raise InvalidArgument(f"StyleRemoval: borders must be {' or '.join(BORDERS)}, got {borders!r}")
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
            parity = "odd" if self.odd else "even"
            raise InvalidSize(f"StyleRemoval: published borders need {parity} sizes here, got {list(x.shape[2:])}")
        scale, shift = self.style(x)
        if large(x):
            return self._in_strips(x, scale, shift)
        y = adain(self._features(x), scale, shift, self.epsilon)
        return self._finish(x, y if self.attention is None else self.attention(y))

    def _features(self, x: Tensor) -> Tensor:
        y = self.leaky[0](self.first(x))
        if self.blur is not None:
            y = self.blur(y)
        output: Tensor = self.leaky[1](self.second(y))
        if self.published and self.odd:  # strips have even heights
            output = output[:, :, : -(-x.shape[2] // 2)]
        return output

    def _finish(self, x: Tensor, y: Tensor) -> Tensor:
        output: Tensor = self.leaky[2](y + (x if self.shortcut is None else self.shortcut(x)))
        return output

    def _in_strips(self, x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        """Run in two passes over strips: first the statistics of the features, then the rest."""
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
        # AdaIN is affine, y -> slope y + offset: its mean is the shift, its maximum lies at one end.
        slope = scale / torch.sqrt(variance + self.epsilon).to(scale)
        offset = shift - mean.to(scale) * slope
        highest = torch.maximum(slope * least, slope * most) + offset
        slope, offset, middle, highest = (value[..., None, None] for value in (slope, offset, shift, highest))

        def work(part: Tensor) -> Tensor:
            y = slope * self._features(part) + offset
            return self._finish(part, y if self.attention is None else self.attention.reweight(y, middle, highest))

        return in_strips(work, x, halo, down)
