"""The last layer of the challenge's U-Net against its program; `test_recipes.py` has the outputs."""

import pytest
import torch
from golden import Golden, load_published

from isptoolkit.recipes import aim_unet

GOLDEN = Golden("aim_unet")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_golden(dtype):
    net = aim_unet.BaselineUNet(aim_unet.PUBLISHED)
    load_published(net, GOLDEN.weights(), aim_unet.official_name)
    outputs = []
    net.head.register_forward_hook(lambda module, inputs, output: outputs.append(output))
    with torch.no_grad():
        y = net.to(dtype)(GOLDEN["x"].to(dtype))
    GOLDEN.check("head", outputs[0])
    GOLDEN.check("y", y.clamp(0, 1))
