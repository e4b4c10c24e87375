"""RST-ISP-Net as published: every tensor of the program, its outputs, block by block, and its losses."""

import re
from dataclasses import replace

import pytest
import torch
from golden import Golden, load_published
from isptoolkit.recipes import rst_isp_net
from torch import nn

from isptoolkit import Capture, errors, stages
from isptoolkit.data import Batch

CONFIGS = {"rst_s7": rst_isp_net.PUBLISHED, "rst_p20": replace(rst_isp_net.PUBLISHED, tail=1)}
RULES = (
    (r"style\.layers", "style_projector.fc"),
    (r"first\.", "conv1.0."),
    (r"leaky\.0", "conv1.1"),
    (r"leaky\.2", "lrelu2"),
    (r"shortcut", "projection"),
    (r"attention\.channels", "ca.fc"),
    (r"attention\.pixels", "sa.conv1"),
    (r"channels", "ca.fc"),
    (r"pixels", "sa.conv1"),
)


def name_of(key):
    """The program's name of a tensor of ours."""
    part, number, rest = re.fullmatch(r"(\w+)\.(\d)\.(.*)", key).groups()
    number = int(number)
    if part == "tail":
        return f"res{5 + number}.{rest}"
    if part == "up":
        for ours, theirs in (("first", "conv1"), ("second", "conv2"), ("straight", "projection"), ("unused", "n2")):
            rest = rest.replace(ours, theirs)
        return f"res{2 + number}.{rest}"
    blurred = number in (1, 3, 4, 5)  # whose second convolution comes after a blur
    for ours, theirs in (*RULES, (r"second\.", f"conv2.{blurred:d}."), (r"leaky\.1", f"conv2.{1 + blurred}")):
        rest = re.sub(f"^{ours}", theirs, rest)
    return f"ds_res{1 + number}.{rest}"


@pytest.fixture(scope="module", params=CONFIGS)
def published(request):
    """The golden file, and the network with the program's weights."""
    golden = Golden(request.param)
    weights = golden.weights()
    for number in (2, 3, 4):  # of the batch norms that never run
        weights[f"res{number}.n2.num_batches_tracked"] = torch.tensor(0)
    with torch.device("meta"):
        net = rst_isp_net.RSTISPNet(CONFIGS[request.param])
    net = net.to_empty(device="cpu").eval()
    for module in net.modules():
        if hasattr(module, "taps"):
            line = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
            module.taps = torch.outer(line, line)[None, None]
    load_published(net, weights, name_of)
    return golden, net


def test_golden_outputs(published):
    golden, net = published
    x, found = golden["x"], {}
    assert sum(value.numel() for value in net.parameters()) == golden.meta["parameters"]
    for number, step in ((1, 16), (2, 8), (5, 8), (6, 8)):
        net.blocks[number - 1].register_forward_hook(
            lambda _, __, y, name=f"block{number}", step=step: found.update({name: y[:, ::step]})
        )
    with torch.no_grad():
        found["style1"] = torch.cat(net.blocks[0].style(x), 1)
        found["y"] = net(x)
    for name, output in found.items():
        print(name, golden.check(name, output))


def test_golden_sizes(published):
    """Those that the program refuses, and one that leaves a single pixel to normalize."""
    golden, net = published
    rest = golden["x"].shape[2] % 16
    for height, width in ((504 - rest, 504 + rest), (40 + rest, 40), (8 + rest, 8 + rest), (32 + rest, 33)):
        if (height % 16, width % 16) == (rest, rest) and max(height, width) > 16:
            continue
        with pytest.raises(errors.InvalidSize, match=rf"takes height and width of {rest} modulo 16, .* {width}"):
            net(torch.zeros(1, 3, height, width))
