"""Fused stages against the stages they replace: values, inverses and gradients, on every build."""

import math
import pickle

import pytest
import torch
from kernel_cases import CURVES, PER_SAMPLE, STEPS

from isptoolkit import CAMERA, LINEAR, MOSAIC, SRGB, Capture, Fused, Pipeline, errors, fuse, presets, stages
from isptoolkit.kernels import reference
from isptoolkit.kernels.steps import Kind
from isptoolkit.report.drawing import draw

CASES = {
    **STEPS,
    **{f"{name} per sample": stage for name, stage in PER_SAMPLE.items()},
    "encoded demosaic": Pipeline(
        levels=stages.Levels(),
        encode=stages.Smoothstep(0.5, MOSAIC).inv,
        demosaic=stages.DemosaicMalvar(),
        decode=stages.Smoothstep(0.5, CAMERA),
        matrix=stages.ColorMatrix(),
    ),
    "raw": presets.classic().span("levels", "highlights"),
    "chain": Pipeline(
        balance=stages.WhiteBalance(space=CAMERA),
        matrix=stages.ColorMatrix(),
        clip=stages.Clip(space=LINEAR),
        curve=stages.SRGBCurve(),
        tone=stages.Smoothstep(amount=0.5),
    ),
    "classic": presets.classic(),
    "libraw": presets.libraw(),
    "read backwards": Pipeline(
        tone=stages.Smoothstep(amount=0.5).inv, curve=stages.SRGBCurve().inv, matrix=stages.ColorMatrix().inv
    ),
}


def pipeline_of(stage, device):
    return (stage if isinstance(stage, Pipeline) else Pipeline(only=stage)).to(device)


def captures(device, samples=2):
    first = Capture.of(
        "GBRG",
        black=(60, 64, 66, 70),
        white=1023,
        gains=(2.1, 1.0, 1.6),
        srgb_to_camera=((0.65, 0.27, 0.08), (0.08, 0.76, 0.16), (0.01, 0.23, 0.76)),
    )
    second = Capture.of("GBRG", black=(1, 2, 3, 4), white=900, gains=(1.4, 1.0, 2.5))
    return Capture.collate([first, second][:samples]).to(device)


def inputs(stage, device, size=(2, 37, 531), seed=0):
    torch.manual_seed(seed)
    x = torch.rand(size[0], stage.takes.channels, *size[1:]) * 1.2 - 0.1
    x = x * 900 + 64 if stage.takes.name == "sensor" else x
    return x.to(device)


def ulps(result, expected):
    """The largest error, in units in the last place of the larger of the expected value and 1/8."""
    unit = torch.finfo(torch.float32).eps * expected.abs().clamp_min(0.125)
    return float(((result.double() - expected.double()).abs() / unit.double()).max())


def on_domain(stage, x, capture):
    return stage.in_domain(x, capture).expand(-1, x.shape[1], -1, -1)


def test_every_kind_of_step_has_a_case():
    captured = captures(torch.device("cpu"), 1)
    kinds = {
        s.kind for stage in STEPS.values() for s in (*stage.forward_steps(captured), *stage.inverse_steps(captured))
    }
    assert kinds == set(Kind)


@pytest.mark.parametrize("name", CASES)
def test_forward_and_inverse_equal_the_stages(build, device, name):
    chain = pipeline_of(CASES[name], device)
    fused, capture = Fused(chain), captures(device)
    x = inputs(chain, device)
    assert fused._plan(x, capture) is not None
    assert fused._inverse_plan(x, capture) is not None
    with torch.no_grad():
        y, expected = fused(x, capture), chain(x.double(), capture.to(torch.float64))
        assert y.dtype == torch.float32
        if "quantize" in (name, *chain.names):  # a value halfway between two levels may round to either
            assert float((y - expected).abs().max()) <= 1.01 / 255
            assert float(((y - expected).abs() > 1e-4).double().mean()) < 1e-3
        else:
            assert float(((y - expected).abs() / expected.abs().clamp_min(1)).max()) <= 2e-6
        recovered, exact = fused.inverse(y, capture), chain.inverse(y.double(), capture.to(torch.float64))
        with reference():
            plain = chain.inverse(y, capture)
    # Four times the error of the plain stages, plus a few units in the last place.
    scale = exact.abs().clamp_min(1.0)
    bound = 4 * float(((plain - exact).abs() / scale).nan_to_num(0).max()) + 4e-6
    assert float(((recovered - exact).abs() / scale).nan_to_num(0).max()) <= bound


