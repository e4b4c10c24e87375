"""Black and white levels, and the linearization table."""

import math
import re

import numpy as np
import pytest
import torch
from torch.fx.experimental.proxy_tensor import make_fx

from isptoolkit import CAMERA, LINEAR_RAW, Capture, Pipeline, fuse, presets
from isptoolkit.errors import InvalidArgument, InvalidCapture
from isptoolkit.kernels import reference
from isptoolkit.stages.levels import Levels, Linearize


def test_levels_by_hand_at_every_site_of_odd_sizes(capture):
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 1100, (1, 1, 5, 7))
    expected = x.copy()
    for row in range(5):
        for column in range(7):
            black = (60, 64, 66, 70)[row % 2 * 2 + column % 2]
            expected[..., row, column] = (x[..., row, column] - black) / (1023 - black)
    y = Levels()(torch.from_numpy(x), capture)
    np.testing.assert_allclose(y.numpy(), expected, rtol=1e-14, atol=1e-14)
    np.testing.assert_allclose(Levels().inverse(y, capture).numpy(), x, atol=1e-11)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_black_becomes_zero_and_white_one_exactly(capture, dtype):
    dark = torch.tensor([[60.0, 64.0], [66.0, 70.0]], dtype=dtype)[None, None]
    stage = Levels()
    assert stage(dark, capture).dtype == dtype
    assert (stage(dark, capture) == 0).all()
    assert (stage(torch.full_like(dark, 1023), capture) == 1).all()


def test_levels_of_each_sample_of_a_batch():
    captures = [Capture.of("RGGB", black=10, white=110), Capture.of("RGGB", black=(0, 1, 2, 3), white=203)]
    x = torch.rand(2, 1, 4, 4, dtype=torch.float64) * 100
    together = Levels()(x, Capture.collate(captures))
    for index, one in enumerate(captures):
        assert torch.equal(together[index : index + 1], Levels()(x[index : index + 1], one))


def test_own_levels_override_the_capture_and_learn(capture):
    black = torch.nn.Parameter(torch.full((4,), 8.0, dtype=torch.float64))
    stage = Levels(black=black, white=264.0)
    assert torch.allclose(stage(torch.full((1, 1, 2, 2), 136.0), capture), torch.tensor(0.5))
    x = torch.rand(1, 1, 2, 2, dtype=torch.float64, requires_grad=True)

    def run(x, black):
        return torch.func.functional_call(stage, {"black": black}, (x, capture))

    assert torch.autograd.gradcheck(run, (x, black))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_each_plane_of_linear_raw_has_its_own_black(dtype):
    x = np.random.default_rng(2).uniform(0, 1100, (2, 3, 5, 7)).astype(str(dtype)[6:])
    planes = np.array([60.0, 64.0, 70.0])[:, None, None]
    capture, stage = Capture.of("RGB", black=(60, 64, 64, 70), white=1023), Levels(space=LINEAR_RAW)
    y = stage(torch.from_numpy(x), capture)
    rounding = 16 * torch.finfo(dtype).eps
    np.testing.assert_allclose(y.numpy(), (x - planes) / (1023 - planes), atol=rounding)
    np.testing.assert_allclose(stage.inverse(y, capture).numpy(), x, atol=1100 * rounding)
    assert (stage.takes, stage.gives) == (LINEAR_RAW, CAMERA)


@pytest.mark.parametrize(
    ("stage", "cfa", "advice"),
    [
        (Levels(), "RGB", 'presets.classic(layout="linear")'),
        (Levels(space=LINEAR_RAW), "RGGB", "presets.classic(), or state another cfa"),
        (Levels(space=LINEAR_RAW), "MONO", 'presets.classic(layout="mono")'),
    ],
)
def test_captures_of_other_samples_are_refused_with_advice(stage, cfa, advice):
    x = torch.zeros(1, stage.takes.channels, 4, 4)
    for direction in (stage.forward, stage.inverse):
        with pytest.raises(InvalidCapture, match=re.escape(advice)):
            direction(x, Capture.of(cfa))


