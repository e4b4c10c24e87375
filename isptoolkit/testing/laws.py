"""The laws behind a contract, each a function of one stage and one input."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ..capture import MONO, Capture
from ..fusion import Fused
from ..geometry import crop
from ..kernels import usable
from ..pipeline import Pipeline
from ..spaces import DIGITAL, LINEAR_RAW, MOSAIC, PACKED, SENSOR, Space
from ..stage import Inverse, Stage
from ..stages.cfa import site_channels, site_plane

ULPS = 16.0
"""Rounding errors allowed at condition 1: every tolerance is this many epsilons, scaled by `condition`."""

NO_PIXEL = "no pixel in the domain"

_MOSAICS = (SENSOR, MOSAIC)
_UNBALANCED = (*_MOSAICS, PACKED, LINEAR_RAW)
"""Spaces before white balance, in which gray has the color of the illuminant."""


@dataclass(frozen=True)
class Finding:
    """One law on one input: the worst error `measured`, and the error `allowed` there."""

    law: str
    held: bool
    measured: float
    allowed: float
    detail: str = ""


def findings(stage: Stage, x: Tensor, capture: Capture) -> tuple[Finding, ...]:
    """Every law that applies to the stage, on one input."""
    results: list[Finding] = []
    with torch.no_grad():
        for dtype in (torch.float32, torch.float64):
            results += trips(stage, x.to(dtype), capture)
        results += steps(stage, x.to(torch.float32), capture)
        exact = x.to(torch.float64)
        results += [purity(stage, exact, capture), layout(stage, exact, capture), *batch(stage, exact, capture)]
        if stage.contract.reach is not None:
            results += [*locality(stage, exact, capture), *crops(stage, exact, capture), *flat(stage, exact, capture)]
        if stage.contract.neutral:
            results.append(white(stage, exact, capture))
    return tuple(results + gradients(stage, exact, capture))


def trips(stage: Stage, x: Tensor, capture: Capture) -> list[Finding]:
    """Spaces and dtype are as declared; both round trips stay within the contract's bounds, plus rounding."""
    name = str(x.dtype).removeprefix("torch.")
    y = stage(x, capture)
    scale = stage.takes.downscale / stage.gives.downscale
    expected = (x.shape[0], stage.gives.channels, round(x.shape[2] * scale), round(x.shape[3] * scale))
    fits = tuple(y.shape) == expected and y.dtype == x.dtype and y.device == x.device
    detail = "" if fits else f"expected {expected} {x.dtype}, got {tuple(y.shape)} {y.dtype}"
    results = [Finding(f"spaces {name}", fits, float(not fits), 0.0, detail)]
    if not fits or not stage.two_way:
        return results
    contract = stage.contract
    rounding = ULPS * contract.condition * torch.finfo(x.dtype).eps
    inside = stage.in_domain(x, capture)
    if contract.round_trip is not None:
        error = (stage.inverse(y, capture) - x).abs()
        spread = _spread(stage.inverse, y, capture)
        allowed = contract.round_trip + rounding * max(1.0, float(x.abs().max())) + spread
        mask = inside.expand_as(x)
        results.append(_worst(f"round trip {name}", error[mask], allowed.expand_as(x)[mask]))
    if contract.re_render is not None and bool(inside.all()):
        recovered = stage.inverse(y, capture)
        error = (stage(recovered, capture) - y).abs()
        allowed = contract.re_render + rounding * max(1.0, float(y.abs().max())) + _spread(stage, recovered, capture)
        results.append(_worst(f"re-render {name}", error, allowed.expand_as(y)))
    return results


def steps(stage: Stage, x: Tensor, capture: Capture) -> list[Finding]:
    """Native kernels that replace the stage equal it, where they can run."""
    if type(stage).forward_steps is Stage.forward_steps or isinstance(stage, Inverse) or not usable(x):
        return []
    kernel = Fused(Pipeline(only=stage))
    y = stage(x, capture)
    results = [_kernel_equals("kernels equal forward", kernel(x, capture), y, stage)]
    if stage.two_way:
        outputs = kernel.inverse(y, capture), stage.inverse(y, capture)
        results.append(_kernel_equals("kernels equal inverse", *outputs, stage))
    return results