@pytest.mark.parametrize("name", CURVES)
def test_curves_are_within_two_millionths_of_the_exact_value(build, device, name):
    stage, capture = CURVES[name].to(device), captures(device, 1)
    x = torch.linspace(0, 1, 300_000, device=device).view(1, 1, 3, -1).expand(1, 3, -1, -1)
    with torch.no_grad():
        exact = stage(x.double(), capture.to(torch.float64))
        y = Fused(Pipeline(only=stage))(x, capture)
        assert float((y - exact).abs().max()) <= 2e-6
        recovered = Fused(Pipeline(only=stage)).inverse(y, capture)
    assert float((recovered - x).abs().max()) <= 1e-5


SPECIAL = [0.0, -0.0, 1e-45, -1e-45, 1e-39, 1.2e-38, 1e-20, 0.0031, 0.018, 0.5, 1.0, 1.0000001, 7.5, 1e4, 3e38]
SPECIAL += [-x for x in SPECIAL[6:]] + [math.inf, -math.inf, math.nan]


@pytest.mark.parametrize("direction", ["forward", "inverse"])
@pytest.mark.parametrize("name", [name for name in STEPS if "radial" not in name and name != "linearize"])
def test_special_values_behave_as_in_the_stages(build, device, name, direction):
    stage, capture = CASES[name].to(device), captures(device, 1)
    values = torch.tensor(SPECIAL, device=device)
    pad = torch.full((16 - len(values) % 16,), 0.25, device=device)
    x = torch.cat([values, pad]).view(1, 1, 2, -1).expand(1, stage.takes.channels, -1, -1).contiguous()
    with torch.no_grad():
        output = getattr(Fused(Pipeline(only=stage)), direction)(x, capture)
        with reference():
            expected = getattr(stage, direction)(x, capture)
    for value, a, b in zip(x.flatten().tolist(), output.flatten().tolist(), expected.flatten().tolist(), strict=True):
        if name == "filmic" and direction == "inverse" and abs(value) > 1:
            continue  # the curve has no inverse beyond its range
        if abs(value) > 1e38 and stage.takes.channels == 3 and name not in CURVES:
            continue  # whether such a sum or product overflows depends on its order
        assert math.isnan(a) == math.isnan(b), f"{name} {direction} of {value!r}: {a!r}, not {b!r}"
        close = math.isclose(a, b, rel_tol=3e-4 if abs(value) > 2 else 2e-5, abs_tol=2e-6)
        assert close or math.isnan(a), f"{name} {direction} of {value!r}: {a!r}, not {b!r}"


@pytest.mark.parametrize("name", [name for name in CASES if name != "read backwards"])
def test_gradients_equal_those_of_the_stages(build, device, name):
    chain, capture = pipeline_of(CASES[name], device), captures(device)
    gains = capture.gains.clone().requires_grad_()
    matrices = capture.srgb_to_camera.clone().requires_grad_()
    capture = capture.replace(gains=gains, srgb_to_camera=matrices)
    x = inputs(chain, device, (2, 12, 522)).requires_grad_()
    weights = torch.rand(2, chain.gives.channels, 12, 522).to(device) - 0.3
    leaves = [x, gains, matrices, *chain.parameters()]

    def gradients(stage):
        y = stage(x, capture)
        grads = torch.autograd.grad((y * weights).sum(), leaves, allow_unused=True)
        return [torch.zeros_like(leaf) if grad is None else grad for grad, leaf in zip(grads, leaves, strict=True)]

    grads = gradients(Fused(chain))
    with reference():
        expected = gradients(chain)
    for a, b in zip(grads, expected, strict=True):
        assert a.dtype == b.dtype
        assert float((a - b).abs().max()) <= 3e-4 * max(1e-3, float(b.abs().max()))


