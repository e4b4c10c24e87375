"""Metrics between two images or two RAWs: one number per sample, in float64."""

import functools
import math
import pickle
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from .capture import Capture
from .errors import InvalidArgument, InvalidTensor, UnreadableFile, needs
from .spaces import XYZ_FROM_SRGB

__all__ = [
    "delta_e2000",
    "digital_numbers",
    "highlight_hue_error",
    "lpips",
    "ms_ssim",
    "psnr",
    "ssim",
]


def psnr(output: Tensor, target: Tensor, peak: float = 1.0) -> Tensor:
    """Peak signal-to-noise ratio, `10 log10(peak^2 / mean((output - target)^2))` in dB; infinite for equal samples.

    Args:
        output: `[B,C,H,W]`.
        target: `[B,C,H,W]`.
        peak: the largest value.

    Returns:
        `[B]`.

    >>> psnr(torch.zeros(1, 3, 4, 4), torch.full((1, 3, 4, 4), 0.1))
    tensor([20.0000], dtype=torch.float64)
    """
    output, target = _pair(output, target)
    return 10 * torch.log10(peak**2 / (output - target).square().mean((1, 2, 3)))


def ssim(output: Tensor, target: Tensor, peak: float = 1.0, taps: int = 13) -> Tensor:
    """Structural similarity per channel, with Gaussian weights of sigma 1.5, averaged over channels and pixels.

    Borders are mirrored with the edge pixel repeated, and the outer five pixels are left out, as in the starter code of
    the AIM 2022 challenge, whose Gaussian has 13 taps; newer versions of scikit-image use 11.

    Args:
        output: `[B,C,H,W]`, more than 10 pixels high and wide.
        target: `[B,C,H,W]`.
        peak: the range of values.
        taps: of the Gaussian, odd.

    Returns:
        `[B]`, at most 1.

    Raises:
        InvalidTensor: for smaller images.

    Source: Wang, Bovik, Sheikh and Simoncelli, IEEE TIP 2004, K = (0.01, 0.03), population covariance.

    >>> x = torch.rand(1, 3, 16, 16)
    >>> ssim(x, x)
    tensor([1.], dtype=torch.float64)
    """
    output, target = _pair(output, target)
    if min(output.shape[2:]) < 11:
        raise InvalidTensor(f"ssim takes more than 10 pixels in height and width, got {list(output.shape[2:])}")
    x, y = (_blurred(z, taps) for z in (output, target))
    xx, yy, xy = (_blurred(z, taps) for z in (output * output, target * target, output * target))
    first, second = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    similarity = (2 * x * y + first) * (2 * (xy - x * y) + second)
    similarity = similarity / ((x * x + y * y + first) * (xx - x * x + yy - y * y + second))
    return similarity[..., 5:-5, 5:-5].mean((1, 2, 3))


def ms_ssim(output: Tensor, target: Tensor, peak: float = 1.0) -> Tensor:
    """Multi-scale structural similarity over five dyadic scales, computed by torchmetrics.

    Args:
        output: `[B,C,H,W]`, more than 160 pixels high and wide.
        target: `[B,C,H,W]`.
        peak: the range of values.

    Returns:
        `[B]`.

    Raises:
        InvalidTensor: for smaller images.
        MissingPackage: if torchmetrics is not installed.

    Source: Wang, Simoncelli and Bovik, Asilomar 2003.
    """
    with needs("metrics", "MS-SSIM needs torchmetrics"):
        from torchmetrics.functional.image import multiscale_structural_similarity_index_measure
    output, target = _pair(output, target)
    if min(output.shape[2:]) < 161:
        raise InvalidTensor(f"ms_ssim takes more than 160 pixels in height and width, got {list(output.shape[2:])}")
    similarity: Any = multiscale_structural_similarity_index_measure(output, target, data_range=peak, reduction="none")
    return torch.as_tensor(similarity).reshape(-1)


def delta_e2000(output: Tensor, target: Tensor) -> Tensor:
    """Mean CIEDE2000 color difference between sRGB images under D65, both clipped to [0, 1].

    Args:
        output: `[B,3,H,W]` sRGB.
        target: `[B,3,H,W]` sRGB.

    Returns:
        `[B]`; a difference of about 1 is just visible.

    Source: CIE 142-2001, with the constants of Sharma, Wu and Dalal, Color Research and Application 2005.

    >>> white, gray = torch.ones(1, 3, 1, 1), torch.full((1, 3, 1, 1), 0.5)
    >>> round(float(delta_e2000(white, gray)), 3)
    33.415
    """
    output, target = _pair(output, target)
    return _difference(_lab(output), _lab(target)).mean((1, 2))


