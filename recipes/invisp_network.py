"""InvISP's network: a normalizing flow from camera RGB to sRGB.

Xing, Qian, Chen, "Invertible image signal processing", CVPR 2021.
"""

from torch import Tensor, nn

from isptoolkit import SRGB, Capture, Contract, Space, Stage
from isptoolkit.errors import InvalidArgument
from isptoolkit.learned import AffineCoupling, Flow, InvertibleConv

ENCODED = Space("encoded camera", 3)
"""`[B,3,H,W]` camera RGB, white-balanced by gains up to 1, through a power curve: the published network's input."""


class InvISP(Stage):
    """The published network: blocks of an invertible 1x1 convolution and an affine coupling; two-way.

    Args:
        blocks: number of blocks.
        growth: channels that each convolution of a dense block adds.
        limit: of the logarithm of a coupling's factor.
        recompute: train without keeping activations.
        start: `published`, every convolution drawn at random, or `identity`, identity-initialized.
        takes: space of three channels.

    Raises:
        InvalidArgument: for less than one block, or another start.

    Source: Xing et al., CVPR 2021, section 3.2.

    >>> import torch
    >>> stage, x = InvISP(blocks=1, growth=4), torch.rand(1, 3, 8, 8)
    >>> back = stage.inverse(stage(x, Capture.of("RGGB")), Capture.of("RGGB"))
    >>> bool((back - x).abs().max() < 1e-5)
    True
    """

    gives = SRGB

    def __init__(
        self,
        blocks: int = 8,
        growth: int = 32,
        limit: float = 0.8,
        recompute: bool = False,
        start: str = "published",
        takes: Space = ENCODED,
    ) -> None:
        super().__init__()
        if blocks < 1:
            raise InvalidArgument(f"InvISP has at least one block, got {blocks}")
        if start not in ("identity", "published"):
            raise InvalidArgument(f"InvISP starts as identity or published, got {start!r}")
        self.blocks, self.growth, self.limit, self.recompute, self.start = blocks, growth, limit, recompute, start
        self.takes = takes
        pairs = ((InvertibleConv(3), AffineCoupling(3, 1, growth, limit)) for _ in range(blocks))
        self.flow = Flow((step for pair in pairs for step in pair), recompute=recompute)
        for module in self.flow.modules():
            if isinstance(module, nn.Conv2d) and module.bias is not None:
                nn.init.xavier_normal_(module.weight)
                nn.init.zeros_(module.bias)
        if start == "identity":
            for step in self.flow.steps:
                step.set_identity()
        # Two dense blocks in a row have a reach of ten pixels.
        self.contract = Contract(0.0, 0.0, condition=1e3, reach=10 * blocks)

    def forward(self, x: Tensor, capture: Capture) -> Tensor:
        output: Tensor = self.flow(x)
        return output

    def inverse(self, y: Tensor, capture: Capture) -> Tensor:
        return self.flow.inverse(y)