def test_levels_of_another_space_are_refused():
    with pytest.raises(InvalidArgument, match="space must be SENSOR or LINEAR_RAW, got .*'camera'"):
        Levels(space=CAMERA)


FRAME = torch.randint(300, 900, (1, 1, 37, 50), generator=torch.Generator().manual_seed(3)).float()


@pytest.mark.parametrize("camera", [presets.classic(), fuse(presets.classic(), demosaic=True), Levels()], ids=repr)
def test_digital_numbers_are_not_taken_for_normalized_samples(camera):
    with pytest.raises(InvalidCapture, match=r"is far outside 0 to 1, .*: pass the levels of the sensor, such as"):
        camera(FRAME, Capture.of("GRBG"))
    described = Capture.of("GRBG", black=64, white=1023)
    assert camera(FRAME, described).isfinite().all()
    batch = Capture.collate([described, Capture.of("GRBG")])
    with pytest.raises(InvalidCapture, match="is far outside 0 to 1,"):
        camera(FRAME.expand(2, -1, -1, -1), batch)


@pytest.mark.parametrize("cfa", ["RGGB", "BGGR"])
def test_a_stuck_color_does_not_hide_the_others(cfa):
    """Three of four sites hold digital numbers; every site counts, whatever the size."""
    for size in (2, 3, 64, 65, 200):
        x = torch.full((1, 1, size, size), 500.0)
        x[..., ::2, ::2] = 0
        with pytest.raises(InvalidCapture):
            Levels()(x, Capture.of(cfa))


@pytest.mark.parametrize("scale", [-7.0, -0.1, 0.0, 1.0, 7.0])
def test_noise_below_black_and_headroom_above_white_pass(scale):
    x = torch.full((1, 1, 9, 9), 1023.0) * scale
    x[..., :4, :] = 1e6 * x[..., :4, :]  # no more than half of the samples
    assert Levels()(x, Capture.of("RGGB", black=64, white=1023)).isfinite().all()


def test_own_levels_are_taken_at_their_word():
    assert float(Levels(black=[0.0] * 4, white=2.0)(FRAME, Capture.of("RGGB")).min()) >= 150


def test_values_of_traced_programs_are_not_read(compiler):
    stage, capture = Levels(), Capture.of("RGGB")

    def run(x):
        return stage(x, capture)

    expected = Levels(white=1.0)(FRAME, capture)
    assert torch.equal(torch.compile(stage, fullgraph=True, backend="eager")(FRAME, capture), expected)
    assert torch.equal(make_fx(run)(FRAME)(FRAME), expected)
    assert torch.equal(torch.func.vmap(run)(FRAME[None])[0], expected)


def test_white_below_black_is_refused():
    with pytest.raises(InvalidArgument, match="white must be above black"):
        Levels(black=[1, 2, 3, 400], white=300)


TABLE = np.array([0, 1, 2, 4, 8, 16, 32, 33, 40])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_linearize_is_numpy_interpolation(capture, dtype):
    x = np.random.default_rng(1).uniform(0, 8, (2, 1, 4, 5)).astype(str(dtype)[6:])
    stage = Linearize(TABLE.tolist())
    y = stage(torch.from_numpy(x), Capture.collate([capture, capture]))
    rounding = 100 * torch.finfo(dtype).eps
    np.testing.assert_allclose(y.numpy(), np.interp(x, np.arange(9), TABLE), atol=rounding)
    np.testing.assert_allclose(stage.inverse(y, capture).numpy(), np.interp(y, TABLE, np.arange(9)), atol=rounding)


def test_linearize_looks_integer_codes_up_exactly(capture):
    codes = torch.arange(9.0).view(1, 1, 1, 9)
    stage = Linearize(TABLE.tolist())
    assert torch.equal(stage(codes, capture).flatten(), torch.from_numpy(TABLE).float())
    assert torch.equal(stage.inverse(stage(codes, capture), capture), codes)


def test_linearize_extrapolates_with_its_end_slopes(capture):
    stage = Linearize([3.0, 5.0, 6.0])
    x = torch.tensor([[[[-2.0, 4.0]]]])
    assert stage(x, capture).flatten().tolist() == [-1.0, 8.0]
    assert torch.equal(stage.inverse(stage(x, capture), capture), x)