def test_gradients_of_the_inverse(build, device):
    chain, capture = CASES["chain"].span("matrix", "tone"), captures(device)
    y = (torch.rand(2, 3, 9, 40).to(device) * 0.9 + 0.05).requires_grad_()
    grad = torch.autograd.grad(Fused(chain).inverse(y, capture).square().sum(), y)[0]
    with reference():
        expected = torch.autograd.grad(chain.inverse(y, capture).square().sum(), y)[0]
    torch.testing.assert_close(grad, expected, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize(
    "view",
    {
        "channels last": lambda x: x.to(memory_format=torch.channels_last),
        "transposed": lambda x: x.mT.contiguous().mT,
        "every other": lambda x: x.repeat_interleave(2, 3)[..., ::2],
        "cropped": lambda x: torch.nn.functional.pad(x, (3, 5, 1, 2))[..., 1:-2, 3:-5],
        "expanded": lambda x: x[:1].expand(2, -1, -1, -1),
        "reversed planes": lambda x: x.flip(1),
    }.items(),
    ids=lambda item: item[0],
)
@pytest.mark.parametrize("name", ["chain", "classic", "raw"])
def test_any_layout(backend, device, name, view):
    chain, capture = CASES[name], captures(device)
    x = inputs(chain, device, (2, 14, 70))
    strided = view[1](x)
    output = Fused(chain)(strided, capture)
    assert torch.equal(output, Fused(chain)(strided.contiguous(), capture))
    assert output.is_contiguous()


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (2, 2), (3, 2), (2, 513), (5, 1025)])
@pytest.mark.parametrize("name", ["chain", "classic", "libraw", "raw"])
def test_any_size(build, device, name, size):
    chain, capture = CASES[name], captures(device)
    x = inputs(chain, device, (2, *size))
    if name in ("classic", "libraw") and min(size) < 2:
        with pytest.raises(errors.InvalidSize):
            Fused(chain)(x, capture)
        return
    with reference():
        expected = chain(x, capture)
    assert float((Fused(chain)(x, capture) - expected).abs().max()) <= (
        1.01 / 255 if "quantize" in chain.names else 3e-6
    )


def test_one_sample_with_the_gains_of_two(backend, device):
    chain = Pipeline(balance=stages.WhiteBalance(space=CAMERA, gains=torch.tensor([[2.0, 1, 1.5], [1.0, 1, 3.0]])))
    chain, x = chain.to(device), inputs(chain, device, (1, 8, 8))
    capture = captures(device, 1)
    assert torch.equal(Fused(chain)(x, capture), chain(x, capture))
    assert torch.equal(Fused(chain).render(x, capture), chain(x, capture))
    with pytest.raises(errors.InvalidTensor, match="capture describes 2 samples, the tensor holds 3"):
        Fused(chain)(x.expand(3, -1, -1, -1), capture)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16])
