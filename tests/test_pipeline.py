"""Pipelines: checked at construction, closed under nesting, usable like any torch module."""

import copy
import pickle

import pytest
import torch
from torch import nn

from isptoolkit import CAMERA, LINEAR, MOSAIC, PACKED, SRGB, Capture, Contract, Learned, Pair, Pipeline, presets, stages
from isptoolkit.errors import InvalidArgument, InvalidTensor, OneWay, SpaceMismatch
from isptoolkit.stage import Stage


@pytest.fixture
def pipeline() -> Pipeline:
    return presets.classic().span("levels", "tone")


@pytest.fixture
def sensor() -> torch.Tensor:
    torch.manual_seed(0)
    return 250 + 60 * torch.rand(2, 1, 12, 10, dtype=torch.float64)


def test_neighbors_that_do_not_fit_are_both_named():
    with pytest.raises(SpaceMismatch, match="balance gives mosaic, but curve takes linear"):
        Pipeline(levels=stages.Levels(), balance=stages.WhiteBalance(), curve=stages.SRGBCurve())


def test_empty_and_foreign_parts_are_refused():
    with pytest.raises(InvalidArgument, match="at least one stage"):
        Pipeline()
    with pytest.raises(InvalidArgument, match="net must be a Stage, got Conv2d"):
        Pipeline(net=nn.Conv2d(3, 3, 1))
    with pytest.raises(InvalidArgument, match="cannot be called"):
        Pipeline(keys=stages.Levels())


def test_round_trip(pipeline, sensor, capture):
    assert pipeline.in_domain(sensor, capture).all()
    recovered = pipeline.inverse(pipeline(sensor, capture), capture)
    assert (recovered - sensor).abs().max() < 1e-9


def test_reversing_twice_returns_the_same_object(pipeline):
    assert pipeline.inv.inv is pipeline


def test_nesting_changes_nothing(pipeline, sensor, capture):
    nested = Pipeline(
        raw=pipeline.span("levels", "highlights"), color=Pipeline(inner=pipeline.span("demosaic", "tone"))
    )
    assert torch.equal(nested(sensor, capture), pipeline(sensor, capture))
    assert torch.equal(nested.in_domain(sensor, capture), pipeline.in_domain(sensor, capture))
    assert nested.contract == pipeline.contract


def test_contracts_promise_only_what_follows(pipeline):
    assert pipeline.contract.round_trip == 0.0
    assert presets.classic().contract.round_trip is None
    assert presets.classic().contract.re_render == 0.0
    lossy_first = Pipeline(quantize=stages.Quantize(space=LINEAR), curve=stages.SRGBCurve())
    assert lossy_first.contract.round_trip == pytest.approx(0.5 / 255)


def test_swap_returns_a_new_pipeline_that_shares_the_rest(pipeline, sensor, capture):
    swapped = pipeline.swap("demosaic", stages.DemosaicBilinear())
    assert swapped["levels"] is pipeline["levels"]
    assert isinstance(pipeline["demosaic"], stages.DemosaicMalvar)
    assert not torch.equal(swapped(sensor, capture), pipeline(sensor, capture))
    shorter = pipeline.swap("curve", stages.SRGBCurve(), through="tone")
    assert shorter.names == pipeline.names[:-1]


def test_swap_and_span_name_the_stages_that_exist(pipeline):
    with pytest.raises(InvalidArgument, match="no stage 'gamma' in this pipeline: it has levels, balance"):
        pipeline.swap("gamma", stages.SRGBCurve())
    with pytest.raises(InvalidArgument, match="comes before"):
        pipeline.span("tone", "levels")
    with pytest.raises(InvalidArgument, match="comes before"):
        pipeline.swap("tone", stages.SRGBCurve(), through="levels")
    with pytest.raises(SpaceMismatch):
        pipeline.swap("matrix", stages.SRGBCurve())


def test_trace_forward_and_back(pipeline, sensor, capture):
    values = pipeline.trace(sensor, capture)
    assert tuple(values) == pipeline.names
    assert torch.equal(values["tone"], pipeline(sensor, capture))
    back = pipeline.trace_inverse(values["tone"], capture)
    assert torch.allclose(back["tone"], values["curve"])
    assert torch.allclose(back["levels"], sensor)


def test_a_learned_block_replaces_a_span(pipeline, sensor, capture):
    net = nn.Conv2d(3, 3, 3, padding=1).double()
    learned = pipeline.swap("matrix", Learned(net, takes=CAMERA, gives=SRGB), through="tone")
    assert learned(sensor, capture).shape == (2, 3, 12, 10)
    assert not learned.two_way
    with pytest.raises(OneWay, match="Learned has no inverse"):
        learned.inverse(torch.zeros(2, 3, 12, 10, dtype=torch.float64), capture)


def test_a_network_with_another_output_layout_is_caught(capture):
    stage = Learned(nn.PixelUnshuffle(2), takes=MOSAIC, gives=MOSAIC)
    with pytest.raises(InvalidTensor, match="mosaic is .* got 4 channels"):
        stage(torch.zeros(1, 1, 4, 4), capture)
    assert Learned(nn.PixelUnshuffle(2), takes=MOSAIC, gives=PACKED)(torch.zeros(1, 1, 4, 4), capture).shape[1] == 4


def test_a_pair_works_in_both_directions(capture):
    there = Learned(nn.Conv2d(3, 3, 1), takes=SRGB, gives=LINEAR)
    back = Learned(nn.Conv2d(3, 3, 1), takes=LINEAR, gives=SRGB)
    pair = Pair(there, back)
    x = torch.rand(1, 3, 4, 4)
    assert torch.equal(pair.inverse(pair(x, capture), capture), back(there(x, capture), capture))
    with pytest.raises(InvalidArgument, match="back must lead from linear to srgb"):
        Pair(there, there)


