"""Derivatives of every stage and function that a kernel computes equal those of its definition in plain torch."""

import pytest
import torch
from kernel_cases import STEPS
from torch.autograd import forward_ad
from torch.func import grad, hessian, jacfwd, jacrev, jvp, vjp, vmap

from isptoolkit import LINEAR, SENSOR, SRGB, Capture, Fused, Pipeline, errors, fuse, presets, stages
from isptoolkit.kernels import demosaic, reference, render
from isptoolkit.learned.adain import adain
from isptoolkit.learned.coupling import couple, uncouple
from isptoolkit.stages.jpeg.blocks import jpeg_blocks
from isptoolkit.stages.jpeg.planes import SUBSAMPLINGS

pytestmark = pytest.mark.usefixtures("kernels")
CAPTURE = Capture.of(
    "GBRG",
    black=(60, 64, 66, 70),
    white=1023,
    gains=(2.0, 1.0, 1.5),
    srgb_to_camera=((0.65, 0.27, 0.08), (0.08, 0.76, 0.16), (0.01, 0.23, 0.76)),
)
SHAPES = {1: (1, 1, 4, 6), 3: (1, 3, 4, 6), 4: (1, 4, 3, 4)}


def stage_cases():
    whole = fuse(presets.classic(), demosaic=True)
    cases = {
        "Pack": stages.Pack(),
        "Mosaic": stages.Mosaic(),
        "DemosaicBilinear": stages.DemosaicBilinear(),
        "DemosaicMalvar": stages.DemosaicMalvar(),
        "classic": whole[whole.names[0]],
        "levels_to_highlights": fuse(presets.classic())["levels_to_highlights"],
        "matrix_to_quantize": fuse(presets.classic())["matrix_to_quantize"],
    }
    for name, stage in STEPS.items():
        cases[f"fused {name}"] = Fused(Pipeline(stage=stage))
    return cases


def functions():
    """Functions of one tensor of this shape, nominally in [0, 1], by name."""
    cases = {}
    for name, stage in stage_cases().items():
        scale = 900.0 if stage.takes is SENSOR else 1.0

        def forward(x, stage=stage, scale=scale):
            return stage(64 * (scale > 1) + scale * x, CAPTURE.to(x.device))

        def inverse(x, stage=stage):
            return stage.inverse(x, CAPTURE.to(x.device))

        cases[name] = forward, SHAPES[stage.takes.channels]
        if stage.two_way:
            cases[f"{name}.inverse"] = inverse, SHAPES[stage.gives.channels]

    def styled(x):
        return adain(x, x.mean((2, 3)) + 1, x.amax((2, 3)))

    cases["adain"] = styled, (2, 3, 3, 4)
    for limit in (0.0, 0.8):
        cases[f"couple-{limit}"] = lambda x, limit=limit: couple(x, x.square(), 1 - x, limit), (2, 3)
        cases[f"uncouple-{limit}"] = lambda x, limit=limit: uncouple(x, x.square(), 1 - x, limit), (2, 3)
    for name, slopes in (("straight", ()), ("series", (0.4, -0.2))):

        def compressed(x, slopes=slopes):
            steps = torch.linspace(8, 30, 64, device=x.device, dtype=x.dtype).reshape(1, 8, 8)
            return jpeg_blocks(255 * x, steps, slopes) / 255

        cases[f"jpeg_blocks-{name}"] = compressed, (1, 8, 8)
    for sampling in SUBSAMPLINGS:
        stage = stages.Jpeg(80.0, subsampling=sampling)
        cases[f"Jpeg-{sampling}"] = lambda x, stage=stage: stage(x, CAPTURE.to(x.device)), (1, 3, 10, 20)
    return cases


CASES = functions()


def values(name, device, dtype=torch.float32):
    function, shape = CASES[name]
    generator = torch.Generator().manual_seed(1)
    x, tangent = (torch.rand(shape, generator=generator, dtype=torch.float64) for _ in range(2))
    return function, (0.05 + 0.9 * x).to(device, dtype), (tangent - 0.5).to(device, dtype)


