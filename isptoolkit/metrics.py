"""How far two pictures, or two RAW, are apart: one number for each sample, in float64."""

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


def psnr(made: Tensor, wanted: Tensor, peak: float = 1.0) -> Tensor:
    """`10 log10(peak^2 / mean of (made - wanted)^2)` in dB, infinite for equal samples.

    Args:
        made: `[B,C,H,W]`.
        wanted: the same shape.
        peak: the largest value.

    Returns:
        `[B]`.

    >>> psnr(torch.zeros(1, 3, 4, 4), torch.full((1, 3, 4, 4), 0.1))
    tensor([20.0000], dtype=torch.float64)
    """
    made, wanted = _pair(made, wanted)
    return 10 * torch.log10(peak**2 / (made - wanted).square().mean((1, 2, 3)))


def ssim(made: Tensor, wanted: Tensor, peak: float = 1.0, taps: int = 13) -> Tensor:
    """Structural similarity of each channel, Gaussian weights of sigma 1.5, mean over channels and pixels.

    Borders are mirrored with the last sample repeated, and five pixels at each are left out, as in the starter program
    of the AIM 2022 challenge, whose weights have 13 taps; newer scikit-image has 11.

    Args:
        made: `[B,C,H,W]`, more than 10 pixels high and wide.
        wanted: the same shape.
        peak: the range of values.
        taps: of the weights, odd.

    Returns:
        `[B]`, at most 1.

    Raises:
        InvalidTensor: for smaller pictures.

    Source: Wang, Bovik, Sheikh and Simoncelli, IEEE TIP 2004, K = (0.01, 0.03), population covariance.

    >>> x = torch.rand(1, 3, 16, 16)
    >>> ssim(x, x)
    tensor([1.], dtype=torch.float64)
    """
    made, wanted = _pair(made, wanted)
    if min(made.shape[2:]) < 11:
        raise InvalidTensor(f"ssim takes more than 10 pixels in height and width, got {list(made.shape[2:])}")
    x, y = (_blurred(z, taps) for z in (made, wanted))
    xx, yy, xy = (_blurred(z, taps) for z in (made * made, wanted * wanted, made * wanted))
    first, second = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    alike = (2 * x * y + first) * (2 * (xy - x * y) + second)
    alike = alike / ((x * x + y * y + first) * (xx - x * x + yy - y * y + second))
    return alike[..., 5:-5, 5:-5].mean((1, 2, 3))


def ms_ssim(made: Tensor, wanted: Tensor, peak: float = 1.0) -> Tensor:
    """Multi-scale structural similarity, five dyadic scales, torchmetrics'.

    Args:
        made: `[B,C,H,W]`, more than 160 pixels high and wide.
        wanted: the same shape.
        peak: the range of values.

    Returns:
        `[B]`.

    Raises:
        InvalidTensor: for smaller pictures.
        MissingPackage: where torchmetrics is not installed.

    Source: Wang, Simoncelli and Bovik, Asilomar 2003.
    """
    with needs("metrics", "MS-SSIM needs torchmetrics"):
        from torchmetrics.functional.image import multiscale_structural_similarity_index_measure as measured
    made, wanted = _pair(made, wanted)
    if min(made.shape[2:]) < 161:
        raise InvalidTensor(f"ms_ssim takes more than 160 pixels in height and width, got {list(made.shape[2:])}")
    found: Any = measured(made, wanted, data_range=peak, reduction="none")
    return torch.as_tensor(found).reshape(-1)


def delta_e2000(made: Tensor, wanted: Tensor) -> Tensor:
    """The mean CIE DE2000 difference of sRGB pictures, D65, both clipped to 0 ... 1.

    Args:
        made: `[B,3,H,W]` sRGB.
        wanted: the same shape.

    Returns:
        `[B]`; about 1 is just visible.

    Source: CIE 142-2001, with the constants of Sharma, Wu and Dalal, Color Research and Application 2005.

    >>> white, grey = torch.ones(1, 3, 1, 1), torch.full((1, 3, 1, 1), 0.5)
    >>> round(float(delta_e2000(white, grey)), 3)
    33.415
    """
    made, wanted = _pair(made, wanted)
    return _difference(_lab(made), _lab(wanted)).mean((1, 2))


def highlight_hue_error(made: Tensor, wanted: Tensor, least: float = 80.0) -> Tensor:
    """The mean angle between the hues of bright pixels, in degrees: where clipped channels turn skies magenta.

    Pixels are those of `wanted` with lightness L* from `least` on, weighed by the geometric mean of both chromas, since
    a grey has no hue.

    Args:
        made: `[B,3,H,W]` sRGB.
        wanted: the same shape.
        least: lightness.

    Returns:
        `[B]`, 0 to 180; NaN where no pixel is bright.

    Source: a definition.
    """
    made, wanted = _pair(made, wanted)
    first, second = _lab(made), _lab(wanted)
    chroma = (first[:, 1:].norm(dim=1) * second[:, 1:].norm(dim=1)).sqrt() * (second[:, 0] >= least)
    angle = torch.atan2(first[:, 2], first[:, 1]) - torch.atan2(second[:, 2], second[:, 1])
    angle = torch.rad2deg((torch.remainder(angle + math.pi, 2 * math.pi) - math.pi).abs())
    found: Tensor = (angle * chroma).sum((1, 2)) / chroma.sum((1, 2))
    return found


