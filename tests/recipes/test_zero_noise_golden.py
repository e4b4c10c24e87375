"""0noise's network before its last ReLU, and its first residual block, against its program."""

import pytest
import torch
from golden import Golden, load_published

from isptoolkit.recipes import zero_noise

GOLDEN = Golden("zero_noise")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_golden(dtype):
    net = zero_noise.GatedNet()
    load_published(net, GOLDEN.weights(), zero_noise.official_name)
    outputs = []
    net.blocks[0].register_forward_hook(lambda module, inputs, output: outputs.append(output))
    with torch.no_grad():
        y = net.to(dtype)(GOLDEN["x"].to(dtype))
    GOLDEN.check("before_relu", y)
    GOLDEN.check("y", y.relu())
    GOLDEN.check("first_residual", outputs[0][:, ::4])