def test_render_from_and_to_integer_codes(build, device, dtype):
    chain, capture = CASES["classic"], captures(device)
    sensor = (inputs(chain, device, (2, 22, 600)).clamp(0, 1023) / (4 if dtype == torch.uint8 else 1)).to(dtype)
    if dtype == torch.uint8:
        capture = capture.replace(black=capture.black / 4, white=capture.white / 4)
    with torch.no_grad():
        expected = chain(sensor.to(torch.float32), capture)
    fused = Fused(chain)
    values = fused.render(sensor, capture)
    assert values.dtype == torch.float32
    codes = fused.render(sensor, capture, dtype=torch.uint8)
    assert float((values - expected).abs().max()) <= 1.01 / 255
    assert torch.equal((values * 255).round().to(torch.uint8), codes)
    out = torch.empty_like(codes)
    assert fused.render(sensor, capture, out=out) is out
    assert torch.equal(out, codes)
    fine = Fused(chain.span("levels", "tone"))
    deep = fine.render(sensor, capture, dtype=torch.uint16)
    exact = fine.render(sensor, capture).clamp(0, 1) * 65535
    assert float((deep.to(torch.float32) - exact).abs().max()) <= 0.51
    with reference():
        assert int((fused.render(sensor, capture, dtype=torch.uint8).int() - codes.int()).abs().max()) <= 1


def test_codes_of_values_out_of_range_and_nan(build, device):
    fused, capture = Fused(Pipeline(gain=stages.Gain(1.0, space=SRGB))), captures(device, 1)
    x = torch.tensor([-1.0, 0.0, 0.5, 1.0, 2.0, math.inf, -math.inf, math.nan], device=device)
    x = x.view(1, 1, 1, 8).expand(1, 3, 1, 8)
    codes = fused.render(x, capture, dtype=torch.uint8)[0, 0, 0].tolist()
    with reference():
        assert fused.render(x, capture, dtype=torch.uint8)[0, 0, 0].tolist() == codes
    assert codes == [0, 0, 128, 255, 255, 255, 0, 0]


def test_render_refuses_invalid_arguments(device):
    fused, capture = Fused(CASES["classic"]), captures(device, 1)
    x = inputs(CASES["classic"], device, (1, 8, 8))
    with pytest.raises(errors.InvalidArgument, match="float64"):
        fused.render(x, capture, dtype=torch.float64)
    with pytest.raises(errors.InvalidArgument, match=r"\[1, 3, 8, 8\].*\[1, 3, 8, 9\]"):
        fused.render(x, capture, out=torch.empty(1, 3, 8, 9, device=device))
    with pytest.raises(errors.InvalidArgument, match=r"must be contiguous .*strides \[384, 128, 16, 2\]"):
        fused.render(x, capture, out=torch.empty(1, 3, 8, 16, device=device)[..., ::2])


def test_float64_runs_the_stages(device):
    chain, capture = CASES["chain"], captures(device).to(torch.float64)
    x = inputs(chain, device, (2, 5, 9)).double()
    assert torch.equal(Fused(chain)(x, capture), chain(x, capture))


def test_gradcheck_through_the_stages(device):
    capture = captures(device, 1).to(torch.float64)
    x = (torch.rand(1, 3, 2, 3, dtype=torch.float64).to(device) * 0.5 + 0.2).requires_grad_()
    assert torch.autograd.gradcheck(lambda v: Fused(CASES["chain"])(v, capture), x)


def test_fuse_keeps_contract_and_can_be_drawn_saved_and_pickled(tmp_path, device):
    chain, capture = presets.classic(), captures(device)
    for whole in (False, True):
        fused = fuse(chain, demosaic=whole)
        assert isinstance(fused, Pipeline)
        assert (fused.takes, fused.gives, fused.contract) == (chain.takes, chain.gives, chain.contract)
        assert "Fused" in draw(fused, tmp_path / "graph.png")
        assert (tmp_path / "graph.png").stat().st_size > 1000
        fused.save(tmp_path / "fused.toml")
        x = inputs(chain, device, (2, 20, 20))
        for copy in (Pipeline.load(tmp_path / "fused.toml"), pickle.loads(pickle.dumps(fused))):
            copy = copy.to(device)
            assert copy.names == fused.names
            assert torch.equal(copy(x, capture), fused(x, capture))
        alive, expected = fused.in_domain(x, capture), chain.in_domain(x, capture)
        assert torch.equal(alive, expected)
    assert fuse(chain).names == ("levels_to_highlights", "demosaic", "matrix_to_quantize")