def test_flat_runs_and_their_ends_are_out_of_domain(capture):
    stage = Linearize([0, 0, 1, 2, 2, 2, 4, 4])
    x = torch.tensor([-1.0, 0.0, 0.5, 1.0, 1.5, 2.5, 3.0, 3.5, 4.0, 5.0, 5.5, 6.0, 6.5, 9.0]).view(1, 1, 1, -1)
    inside = [False, False, False, False, True, True, False, False, False, False, True, False, False, False]
    assert stage.in_domain(x, capture).flatten().tolist() == inside
    recovered = stage.inverse(stage(x, capture), capture)
    assert torch.equal(recovered.flatten()[inside], x.flatten()[inside])
    assert torch.equal(stage(recovered, capture), stage(x, capture))


def test_rounding_near_a_flat_run_never_breaks_the_round_trip(capture):
    table = (torch.rand(40, dtype=torch.float64).cumsum(0) / 3).tolist()
    table[20:24] = [table[20]] * 4
    stage = Linearize(table)
    edges = torch.tensor([20.0, 23.0])
    x = torch.cat([edges, torch.nextafter(edges, edges - 1), torch.nextafter(edges, edges + 1)]).view(1, 1, 1, -1)
    x = torch.cat([x, torch.rand(1, 1, 1, 500) * 45 - 3], -1)
    inside = stage.in_domain(x, capture)
    bound = stage.contract.condition * torch.finfo(x.dtype).eps * x.abs().max()
    assert inside.float().mean() > 0.8
    assert (stage.inverse(stage(x, capture), capture) - x).abs()[inside].max() <= bound


def test_linearize_gradients_and_a_table_per_sample(capture):
    table = torch.nn.Parameter(torch.tensor([[0.0, 1.0, 3.0], [1.0, 5.0, 6.0]], dtype=torch.float64))
    stage = Linearize(table)
    x = torch.tensor([0.3, 1.7], dtype=torch.float64).view(2, 1, 1, 1).requires_grad_()
    assert stage(x, capture).flatten().tolist() == pytest.approx([0.3, 5.7])

    def both(x, table):
        y = torch.func.functional_call(stage, {"table": table}, (x, capture))
        return y, stage.inverse(y, capture)

    assert torch.autograd.gradcheck(both, (x, table))


@pytest.mark.parametrize("table", [[], [1.0], [2.0, 1.0], [1.0, 1.0], [0.0, float("nan")], 3.0])
def test_bad_tables_are_refused(table):
    with pytest.raises(InvalidArgument, match="table"):
        Linearize(table)


@pytest.mark.parametrize("stage", [Levels(), Linearize([0.0, 1.0, 4.0])], ids=["Levels", "Linearize"])
def test_compiles(capture, stage, compiler):
    x = torch.rand(1, 1, 4, 6)
    trip = torch.compile(lambda x: stage.inverse(stage(x, capture), capture), fullgraph=True, backend="eager")
    assert torch.allclose(trip(x), x, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("table", [[0, 1, 4, 9], [0, 1, 1, 4, 4]], ids=["rising", "flat"])
@pytest.mark.parametrize("direction", ["forward", "inverse"])
def test_a_table_keeps_what_is_not_a_number(dtype, table, direction):
    """Infinity has no value on a flat end of the table, whose slope is zero."""
    nan, inf = float("nan"), float("inf")
    samples = torch.tensor([nan, -inf, inf, 1e30, -1e30, 0.5, 3.5, nan], dtype=dtype).view(1, 1, 2, 4)
    capture, stage = Capture.of("RGGB"), Linearize(table)
    with reference():
        result = getattr(stage, direction)(samples, capture)
    torch.testing.assert_close(
        getattr(fuse(Pipeline(table=stage)), direction)(samples, capture), result, equal_nan=True
    )
    first, low, high, *_, last = result.flatten().tolist()
    assert math.isnan(first)
    assert math.isnan(last)
    assert low == -inf
    assert high == inf or table[-1] == table[-2]