def _kernel_equals(law: str, output: Tensor, expected: Tensor, stage: Stage) -> Finding:
    rounding = ULPS * stage.contract.condition * torch.finfo(expected.dtype).eps
    return _worst(law, (output - expected).abs(), (2e-6 + rounding) * expected.abs().clamp_min(1.0))


def _spread(apply: Callable[[Tensor, Capture], Tensor], y: Tensor, capture: Capture) -> Tensor:
    """How far the output moves when the input is rounded up or down by a few epsilons: the condition at each pixel."""
    step = ULPS / 4 * torch.finfo(y.dtype).eps * y.abs().clamp_min(1.0)
    moved = (apply(y + step, capture) - apply(y - step, capture)).abs()
    return torch.nan_to_num(moved, nan=0.0, posinf=0.0)


def _worst(law: str, error: Tensor, allowed: Tensor) -> Finding:
    if not error.numel():
        return Finding(law, True, 0.0, 0.0, NO_PIXEL)
    excess = torch.nan_to_num(error - allowed, nan=torch.inf)
    at = int(excess.argmax())
    return Finding(law, not bool(excess.flatten()[at] > 0), float(error.flatten()[at]), float(allowed.flatten()[at]))


def _same(law: str, a: Tensor, b: Tensor, stage: Stage, detail: str = "") -> Finding:
    if a.shape != b.shape:
        return Finding(law, False, float("inf"), 0.0, f"{tuple(a.shape)} against {tuple(b.shape)}")
    allowed = ULPS * stage.contract.condition * torch.finfo(a.dtype).eps * max(1.0, float(b.abs().max()))
    worst = float(torch.nan_to_num((a - b).abs(), nan=torch.inf).max()) if a.numel() else 0.0
    return Finding(law, worst <= allowed, worst, allowed, detail)


def purity(stage: Stage, x: Tensor, capture: Capture) -> Finding:
    """Both directions leave input, capture and state unchanged and repeat themselves bit for bit."""
    first = stage(x.clone(), capture)
    recovered = stage.inverse(first.clone(), capture) if stage.two_way else first
    watched = [x, first, *stage.state_dict().values(), capture.black, capture.white, capture.gains]
    watched += [capture.srgb_to_camera, *(t for t in (capture.noise, capture.exposure) if t is not None)]
    before = [tensor.clone() for tensor in watched]
    second = stage(x, capture)
    recovered_second = stage.inverse(first, capture) if stage.two_way else second
    touched = sum(not _identical(a, b) for a, b in zip(before, watched, strict=True))
    changed = not (_identical(before[1], second) and _identical(recovered, recovered_second))
    detail = "input, capture or state was changed" if touched else "a second call returned other values"
    return Finding("purity", not (touched or changed), float(touched + changed), 0.0, detail * (touched or changed))