def test_fuse_enters_nested_pipelines_and_skips_other_stages():
    nested = Pipeline(raw=presets.libraw().span("levels", "demosaic"), matrix=stages.ColorMatrix())
    fused = fuse(nested)
    assert fused.names == ("raw", "matrix")
    assert fused["raw"].names == ("levels_to_highlights", "demosaic")
    odd = Pipeline(gain=stages.Gain(2.0, space=MOSAIC), menon=stages.DemosaicMenon(), matrix=stages.ColorMatrix())
    assert [type(stage) for stage in fuse(odd)] == [Fused, stages.DemosaicMenon, Fused]
    with pytest.raises(errors.InvalidArgument, match="menon"):
        Fused(odd)
    twice = Pipeline(a=stages.DemosaicMalvar(), b=stages.DemosaicMalvar().inv, c=stages.DemosaicBilinear())
    with pytest.raises(errors.InvalidArgument):
        Fused(twice)


def test_more_steps_than_a_program_holds(backend, device):
    chain = Pipeline(**{f"s{i}": stages.Clip(low=0.0, high=1.0 - i / 100, space=LINEAR) for i in range(40)})
    x = inputs(chain, device, (1, 4, 30))
    assert torch.equal(Fused(chain)(x, captures(device, 1)), x.clamp(0, 0.61))


def test_many_steps_before_a_demosaic_are_inverted_once(backend, device):
    curves = {f"c{i}": stages.PowerCurve(1.1 if i % 2 else 1 / 1.1, takes=MOSAIC, gives=MOSAIC) for i in range(40)}
    chain = Pipeline(**curves, demosaic=stages.DemosaicBilinear(), gain=stages.Gain(2.0, space=CAMERA)).to(device)
    x = torch.rand(1, 1, 6, 8).to(device) * 0.8 + 0.1
    capture = captures(device, 1)
    with torch.no_grad():
        recovered = Fused(chain).inverse(chain(x, capture), capture)
    torch.testing.assert_close(recovered, x, rtol=1e-4, atol=1e-5)


def test_threads_do_not_change_the_values(kernels, device):
    x, capture = inputs(CASES["classic"], device, (2, 300, 500)), captures(device)
    before = torch.get_num_threads()
    try:
        outputs = []
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            outputs.append(Fused(CASES["classic"])(x, capture))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(outputs[0], outputs[1])
    assert torch.equal(outputs[0], outputs[2])


def test_ulps_of_the_whole_development(build, device):
    """The error is at most twice that of the plain stages."""
    chain = presets.classic().span("levels", "tone")
    x, capture = inputs(chain, device, (2, 64, 600)), captures(device)
    with torch.no_grad(), reference():
        exact, plain = chain(x.double(), capture.to(torch.float64)), chain(x, capture)
    assert ulps(Fused(chain)(x, capture), exact) <= 2 * ulps(plain, exact)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", ["chain", "raw", "libraw"])
def test_half_precision_on_a_gpu(backend, device, name, dtype):
    """Half precision is computed in float32 and rounded once at the end."""
    if device.type != "cuda" and backend != "emulated":
        pytest.skip("not for the CPU: half precision is for GPUs")
    chain, capture = pipeline_of(CASES[name], device), captures(device)
    x = inputs(chain, device, (2, 20, 30)).to(dtype)
    output = Fused(chain)(x, capture)
    assert output.dtype == dtype
    torch.testing.assert_close(output, Fused(chain)(x.float(), capture).to(dtype))


def test_a_graph_is_captured_after_warm_up(kernels, device):
    if device.type != "cuda":
        pytest.skip("needs a GPU: pytest --device cuda")
    fused, capture = Fused(CASES["classic"].to(device)), captures(device)
    x = inputs(CASES["classic"], device, (2, 40, 60))
    fused(x, capture)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        output = fused(x, capture)
    x.mul_(0.5)
    graph.replay()
    torch.cuda.synchronize()
    assert torch.equal(output, fused(x, capture))
