"""Exposure in stops and plain gain."""

import math

import pytest
import torch

from isptoolkit import LINEAR, MOSAIC
from isptoolkit.errors import InvalidArgument
from isptoolkit.stages.exposure import Exposure, Gain


@pytest.mark.parametrize(("stops", "factor"), [(0.0, 1.0), (1.0, 2.0), (-3.0, 0.125), (0.5, 1.4142135623730951)])
def test_a_stop_is_a_factor_of_two(capture, stops, factor):
    x = torch.rand(1, 3, 4, 5, dtype=torch.float64)
    assert torch.allclose(Exposure(stops)(x, capture), x * factor, rtol=1e-15)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("stage", [Exposure(0.7), Exposure([0.3, -1.2]), Gain(3.3, space=LINEAR)])
def test_both_trips(capture, stage, dtype):
    x = torch.randn(2, 3, 4, 5, dtype=dtype)
    bound = stage.contract.condition * torch.finfo(dtype).eps * x.abs().max()
    assert (stage.inverse(stage(x, capture), capture) - x).abs().max() <= bound
    assert (stage(stage.inverse(x, capture), capture) - x).abs().max() <= bound
    assert stage(x, capture).dtype == dtype


def test_one_value_per_sample(capture):
    x = torch.ones(2, 1, 2, 2)
    assert Gain([2.0, 0.5])(x, capture)[:, 0, 0, 0].tolist() == [2.0, 0.5]
    assert Exposure([1.0, -1.0], space=MOSAIC)(x, capture)[:, 0, 0, 0].tolist() == [2.0, 0.5]


@pytest.mark.parametrize("stops", [None, 0.0, 0.43, -1.2])
def test_the_exposure_of_the_capture(capture, stops):
    x = torch.rand(1, 3, 4, 5, dtype=torch.float64)
    exposed = capture.replace(exposure=None if stops is None else torch.tensor([stops], dtype=torch.float64))
    factor = 1.0 if stops is None else math.pow(2.0, stops)
    assert torch.allclose(Exposure()(x, exposed), x * factor, rtol=1e-15)
    assert torch.allclose(Exposure().inverse(x, exposed), x / factor, rtol=1e-15)
    assert torch.equal(Exposure(stops=0.0)(x, exposed), x)  # an own value wins


@pytest.mark.parametrize(("make", "name"), [(Exposure, "stops"), (Gain, "gain")])
def test_the_value_learns(capture, make, name):
    value = torch.nn.Parameter(torch.tensor(0.8, dtype=torch.float64))
    stage = make(value, space=LINEAR)
    x = torch.rand(1, 3, 2, 2, dtype=torch.float64, requires_grad=True)

    def run(x, value):
        return torch.func.functional_call(stage, {name: value}, (x, capture))

    assert torch.autograd.gradcheck(run, (x, value))


@pytest.mark.parametrize("gain", [0.0, -1.0, float("inf"), [[1.0, 2.0]]])
def test_bad_gains_are_refused(gain):
    with pytest.raises(InvalidArgument, match="gain"):
        Gain(gain)


@pytest.mark.parametrize("stage", [Exposure(0.7), Gain(3.3, space=LINEAR)], ids=["Exposure", "Gain"])
def test_compiles(capture, stage, compiler):
    x = torch.rand(1, 3, 4, 6)
    compiled = torch.compile(lambda x: stage.inverse(stage(x, capture), capture), fullgraph=True, backend="eager")
    assert torch.allclose(compiled(x), x)