def _identical(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and bool(((a == b) | (a.isnan() & b.isnan())).all())


def batch(stage: Stage, x: Tensor, capture: Capture) -> list[Finding]:
    """A batch gives the results of its samples, each with its own capture, in both directions."""
    one, other = x[:1], x[:1].flip(-1) * 0.75
    first = capture[0]
    second = first.replace(gains=first.gains * first.gains.new_tensor([1.25, 1.0, 0.8]), black=first.black * 0.5)
    both, apart = Capture.collate([first, second]), (stage(one, first), stage(other, second))
    results = [_same("batch = loop", stage(torch.cat((one, other)), both), torch.cat(apart), stage)]
    if stage.two_way:
        recovered = torch.cat((stage.inverse(apart[0], first), stage.inverse(apart[1], second)))
        results.append(_same("batch = loop, inverse", stage.inverse(torch.cat(apart), both), recovered, stage))
    return results


def layout(stage: Stage, x: Tensor, capture: Capture) -> Finding:
    """Values do not depend on the strides of the input."""
    strided = x.transpose(2, 3).contiguous().transpose(2, 3)
    sparse = torch.zeros(*x.shape[:-1], 2 * x.shape[-1], dtype=x.dtype)[..., ::2].copy_(x)
    expected = stage(x, capture)
    results = [_same("memory layout", stage(variant, capture), expected, stage) for variant in (strided, sparse)]
    return min(results, key=lambda result: result.held)


class _InverseModule(nn.Module):
    """A stage's inverse as the forward of a module, for `functional_call`."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self.stage = stage

    def forward(self, y: Tensor, capture: Capture) -> Tensor:
        return self.stage.inverse(y, capture)


def gradients(stage: Stage, x: Tensor, capture: Capture) -> list[Finding]:
    """Autograd computes the true derivative of both directions, by the input and every floating-point parameter."""
    if not stage.contract.differentiable:
        return []
    step = max(1, stage.gives.downscale // stage.takes.downscale)
    height, width = (max(step, min(6, n) // (2 * step) * 2 * step) for n in x.shape[2:])
    noise = torch.rand(1, x.shape[1], height, width, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    # Low contrast, and gray under the capture's illuminant: nothing clips, and every curve is smooth.
    first = capture[0]
    red, green, blue = (1 / first.gains[0].double()).tolist()
    gray = _uniform_light(stage, noise, first, (red, green, blue)) if stage.takes in _UNBALANCED else 1.0
    patch = _in_units_of(stage.takes, 0.25 * gray * (1 + 0.3 * noise), first)
    results = [_gradient("forward", stage, patch, first)]
    if stage.two_way:
        with torch.no_grad():
            rendered = stage(patch, first)
        results.append(_gradient("inverse", _InverseModule(stage), rendered, first))
    return results


def _gradient(direction: str, module: nn.Module, at: Tensor, capture: Capture) -> Finding:
    parameters = {
        name: p.detach().double().requires_grad_() for name, p in module.named_parameters() if p.is_floating_point()
    }

    def call(tensor: Tensor, *values: Tensor) -> Tensor:
        output: Tensor = functional_call(module, dict(zip(parameters, values, strict=True)), (tensor, capture))
        return output

    law = f"gradient of {direction}"
    try:
        torch.autograd.gradcheck(call, (at.clone().requires_grad_(), *parameters.values()), fast_mode=True)
    except (RuntimeError, ValueError) as error:
        return Finding(law, False, 1.0, 0.0, str(error).strip().splitlines()[0])
    return Finding(law, True, 0.0, 0.0)


def locality(stage: Stage, x: Tensor, capture: Capture) -> list[Finding]:
    """A changed pixel changes no output farther away than `reach`."""
    reach, scale = stage.contract.reach or 0, stage.takes.downscale / stage.gives.downscale
    x, first = x[:1], capture[0]
    expected, results = stage(x, first), []
    for row, column in dict.fromkeys(((0, 0), (x.shape[2] // 2, x.shape[3] // 2))):
        changed = x.clone()
        changed[..., row, column] = changed[..., row, column] * 0.5 + 0.125
        rows, columns = (
            slice(max(0, int((n - reach) * scale)), int((n + reach + 1) * scale + 0.999)) for n in (row, column)
        )
        output = stage(changed, first)
        output[..., rows, columns] = expected[..., rows, columns]
        results.append(_same("reach", output, expected, stage, f"pixel at row {row}, column {column}, reach {reach}"))
    return results


def crops(stage: Stage, x: Tensor, capture: Capture) -> list[Finding]:
    """Crops at multiples of `period` commute with `forward`, so every CFA phase is followed."""
    reach, period = stage.contract.reach or 0, stage.contract.period
    grid = max(1, stage.gives.downscale // stage.takes.downscale)
    if period % grid:
        return []
    scale = stage.takes.downscale / stage.gives.downscale
    reach = -(-reach // grid) * grid
    height, width = (n // grid * grid for n in x.shape[-2:])
    x, first, site = x[:1, :, :height, :width], capture[0], stage.takes.downscale
    whole, results = stage(x, first), []
    for top, left in ((0, period), (period, 0), (period, period)):
        rows, columns = height - top - 2 * reach, width - left - 2 * reach
        if rows < 1 or columns < 1 or min(height - top, width - left) < 2:
            continue
        full = x.new_empty(1, 1, height * site, width * site)
        moved = crop(full, first, top * site, left * site, (height - top) * site, (width - left) * site)[1]
        part = stage(x[:, :, top:, left:], moved)

        def window(image: Tensor, down: int, right: int, rows: int = rows, columns: int = columns) -> Tensor:
            low, high = round(down * scale), round((down + rows) * scale)
            return image[..., low:high, round(right * scale) : round((right + columns) * scale)]

        inner, same = window(part, reach, reach), window(whole, top + reach, left + reach)
        results.append(_same("crops commute", inner, same, stage, f"crop at row {top}, column {left}, reach {reach}"))
    return results


def flat(stage: Stage, x: Tensor, capture: Capture) -> list[Finding]:
    """A uniform color stays uniform, up to the border."""
    first = capture[0]
    y = stage(_uniform(stage, x, first, (0.4, 0.3, 0.2)), first)
    step = 2 if stage.gives in _MOSAICS else 1
    if min(y.shape[2:]) < step:
        return []
    top, left = (n // 2 // step * step for n in y.shape[2:])
    top, left = min(top, y.shape[2] - step), min(left, y.shape[3] - step)
    cell = y[..., top : top + step, left : left + step]
    cell = cell.roll((top % step, left % step), (2, 3))
    tiled = cell.repeat(1, 1, y.shape[2], y.shape[3])[..., : y.shape[2], : y.shape[3]]
    return [_same("flat field stays flat", y, tiled, stage)]


def white(stage: Stage, x: Tensor, capture: Capture) -> Finding:
    """Equal channels stay equal."""
    first = capture[0]
    y = stage(_uniform(stage, x, first, (0.35, 0.35, 0.35)), first)
    return _same("white stays white", y, y.mean(1, keepdim=True).expand_as(y), stage)


def _uniform(stage: Stage, x: Tensor, capture: Capture, color: tuple[float, float, float]) -> Tensor:
    """A uniform color in the space that the stage takes."""
    return _in_units_of(stage.takes, _uniform_light(stage, x, capture, color), capture)


def _uniform_light(stage: Stage, x: Tensor, capture: Capture, color: tuple[float, float, float]) -> Tensor:
    """A uniform color with black at 0 and white at 1."""
    if stage.takes not in (*_MOSAICS, PACKED):
        values = (color * 2)[: stage.takes.channels] if stage.takes.channels <= 6 else (0.5,) * stage.takes.channels
        return torch.tensor(values, dtype=x.dtype).view(1, -1, 1, 1).expand(1, -1, *x.shape[-2:]).clone()
    channels = (1, 1, 1, 1) if capture.cfa == MONO else site_channels(capture.cfa)
    sites = torch.tensor([[color[c] for c in channels]], dtype=x.dtype)
    if stage.takes == PACKED:
        return sites.view(1, 4, 1, 1).expand(1, 4, *x.shape[-2:]).clone()
    return site_plane(sites, *x.shape[-2:])


def _in_units_of(space: Space, light: Tensor, capture: Capture) -> Tensor:
    """Values with white at 1, in digital numbers if the space counts those."""
    if space not in DIGITAL:
        return light
    black = capture.black[:1].to(light.dtype)
    levels = black[:, [0, 1, 3], None, None] if space == LINEAR_RAW else site_plane(black, *light.shape[-2:])
    return levels + light * (capture.white[0].to(light.dtype) - levels)