def same(derivative, *arguments):
    """The derivative equals that of the definition, is not zero, and the definition's result is returned."""
    output = derivative(*arguments)
    with reference():
        expected = derivative(*arguments)
    scale = float(expected.detach().abs().max())
    assert scale > 0
    torch.testing.assert_close(output, expected, rtol=2e-4, atol=2e-5 * max(scale, 1e-3))
    return expected


def weighted(function, x):
    output = function(x)
    return (output * torch.linspace(0.5, 1.5, output.numel(), device=x.device, dtype=x.dtype).view_as(output)).sum()


@pytest.mark.parametrize("name", CASES)
def test_jvp(device, name):
    function, x, tangent = values(name, device)
    same(lambda: jvp(function, (x,), (tangent,))[1])

    def dual():
        with forward_ad.dual_level():
            return forward_ad.unpack_dual(function(forward_ad.make_dual(x, tangent))).tangent

    same(dual)


@pytest.mark.parametrize("name", CASES)
def test_functorch_reverse_mode_equals_plain_reverse_mode(device, name):
    function, x, _ = values(name, device)
    plain = same(lambda: torch.autograd.grad(weighted(function, leaf := x.clone().requires_grad_()), leaf)[0])
    functional = same(lambda: grad(lambda x: weighted(function, x))(x))
    torch.testing.assert_close(functional, plain, rtol=1e-4, atol=1e-5 * max(1.0, float(plain.abs().max())))
    pulled = vjp(function, x)[1](torch.ones_like(function(x)))[0]
    torch.testing.assert_close(pulled, grad(lambda x: function(x).sum())(x))


@pytest.mark.parametrize("name", CASES)
def test_vmap(device, name):
    function, x, tangent = values(name, device)
    batch = torch.stack((x, x + 0.1 * tangent))
    expected = torch.stack([function(sample) for sample in batch])
    torch.testing.assert_close(
        vmap(function)(batch), expected, rtol=1e-4, atol=2e-6 * float(expected.detach().abs().max())
    )


@pytest.mark.parametrize("name", CASES)
def test_double_backward(device, name):
    function, x, tangent = values(name, device)

    def second(square):
        leaf = x.clone().requires_grad_()
        output = function(leaf)
        loss = (output.square() if square else output).sum()
        (first,) = torch.autograd.grad(loss, leaf, create_graph=True)
        if not first.requires_grad:
            return torch.zeros_like(x) + first.detach()
        return first.detach() + torch.autograd.grad((first * tangent).sum(), leaf, allow_unused=True)[0]

    same(lambda: second(True))


SMALL = [name for name in CASES if not name.startswith(("Jpeg", "jpeg"))]


@pytest.mark.parametrize("name", SMALL)
def test_jacobians_agree(device, name):
    function, x, _ = values(name, device)
    forward, reverse = jacfwd(function)(x), jacrev(function)(x)
    torch.testing.assert_close(forward, reverse, rtol=1e-4, atol=1e-5 * float(reverse.detach().abs().max()))


def test_hessian(device):
    function, x, _ = values("matrix_to_quantize", device)
    same(lambda: hessian(lambda x: function(x).square().sum())(x))


@pytest.mark.parametrize("name", ["classic", "DemosaicMalvar", "Pack", "adain", "couple-0.8", "uncouple-0.8"])
def test_jvp_equals_finite_differences(device, name):
    function, x, tangent = values(name, device, torch.float64)
    if name == "classic":
        stage = Fused(presets.classic().span("levels", "tone"))

        def function(x):
            return stage(64 + 900 * x, CAPTURE.to(x.device))

    step = 1e-6
    expected = (function(x + step * tangent) - function(x - step * tangent)) / (2 * step)
    torch.testing.assert_close(jvp(function, (x,), (tangent,))[1], expected, rtol=1e-6, atol=1e-6)


