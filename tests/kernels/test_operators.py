"""The kernels as torch operators: opcheck, compile, export, autograd."""

import pytest
import torch

from isptoolkit import CAMERA, Capture, Fused, Pipeline, fuse, presets, stages
from isptoolkit.kernels import blocks, demosaic, jpeg, reference, render
from isptoolkit.kernels.steps import DemosaicMethod, encode_program, join_coefficients

pytestmark = pytest.mark.usefixtures("kernels")
CAPTURE = Capture.of("RGGB", black=64, white=1023, gains=(2.0, 1.0, 1.5))
CHAIN = presets.classic().span("matrix", "tone")


def plan(stage, device):
    steps = [step for part in stage for step in part.forward_steps(CAPTURE)]
    return join_coefficients(steps, device), encode_program(steps)


def calls(device):
    def tensor(*shape):
        return torch.rand(*shape).to(device)

    coefficients, program = plan(CHAIN, device)
    channels = (0, 1, 1, 2)
    none = torch.zeros(1, 1, device=device)
    image, plane = tensor(2, 3, 6, 18), tensor(2, 1, 6, 18)
    adain_values = tensor(2, 3, 4, 5), tensor(2, 3), tensor(2, 3)
    table, tables = 20 * tensor(1, 64) + 1, 20 * tensor(1, 2, 64) + 1
    return {
        "develop": (render.develop, (image, coefficients, program)),
        "develop_gradient": (render.develop_gradient, (image, coefficients, program, tensor(2, 3, 6, 18), True)),
        "render": (
            render.render,
            (plane, coefficients, [], program, channels, DemosaicMethod.MALVAR, torch.float32),
        ),
        "demosaic": (demosaic.demosaic, (plane, channels, DemosaicMethod.BILINEAR)),
        "demosaic_adjoint": (demosaic.demosaic_adjoint, (image, channels, DemosaicMethod.MALVAR)),
        "mosaic": (demosaic.mosaic, (image, channels)),
        "mosaic_adjoint": (demosaic.mosaic_adjoint, (plane, channels)),
        "pack": (demosaic.pack, (plane,)),
        "unpack": (demosaic.unpack, (tensor(2, 4, 3, 9),)),
        "adain": (blocks.adain, (*adain_values, 1e-5)),
        "adain_gradient": (
            blocks.adain_gradient,
            (adain_values[0], *adain_statistics(adain_values), tensor(2, 3, 4, 5)),
        ),
        "coupling": (blocks.coupling, (tensor(9), tensor(9), tensor(9), 0.8, False)),
        "coupling_gradient": (blocks.coupling_gradient, (tensor(9), tensor(9), tensor(9), 0.8, True)),
        "jpeg_blocks": (jpeg.jpeg_blocks, (255 * tensor(2, 8, 16), table, none[0])),
        "jpeg_image": (jpeg.jpeg_image, (tensor(2, 3, 9, 21), tables, none[0], 2, 2)),
        "jpeg_image_gradient": (
            jpeg.jpeg_image_gradient,
            (tensor(2, 3, 9, 21), tables, none[0], tensor(2, 3, 9, 21), tensor(2, 3, 9, 21), 2, 2, True),
        ),
        "jpeg_blocks_gradient": (jpeg.jpeg_blocks_gradient, (255 * tensor(2, 8, 16), table, none[0], tensor(2, 8, 16))),
    }


def adain_statistics(values):
    """Scale, mean in two parts, and inverse spread, in plain torch: tests are collected without kernels too."""
    x, scale, _ = values
    variance, mean = torch.var_mean(x, (2, 3))
    return scale, torch.stack((mean, torch.zeros_like(mean)), -1), (variance + 1e-5).rsqrt()


NAMES = list(calls("cpu"))
LINEAR = {"demosaic", "demosaic_adjoint", "mosaic", "mosaic_adjoint", "pack", "unpack"}
DIFFERENTIABLE = {"develop", "render", "adain", "coupling", "jpeg_blocks", "jpeg_image", *LINEAR}


@pytest.mark.parametrize("name", NAMES)
def test_opcheck(device, name):
    op, arguments = calls(device)[name]
    if name in DIFFERENTIABLE:
        arguments = tuple(
            value.clone().requires_grad_() if isinstance(value, torch.Tensor) else value for value in arguments
        )
    torch.library.opcheck(op, arguments)


def test_no_operator_is_missing():
    """Every registered operator is checked."""
    registered = {
        name.split("::")[1] for name in torch._C._dispatch_get_all_op_names() if name.startswith("isptoolkit::")
    }
    assert {name.split(".")[0] for name in registered} == set(NAMES)