def highlight_hue_error(output: Tensor, target: Tensor, least: float = 80.0) -> Tensor:
    """Mean hue error of highlights in degrees, which exposes skies that clipped channels turn magenta.

    The mean is over pixels of `target` with lightness L* of at least `least`, weighted by the geometric mean of both
    chromas, since gray has no hue.

    Args:
        output: `[B,3,H,W]` sRGB.
        target: `[B,3,H,W]` sRGB.
        least: lightness L* of the darkest highlight.

    Returns:
        `[B]`, 0 to 180; NaN for an image without highlights.

    Source: defined here.
    """
    output, target = _pair(output, target)
    first, second = _lab(output), _lab(target)
    chroma = (first[:, 1:].norm(dim=1) * second[:, 1:].norm(dim=1)).sqrt() * (second[:, 0] >= least)
    angle = torch.atan2(first[:, 2], first[:, 1]) - torch.atan2(second[:, 2], second[:, 1])
    angle = torch.rad2deg((torch.remainder(angle + math.pi, 2 * math.pi) - math.pi).abs())
    error: Tensor = (angle * chroma).sum((1, 2)) / chroma.sum((1, 2))
    return error


def digital_numbers(output: Tensor, target: Tensor, capture: Capture) -> Tensor:
    """Mean absolute error of RAW in digital numbers, from tensors with black at 0 and white at 1.

    Args:
        output: `[B,C,H,W]`.
        target: `[B,C,H,W]`.
        capture: of the same samples; its levels scale the error.

    Returns:
        `[B]`.

    >>> digital_numbers(torch.zeros(1, 4, 2, 2), torch.ones(1, 4, 2, 2), Capture.of("RGGB", black=64, white=1023))
    tensor([959.], dtype=torch.float64)
    """
    output, target = _pair(output, target)
    span = capture.white.double().reshape(-1) - capture.black.double().mean(1)
    error: Tensor = (output - target).abs().mean((1, 2, 3)) * span
    return error


def lpips(output: Tensor, target: Tensor, weights: Path, backbone: Path) -> Tensor:
    """Learned perceptual distance between sRGB images (AlexNet), computed by the package lpips.

    Args:
        output: `[B,3,H,W]` sRGB, 0 to 1.
        target: `[B,3,H,W]` sRGB, 0 to 1.
        weights: the linear layers of LPIPS, such as `lpips/weights/v0.1/alex.pth`.
        backbone: torchvision's AlexNet, such as `alexnet-owt-7be5be79.pth`.

    Returns:
        `[B]`.

    Raises:
        MissingPackage: if lpips, or the torchvision that it needs, cannot be imported.
        InvalidArgument: for missing files, or weights of another network.
        UnreadableFile: for damaged files.

    Source: Zhang et al., "The unreasonable effectiveness of deep features as a perceptual metric", CVPR 2018.
    """
    for path in (weights, backbone):
        if not Path(path).is_file():
            raise InvalidArgument(f"LPIPS needs its weights: {path} is not a file")
    output, target = _pair(output, target)
    with torch.no_grad():
        distance: Tensor = _lpips(Path(weights), Path(backbone))(output.float(), target.float(), normalize=True)
    return distance.reshape(-1).double()


@functools.lru_cache(1)
def _lpips(weights: Path, backbone: Path) -> Any:
    with needs("lpips", "LPIPS needs lpips and a torchvision of the same build as torch"):
        import lpips as package
    net: Any = package.LPIPS(net="alex", pnet_rand=True, pretrained=False, verbose=False).eval()
    features = _tensors(backbone)
    convolutions = [features.get(f"features.{n}.{kind}") for n in (0, 3, 6, 8, 10) for kind in ("weight", "bias")]
    with torch.no_grad():
        for own, value in zip(net.net.parameters(), convolutions, strict=True):
            if value is None or value.shape != own.shape:
                raise InvalidArgument(f"{backbone} does not hold the weights of torchvision's AlexNet")
            own.copy_(value)
        layers = _tensors(weights)
        # The package registers each linear layer as lin0 and as lins.0; the file has only the first.
        linear = {k: v for k, v in net.state_dict().items() if k.startswith("lin") and not k.startswith("lins.")}
        if layers.keys() != linear.keys():
            name = min(layers.keys() ^ linear.keys())
            missing = "unexpected" if name in layers else "missing"
            raise InvalidArgument(
                f"{weights} does not hold the linear layers of LPIPS with AlexNet: {name} is {missing}"
            )
        for name, own in linear.items():
            if layers[name].shape != own.shape:
                raise InvalidArgument(
                    f"{weights}: {name} must have shape {list(own.shape)}, got {list(layers[name].shape)}"
                )
            own.copy_(layers[name])
    return net


