"""A stage bound to a capture is a plain module of one tensor argument."""

import copy
import pickle

import pytest
import torch
from noisy_patches import Patches
from torch import nn
from torch.utils.data import DataLoader

from isptoolkit import SRGB, Learned, presets, stages
from isptoolkit.errors import InvalidTensor, OneWay


@pytest.fixture
def sensor():
    return 100 + 800 * torch.rand(3, 1, 8, 6, generator=torch.Generator().manual_seed(0))


def test_it_does_what_the_pipeline_does(capture, sensor):
    pipeline = presets.classic()
    bound = pipeline.bind(capture)
    image = pipeline(sensor, capture)
    assert torch.equal(bound(sensor), image)
    assert torch.equal(bound(sensor[0]), image[0])
    assert torch.equal(bound.inverse(image), pipeline.inverse(image, capture))
    torch.testing.assert_close(bound.inverse(image[0]), pipeline.inverse(image, capture)[0])
    assert bound.stage is pipeline
    assert repr(capture.cfa).strip("'") in repr(bound)


def test_it_stands_in_a_sequential(capture, sensor):
    torch.manual_seed(0)
    net = nn.Sequential(presets.classic().bind(capture), nn.Conv2d(3, 2, 1), nn.ReLU())
    assert torch.equal(net(sensor), net[2](net[1](presets.classic()(sensor, capture))))
    assert [name for name, _ in net.named_parameters()] == ["1.weight", "1.bias"]
    assert not any("capture" in name for name in net.state_dict())
    other = nn.Sequential(presets.classic().bind(capture), nn.Conv2d(3, 2, 1), nn.ReLU())
    other.load_state_dict(net.state_dict())
    assert torch.equal(other(sensor), net(sensor))


@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_it_works_in_the_workers_of_a_loader(capture, context):
    transform = presets.classic().bind(capture)
    loader = DataLoader(Patches(transform), batch_size=3, num_workers=2, multiprocessing_context=context)
    images = torch.cat(list(loader))
    assert torch.equal(images, torch.stack([Patches(transform)[i] for i in range(6)]))


def test_copies_and_pickles(capture, sensor):
    bound = presets.classic().bind(capture)
    for twin in (copy.deepcopy(bound), pickle.loads(pickle.dumps(bound))):
        assert twin.capture == capture
        assert torch.equal(twin(sensor), bound(sensor))


def test_a_move_takes_the_capture_along_and_a_cast_does_not(capture, sensor):
    bound = nn.Sequential(presets.classic().bind(capture))
    assert bound.half()[0].capture == capture
    assert bound.float()[0].capture == capture
    assert torch.allclose(bound(sensor), presets.classic()(sensor, capture))
    assert bound.to("meta")[0].capture.white.device.type == "meta"
    assert bound(sensor.to("meta")).shape == (3, 3, 8, 6)


def test_errors_are_the_stages_own(capture, sensor):
    with pytest.raises(InvalidTensor, match=r"sensor is \[B, 1, H, W\], got 3 channels"):
        presets.classic().bind(capture)(sensor.expand(-1, 3, -1, -1))
    with pytest.raises(InvalidTensor, match="got 2 dimensions"):
        presets.classic().bind(capture)(sensor[0, 0])
    with pytest.raises(OneWay, match="Learned has no inverse"):
        Learned(nn.Conv2d(3, 3, 1), SRGB, SRGB).bind(capture).inverse(torch.rand(1, 3, 2, 2))


def test_hooks_of_the_stage_run(capture):
    stage, calls = stages.SRGBCurve(), []
    stage.register_forward_hook(lambda *arguments: calls.append(arguments))
    stage.bind(capture)(torch.rand(1, 3, 2, 2))
    assert len(calls) == 1


def test_compiles(capture, sensor, compiler):
    bound = presets.classic().span("levels", "tone").bind(capture)
    compiled = torch.compile(bound, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(sensor), bound(sensor))