@pytest.mark.parametrize("name", sorted(LINEAR))
def test_adjoints_are_adjoint(device, name):
    """<A x, y> = <x, A' y> for a linear operator A and its adjoint A'."""
    op, (x, *rest) = calls(device)[name]
    x = x.requires_grad_()
    output = op(x, *rest)
    y = torch.rand_like(output)
    (adjoint,) = torch.autograd.grad(output, x, y)
    torch.testing.assert_close((output * y).sum(), (x * adjoint).sum(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("phase", ["RGGB", "BGGR", "GRBG", "GBRG"])
@pytest.mark.parametrize("size", [(2, 2), (3, 2), (2, 5), (5, 4), (33, 50)])
@pytest.mark.parametrize("stage", [stages.DemosaicBilinear(), stages.DemosaicMalvar()], ids=lambda s: type(s).__name__)
def test_demosaic_and_its_gradient_equal_the_definition(build, device, stage, size, phase):
    torch.manual_seed(0)
    x = torch.rand(2, 1, *size).to(device).requires_grad_()
    weights = torch.rand(2, 3, *size).to(device)
    capture = Capture.of(phase).to(device)
    output = stage(x, capture)
    gradient = torch.autograd.grad((output * weights).sum(), x)[0]
    with reference():
        expected = stage(x, capture)
        expected_gradient = torch.autograd.grad((expected * weights).sum(), x)[0]
    torch.testing.assert_close(output, expected, rtol=0, atol=1e-6)
    torch.testing.assert_close(gradient, expected_gradient, rtol=0, atol=4e-6)
    assert torch.equal(stage.inverse(output, capture), x)


@pytest.mark.parametrize("phase", ["RGGB", "GBRG"])
def test_sampling_and_packing_equal_the_definition_in_any_layout(build, device, phase):
    image = torch.rand(2, 8, 10, 3).to(device).permute(0, 3, 1, 2)
    plane = torch.rand(2, 1, 8, 20).to(device)[..., ::2]
    capture = Capture.of(phase).to(device)
    mosaic, packed = stages.Mosaic()(image, capture), stages.Pack()(plane, capture)
    with reference():
        assert torch.equal(mosaic, stages.Mosaic()(image, capture))
        assert torch.equal(packed, stages.Pack()(plane, capture))
    assert torch.equal(stages.Pack().inverse(packed, capture), plane)


def test_second_derivatives_of_linear_operators(device):
    x = torch.rand(1, 1, 6, 6).to(device).requires_grad_()
    capture = Capture.of("RGGB").to(device)
    (first,) = torch.autograd.grad(stages.DemosaicMalvar()(x, capture).pow(3).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), x)
    with reference():
        (plain,) = torch.autograd.grad(stages.DemosaicMalvar()(x, capture).pow(3).sum(), x, create_graph=True)
        (expected,) = torch.autograd.grad(plain.sum(), x)
    torch.testing.assert_close(second, expected, rtol=1e-4, atol=1e-5)


def targets(graph):
    return [str(node.target) for node in graph.nodes if "isptoolkit" in str(node.target)]


def test_export_sees_one_node(device):
    fused = fuse(presets.classic(), demosaic=True).to(device)
    x, capture = torch.rand(1, 1, 16, 20).to(device) * 1023, CAPTURE.to(device)
    exported = torch.export.export(fused, (x, capture))
    assert targets(exported.graph) == ["isptoolkit.render.default"]
    torch.testing.assert_close(exported.module()(x, capture), fused(x, capture))
    chain = torch.export.export(Fused(CHAIN).to(device), (torch.rand(1, 3, 4, 4).to(device), capture))
    assert targets(chain.graph) == ["isptoolkit.develop.default"]


def test_compile_without_a_break(device, compiler):
    capture = CAPTURE.to(device)
    for stage, x in (
        (fuse(presets.classic(), demosaic=True), torch.rand(2, 1, 16, 20) * 1023),
        (Fused(CHAIN), torch.rand(2, 3, 8, 8)),
        (Pipeline(d=stages.DemosaicMalvar()), torch.rand(2, 1, 8, 8)),
        (
            Pipeline(balance=stages.WhiteBalance(space=CAMERA), mosaic=stages.Mosaic(), pack=stages.Pack()),
            torch.rand(2, 3, 8, 8),
        ),
    ):
        x = x.to(device).requires_grad_()
        stage = stage.to(device)
        compiled = torch.compile(stage, fullgraph=True, backend="aot_eager")
        output, expected = compiled(x, capture), stage(x, capture)
        torch.testing.assert_close(output, expected)
        output.sum().backward()
        (grad_x,) = torch.autograd.grad(expected.sum(), x)
        torch.testing.assert_close(x.grad, grad_x)