def learned(device):
    """A fused pipeline and a capture whose values have gradients, with those values."""
    torch.manual_seed(0)

    def parameter(*numbers):
        return torch.nn.Parameter(torch.tensor(numbers, dtype=torch.float64, device=device))

    # The capture's gains are computed from a parameter of the stages: neither gradient may be counted twice.
    exposure, amount, gains = parameter(0.3).reshape(()), parameter(0.6), parameter(1.8, 1.1, 1.4)
    pipeline = Pipeline(
        levels=stages.Levels(),
        balance=stages.WhiteBalance(),
        demosaic=stages.DemosaicMalvar(),
        matrix=stages.ColorMatrix(),
        exposure=stages.Exposure(torch.nn.Parameter(exposure.detach()), space=LINEAR),
        curve=stages.SRGBCurve(),
        tone=stages.Smoothstep(torch.nn.Parameter(amount.detach()[0]), space=SRGB),
    ).to(device)
    capture = CAPTURE.to(device).replace(gains=gains[None] * pipeline["exposure"].stops.exp())
    return Fused(pipeline), capture, [gains, *pipeline.parameters()]


@pytest.mark.parametrize("direction", ["forward", "inverse"])
def test_double_backward_reaches_parameters_and_captures(device, direction):
    stage, capture, parameters = learned(device)
    shape = SHAPES[1] if direction == "forward" else SHAPES[3]
    x = (200 + 500 * torch.rand(shape, device=device)) if direction == "forward" else torch.rand(shape, device=device)
    x = (x if direction == "forward" else 0.1 + 0.8 * x).requires_grad_()

    def second():
        output = getattr(stage, direction)(x, capture)
        first = torch.autograd.grad(output.square().mean(), [x, *parameters], create_graph=True)
        loss = output.mean() + sum(value.double().square().sum() for value in first)
        grads = torch.autograd.grad(loss, [x, *parameters], retain_graph=True)
        return torch.cat([value.detach().flatten().double() / value.abs().max().detach() for value in (*first, *grads)])

    same(second)


def test_a_plain_backward_runs_the_kernel(device, monkeypatch):
    """The definition is not evaluated unless a gradient is differentiated again."""
    stage, capture, parameters = learned(device)
    monkeypatch.setattr(Pipeline, "forward", lambda *_: pytest.fail("the definition ran"))
    output = stage(torch.rand(SHAPES[1], device=device, requires_grad=True), capture)
    assert all(value is not None for value in torch.autograd.grad(output.sum(), parameters))


def test_a_change_between_forward_and_double_backward_is_an_error(device):
    stage, capture, parameters = learned(device)
    x = torch.rand(SHAPES[1], device=device, requires_grad=True)
    output = stage(x, capture)
    with torch.no_grad():
        parameters[1].add_(0.1)
    with pytest.raises(RuntimeError, match="modified in place since the forward pass"):
        torch.autograd.grad(output.sum(), x, create_graph=True)


OPERATORS = {
    "mosaic": lambda x: demosaic.mosaic(x, (0, 1, 1, 2)),
    "demosaic": lambda x: demosaic.demosaic(x[:, :1], (0, 1, 1, 2), 2),
    "develop": lambda x: render.develop(x, torch.full((1, 8), 2.0, device=x.device), [1, 0, 0, 0, 0]),
}


@pytest.mark.parametrize("name", OPERATORS)
def test_operators_refuse_what_they_cannot_differentiate(device, name):
    """An operator called by itself has reverse mode; another derivative is an error, not zero."""
    operator, x = OPERATORS[name], torch.rand(1, 3, 4, 4, device=device)
    with pytest.raises(errors.KernelError, match=r"has no such derivative: call the stage"):
        jvp(operator, (x,), (x,))
    with pytest.raises(errors.KernelError, match="has no such derivative"):
        grad(lambda x: operator(x).sum())(x)


def test_the_gradient_operator_refuses_a_second_derivative(device):
    x = torch.rand(1, 3, 4, 4, device=device, requires_grad=True)
    with pytest.raises(errors.KernelError, match="develop_gradient has no such derivative"):
        torch.autograd.grad(OPERATORS["develop"](x).square().sum(), x, create_graph=True)