def test_gradients_reach_every_parameter(sensor, capture):
    gains = nn.Parameter(torch.tensor([2.0, 1.0, 1.5], dtype=torch.float64))
    matrix = nn.Parameter(capture.srgb_to_camera[0].clone())
    amount = nn.Parameter(torch.tensor(0.5, dtype=torch.float64))
    fitted = Pipeline(
        levels=stages.Levels(),
        balance=stages.WhiteBalance(gains=gains),
        demosaic=stages.DemosaicMalvar(),
        matrix=stages.ColorMatrix(srgb_to_camera=matrix),
        curve=stages.SRGBCurve(),
        tone=stages.Smoothstep(amount=amount),
    )
    assert len(list(fitted.parameters())) == 3
    image = fitted(sensor, capture)
    (image.square().mean() + fitted.inverse(image.detach(), capture).mean()).backward()
    for parameter in (gains, matrix, amount):
        assert parameter.grad.isfinite().all()
        assert (parameter.grad != 0).any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_compiles_as_one_graph_in_both_directions(pipeline, sensor, capture, dtype, compiler):
    x = sensor.to(dtype)
    forward = torch.compile(pipeline, fullgraph=True, backend="aot_eager")
    inverse = torch.compile(pipeline.inv, fullgraph=True, backend="aot_eager")
    image = forward(x, capture)
    assert image.dtype == dtype
    assert torch.allclose(image, pipeline(x, capture))
    assert torch.allclose(inverse(image, capture), pipeline.inverse(image, capture))


def test_inductor_agrees(pipeline, sensor, capture, compiler):
    compiled = torch.compile(pipeline, fullgraph=True)
    assert torch.allclose(compiled(sensor, capture), pipeline(sensor, capture), atol=1e-12)


def test_exports(pipeline, sensor, capture):
    for stage, x in ((pipeline, sensor), (pipeline.inv, pipeline(sensor, capture))):
        program = torch.export.export(stage, (x, capture))
        assert torch.allclose(program.module()(x, capture), stage(x, capture))


def test_copies_pickles_and_state_dicts(sensor, capture):
    gains = nn.Parameter(torch.tensor([1.5, 1.0, 2.0], dtype=torch.float64))
    pipeline = Pipeline(levels=stages.Levels(), balance=stages.WhiteBalance(gains=gains))
    for twin in (copy.deepcopy(pipeline), pickle.loads(pickle.dumps(pipeline))):
        assert torch.equal(twin(sensor, capture), pipeline(sensor, capture))
    other = Pipeline(
        levels=stages.Levels(), balance=stages.WhiteBalance(gains=nn.Parameter(torch.ones(3, dtype=torch.float64)))
    )
    other.load_state_dict(pipeline.state_dict(), strict=True)
    assert torch.equal(other(sensor, capture), pipeline(sensor, capture))


def test_wrong_input_names_what_is_expected(pipeline, sensor, capture):
    with pytest.raises(InvalidTensor, match=r"sensor is \[B, 1, H, W\], got 3 channels"):
        pipeline(sensor.expand(-1, 3, -1, -1), capture)
    with pytest.raises(InvalidTensor, match="floating point, got torch.int32"):
        pipeline(sensor.int(), capture)
    with pytest.raises(InvalidTensor, match="got 2 dimensions"):
        pipeline(sensor[0, 0], capture)
    with pytest.raises(InvalidTensor, match="at least one pixel"):
        pipeline(sensor[..., :0], capture)
    with pytest.raises(InvalidTensor, match="takes a torch.Tensor, got ndarray"):
        pipeline(sensor.numpy(), capture)


def test_an_error_inside_names_the_stage(capture):
    packing = Pipeline(levels=stages.Levels(), pack=stages.Pack())
    with pytest.raises(ValueError, match="3") as caught:
        packing(torch.zeros(1, 1, 3, 4), capture)
    assert "in stage pack (mosaic -> packed)" in caught.value.__notes__[0]


def test_concrete_stages_are_final():
    with pytest.raises(TypeError, match="subclasses the concrete stage"):
        type("Mine", (stages.Levels,), {})


def test_a_stage_without_inverse_raises(capture):
    class Blur(Stage):
        takes = gives = SRGB
        contract = Contract(None, None)

        def forward(self, x: torch.Tensor, capture: Capture) -> torch.Tensor:
            return x

    assert not Blur().two_way
    with pytest.raises(OneWay, match=r"Blur has no inverse \(srgb -> srgb only\)"):
        Blur().inverse(torch.zeros(1, 3, 2, 2), capture)
    with pytest.raises(OneWay):
        Blur().inv.forward(torch.zeros(1, 3, 2, 2), capture)


def test_tools_of_torch_that_convert_modules_work_on_pipelines():
    """They set every child where it was, and replace those inside a learned stage."""
    norm = Pipeline(net=Learned(nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)), CAMERA, CAMERA))
    converted = nn.SyncBatchNorm.convert_sync_batchnorm(norm)
    assert isinstance(converted["net"].net[1], nn.SyncBatchNorm)
    converted.stages["net"] = converted["net"]
    with pytest.raises(InvalidArgument, match="swap"):
        converted.stages["net"] = stages.Clip(space=CAMERA)
    with pytest.raises(InvalidArgument, match="swap"):
        del converted.stages.net
