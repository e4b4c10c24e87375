"""The challenge's U-Net against the output of its program."""

import re

import pytest
import torch
from golden import Golden, load_published
from isptoolkit.recipes import aim_unet

from isptoolkit import Capture

GOLDEN = Golden("aim_unet")
BLOCKS = {"down": "encoder.enc_blocks", "join": "decoder.dec_blocks"}


def published(key):
    part, rest = key.split(".", 1)
    if part in BLOCKS:
        block, layer = re.fullmatch(r"(\d+)\.(\d+)\.weight", rest).groups()
        return f"{BLOCKS[part]}.{block}.conv{int(layer) // 2 + 1}.weight"
    return f"decoder.upconvs.{rest}" if part == "grow" else key


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_golden(dtype):
    stage = aim_unet.build(aim_unet.PUBLISHED)
    load_published(stage.net, GOLDEN.weights(), published)
    seen = []
    stage.net.head.register_forward_hook(lambda module, inputs, output: seen.append(output))
    with torch.no_grad():
        made = stage.to(dtype).eval()(GOLDEN["x"].to(dtype), Capture.of("RGGB"))
    GOLDEN.check("head", seen[0])
    GOLDEN.check("y", made)
