"""0noise's network against the output of its program."""

import re

import pytest
import torch
from golden import Golden, load_published
from isptoolkit.recipes import zero_noise

GOLDEN = Golden("zero_noise")
GATES = {"tone": "tm", "color": "cstb", "shading": "lsb"}


def published(key):
    """Layers of ours are numbered with the activations between them."""
    gate, number, rest = re.fullmatch(r"(\w+)\.(?:(\d+)\.)?(.*)", key).groups()
    if gate in GATES:
        inner = int(number) // 2
        return f"{GATES[gate]}.block.{inner}{'' if inner == 3 else '.conv'}.{rest}"
    if gate == "blocks":
        place, rest = rest.split(".")
        return f"r{int(number) + 1}.conv{int(place) // 2 + 1}.{rest}"
    return f"p.conv.{rest}" if gate == "mix" else f"cout.{rest}"


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_golden(dtype):
    net = zero_noise.GatedNet()
    load_published(net, GOLDEN.weights(), published)
    seen = []
    net.blocks[0].register_forward_hook(lambda module, inputs, output: seen.append(output))
    with torch.no_grad():
        made = net.to(dtype)(GOLDEN["x"].to(dtype))
    GOLDEN.check("before_relu", made)
    GOLDEN.check("y", made.relu())
    GOLDEN.check("first_residual", seen[0][:, ::4])