def digital_numbers(made: Tensor, wanted: Tensor, capture: Capture) -> Tensor:
    """The mean absolute error of RAW, black 0 and white 1, in the digital numbers of the capture.

    Args:
        made: `[B,C,H,W]`.
        wanted: the same shape.
        capture: of the same samples.

    Returns:
        `[B]`.

    >>> digital_numbers(torch.zeros(1, 4, 2, 2), torch.ones(1, 4, 2, 2), Capture.of("RGGB", black=64, white=1023))
    tensor([959.], dtype=torch.float64)
    """
    made, wanted = _pair(made, wanted)
    span = capture.white.double().reshape(-1) - capture.black.double().mean(1)
    found: Tensor = (made - wanted).abs().mean((1, 2, 3)) * span
    return found


def lpips(made: Tensor, wanted: Tensor, weights: Path, backbone: Path) -> Tensor:
    """Learned perceptual distance of sRGB pictures (AlexNet), by the package lpips.

    Args:
        made: `[B,3,H,W]` sRGB, 0 to 1.
        wanted: the same shape.
        weights: its linear layers, such as `lpips/weights/v0.1/alex.pth`.
        backbone: torchvision's AlexNet, such as `alexnet-owt-7be5be79.pth`.

    Returns:
        `[B]`.

    Raises:
        MissingPackage: where lpips, or the torchvision it needs, cannot be imported.
        InvalidArgument: for files that are not there, or of another network.
        UnreadableFile: for files that are broken.

    Source: Zhang et al., "The unreasonable effectiveness of deep features as a perceptual metric", CVPR 2018.
    """
    for path in (weights, backbone):
        if not Path(path).is_file():
            raise InvalidArgument(f"LPIPS needs its weights, {path} is no file")
    made, wanted = _pair(made, wanted)
    with torch.no_grad():
        found: Tensor = _lpips(Path(weights), Path(backbone))(made.float(), wanted.float(), normalize=True)
    return found.reshape(-1).double()


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
                raise InvalidArgument(f"{backbone} holds no weights of torchvision's AlexNet")
            own.copy_(value)
        layers = _tensors(weights)
        # The package holds each linear layer under two names, lin0 and lins.0; the file has the first.
        linear = {k: v for k, v in net.state_dict().items() if k.startswith("lin") and not k.startswith("lins.")}
        if layers.keys() != linear.keys():
            told = min(layers.keys() ^ linear.keys())
            raise InvalidArgument(f"{weights} holds no linear layers of LPIPS with AlexNet: {told} is not in both")
        for name, own in linear.items():
            if layers[name].shape != own.shape:
                raise InvalidArgument(f"{weights}: {name} is {list(layers[name].shape)}, not {list(own.shape)}")
            own.copy_(layers[name])
    return net


def _tensors(path: Path) -> dict[str, Tensor]:
    """Of a published file; nothing but tensors is read of it."""
    try:
        found: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
        raise UnreadableFile(f"{path} holds no weights ({type(error).__name__}): download it again") from None
    if not isinstance(found, dict) or not all(isinstance(value, Tensor) for value in found.values()):
        raise UnreadableFile(f"{path} holds no weights by name: download it again")
    return found


def _pair(made: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    if made.shape != wanted.shape or made.ndim != 4:
        raise InvalidTensor(f"metrics take two [B,C,H,W] of one shape, got {list(made.shape)} and {list(wanted.shape)}")
    return made.detach().double(), wanted.detach().double()


def _blurred(x: Tensor, taps: int) -> Tensor:
    half = taps // 2
    line = torch.exp(-(torch.arange(-half, half + 1, dtype=x.dtype, device=x.device) ** 2) / (2 * 1.5**2))
    line = (line / line.sum()).expand(x.shape[1], 1, -1)
    x = torch.cat((x[..., :half].flip(-1), x, x[..., -half:].flip(-1)), -1)
    x = torch.cat((x[..., :half, :].flip(-2), x, x[..., -half:, :].flip(-2)), -2)
    x = F.conv2d(x, line[:, :, None, :], groups=x.shape[1])
    return F.conv2d(x, line[:, :, :, None], groups=x.shape[1])


def _lab(x: Tensor) -> Tensor:
    """CIE L*a*b* of sRGB: IEC 61966-2-1 and CIE 15."""
    x = x.clamp(0, 1)
    linear = torch.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)
    matrix = XYZ_FROM_SRGB.to(x)
    xyz = torch.einsum("ij,bjhw->bihw", matrix / matrix.sum(1, keepdim=True), linear)
    f = torch.where(xyz > (6 / 29) ** 3, xyz.clamp_min(1e-12) ** (1 / 3), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return torch.stack((116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])), 1)


def _difference(first: Tensor, second: Tensor) -> Tensor:
    """CIE DE2000 of `[B,3,H,W]`, in the notation of Sharma et al."""
    middle = (first[:, 1:].norm(dim=1) + second[:, 1:].norm(dim=1)) / 2
    grey = 1.5 - 0.5 * torch.sqrt(middle**7 / (middle**7 + 25.0**7))
    (l1, a1, b1), (l2, a2, b2) = (z.unbind(1) for z in (first, second))
    c1, c2 = torch.hypot(a1 * grey, b1), torch.hypot(a2 * grey, b2)
    h1, h2 = (torch.remainder(torch.atan2(b, a * grey), 2 * math.pi) for a, b in ((a1, b1), (a2, b2)))
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
