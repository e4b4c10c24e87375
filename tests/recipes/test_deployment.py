"""Networks of RAW out of Python's hands: compiled, written as ONNX, in bfloat16."""

import warnings

import numpy as np
import pytest
import torch

from isptoolkit import Capture
from isptoolkit.data import Batch
from isptoolkit.recipes import aim_unet, rst_isp_net, ssdnet, zero_noise
from isptoolkit.train import Training, train

TINY = ssdnet.Config(width=8, blocks=(1, 1, 1), middle=1, last=1, refinement=1)
LEAN = rst_isp_net.Config(widths=(8, 16, 16, 24, 32, 48), reduced=8, detail=True)
NETWORKS = {
    "ssdnet": lambda: ssdnet.SSDNet(TINY),
    "rst": lambda: rst_isp_net.RSTISPNet(rst_isp_net.Config(widths=(8, 16, 16, 24, 32, 48))),
    "lean": lambda: rst_isp_net.RSTISPNet(LEAN),
    "u-net": lambda: aim_unet.BaselineUNet(aim_unet.SMALL),
    "gates": lambda: zero_noise.GatedNet(zero_noise.SMALL),
}


def made(name):
    torch.manual_seed(0)
    return NETWORKS[name]().eval()


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in ("ssdnet", "rst") else ()) for name in NETWORKS]
)
def test_written_as_onnx_for_any_size(name, tmp_path):
    runtime = pytest.importorskip("onnxruntime", reason="needs onnxruntime: pip install isptoolkit[onnx]")
    net, path = made(name), tmp_path / "net.onnx"
    sizes = {"x": {2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(net, (torch.rand(1, 3, 50, 68),), path, dynamo=True, dynamic_shapes=sizes, verbose=False)
    session = runtime.InferenceSession(path)
    for size in ((50, 68), (32, 40)):
        x = torch.rand(1, 3, *size)
        (found,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
        with torch.no_grad():
            wanted = net(x).numpy()
        assert found.shape == wanted.shape
        assert np.abs(found - wanted).max() < 1e-5 * max(1.0, float(np.abs(wanted).max()))


@pytest.mark.parametrize("name", NETWORKS)
def test_compiled_as_one_graph(name, compiler):
    net, x = made(name), torch.rand(2, 3, 34, 48)
    quick = torch.compile(net, fullgraph=True, backend="aot_eager")
    wanted, found = net(x), quick(x)
    torch.testing.assert_close(found, wanted)
    gradients = [torch.autograd.grad(y.square().sum(), list(net.parameters())) for y in (wanted, found)]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4 * max(1.0, float(one.abs().max())))


@pytest.mark.slow
def test_the_default_compiler_agrees(compiler):
    net, x = made("u-net"), torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(torch.compile(net)(x), net(x))


class Smooth:
    """Pictures that are their RAW."""

    def batch(self, number, size, patch, *, seed, rank, world):
        cells = torch.rand(size, 1, 4, 4, generator=torch.Generator().manual_seed(number % 3))
        sensor = torch.nn.functional.interpolate(cells, (patch, patch), mode="bilinear")
        return Batch(sensor, Capture.collate([Capture.of("RGGB")] * size), sensor.expand(-1, 3, -1, -1))


OBJECTIVES = {
    "ssdnet": lambda: ssdnet.Objective(TINY),
    "lean": lambda: rst_isp_net.Objective(LEAN),
    "u-net": lambda: aim_unet.Objective(aim_unet.SMALL),
}


@pytest.mark.parametrize("name", OBJECTIVES)
def test_mixed_precision_learns_and_stays_near(name, tmp_path):
    """The network in bfloat16 is near the one in float32, whose parameters stay float32."""
    how = Training(steps=30, batch=2, patch=32, lr=2e-3, precision="bf16")
    losses = []
    result = train(OBJECTIVES[name], Smooth(), how, tmp_path, on_step=lambda _, figures: losses.append(figures["loss"]))
    assert sum(losses[-5:]) < 0.6 * sum(losses[:5])
    net, x = result.stage.net.eval(), Smooth().batch(0, 1, 64, seed=0, rank=0, world=1).target
    assert all(value.dtype == torch.float32 for value in net.parameters())
    with torch.no_grad():
        whole = net(x)
        with torch.autocast("cpu", torch.bfloat16):
            mixed = net(x)
    assert float((mixed.float() - whole).abs().mean()) < 0.02