def _tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a published file by name; nothing else is unpickled."""
    try:
        state: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
        raise UnreadableFile(f"{path} does not hold weights ({type(error).__name__}): download it again") from None
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise UnreadableFile(f"{path} does not hold weights by name: download it again")
    return state


def _pair(output: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    if output.shape != target.shape or output.ndim != 4:
        raise InvalidTensor(
            f"metrics take two [B,C,H,W] tensors of one shape, got {list(output.shape)} and {list(target.shape)}"
        )
    return output.detach().double(), target.detach().double()


def _blurred(x: Tensor, taps: int) -> Tensor:
    half = taps // 2
    line = torch.exp(-(torch.arange(-half, half + 1, dtype=x.dtype, device=x.device) ** 2) / (2 * 1.5**2))
    line = (line / line.sum()).expand(x.shape[1], 1, -1)
    x = torch.cat((x[..., :half].flip(-1), x, x[..., -half:].flip(-1)), -1)
    x = torch.cat((x[..., :half, :].flip(-2), x, x[..., -half:, :].flip(-2)), -2)
    x = F.conv2d(x, line[:, :, None, :], groups=x.shape[1])
    return F.conv2d(x, line[:, :, :, None], groups=x.shape[1])


def _lab(x: Tensor) -> Tensor:
    """SRGB to CIE L*a*b*, by IEC 61966-2-1 and CIE 15."""
    x = x.clamp(0, 1)
    linear = torch.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)
    matrix = XYZ_FROM_SRGB.to(x)
    xyz = torch.einsum("ij,bjhw->bihw", matrix / matrix.sum(1, keepdim=True), linear)
    f = torch.where(xyz > (6 / 29) ** 3, xyz.clamp_min(1e-12) ** (1 / 3), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return torch.stack((116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])), 1)


def _difference(first: Tensor, second: Tensor) -> Tensor:
    """CIEDE2000 between L*a*b* images `[B,3,H,W]`, in the notation of Sharma et al."""
    middle = (first[:, 1:].norm(dim=1) + second[:, 1:].norm(dim=1)) / 2
    gray = 1.5 - 0.5 * torch.sqrt(middle**7 / (middle**7 + 25.0**7))
    (l1, a1, b1), (l2, a2, b2) = (z.unbind(1) for z in (first, second))
    c1, c2 = torch.hypot(a1 * gray, b1), torch.hypot(a2 * gray, b2)
    h1, h2 = (torch.remainder(torch.atan2(b, a * gray), 2 * math.pi) for a, b in ((a1, b1), (a2, b2)))
    colored = c1 * c2 != 0
    turn = torch.remainder(h2 - h1 + math.pi, 2 * math.pi) - math.pi
    turn = torch.where(h2 - h1 == math.pi, math.pi, turn) * colored
    hue = torch.where((h1 - h2).abs() <= math.pi, (h1 + h2) / 2, torch.remainder((h1 + h2) / 2 + math.pi, 2 * math.pi))
    hue = torch.where(colored, hue, h1 + h2)
    mean, c = (l1 + l2) / 2, (c1 + c2) / 2
    degrees = torch.rad2deg(hue)
    t = (
        1
        - 0.17 * torch.cos(hue - math.radians(30))
        + 0.24 * torch.cos(2 * hue)
        + 0.32 * torch.cos(3 * hue + math.radians(6))
        - 0.20 * torch.cos(4 * hue - math.radians(63))
    )
    light = (l2 - l1) / (1 + 0.015 * (mean - 50) ** 2 / torch.sqrt(20 + (mean - 50) ** 2))
    chroma = (c2 - c1) / (1 + 0.045 * c)
    tint = 2 * torch.sqrt(c1 * c2) * torch.sin(turn / 2) / (1 + 0.015 * c * t)
    twist = torch.deg2rad(60 * torch.exp(-(((degrees - 275) / 25) ** 2)))
    rotation = -torch.sin(twist) * 2 * torch.sqrt(c**7 / (c**7 + 25.0**7))
    return torch.sqrt((light**2 + chroma**2 + tint**2 + rotation * chroma * tint).clamp_min(0))


def __dir__() -> list[str]:
    return sorted([*__all__, *(name for name in globals() if name.startswith("__"))])
