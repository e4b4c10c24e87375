"""SSDNet: sRGB to RAW by a U-shaped network of context fusion modules, with soft supervision by a variance branch.

Zou and Zhang, "Learned reverse ISP with soft supervision", for the AIM 2022 challenge on reversed ISP (Conde et al.,
ECCV workshops 2022). Where the paper and the published program differ, `Config` chooses.
"""

from dataclasses import replace
from typing import cast

from torch import Tensor, nn

from isptoolkit import PACKED, Capture, Contract, Pipeline, Space, Stage, presets
from isptoolkit.data import AIM22, FIVEK, Batch
from isptoolkit.errors import InvalidArgument
from isptoolkit.learned import RawNetwork, SelfEnsemble, clamped_error, softened_error
from isptoolkit.stages import pack_sensor
from isptoolkit.train import Candidate, Card, Paper, Recipe, Task, shown_green
from isptoolkit.train import Objective as BaseObjective

from .ssdnet_names import official_name as official_name
from .ssdnet_network import PUBLISHED as PUBLISHED
from .ssdnet_network import SMALL as SMALL
from .ssdnet_network import TINY as TINY
from .ssdnet_network import Config as Config
from .ssdnet_network import SSDNet as SSDNet


class Denoiser(Stage):
    """Noisy packed RAW to packed RAW without noise, one-way; the network is not given the noise level.

    Args:
        net: `[B,4,H,W]` to `[B,4,H,W]`.

    Source: Zou and Zhang, "Learned reverse ISP with soft supervision", section 4.4.

    >>> import torch
    >>> Denoiser(SSDNet(replace(TINY, inputs=4)))(torch.rand(1, 4, 10, 12), Capture.of("RGGB")).shape
    torch.Size([1, 4, 10, 12])
    """

    takes = gives = PACKED

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net
        self.contract = Contract(None, None, reach=None)

    def forward(self, x: Tensor, capture: Capture) -> Tensor:
        output: Tensor = self.net(x)
        return output


def build(config: Config | None = None, gives: Space = PACKED) -> RawNetwork | Denoiser:
    """The network as a one-way stage: sRGB to RAW, or, with `inputs=4`, a denoiser of packed RAW.

    Args:
        config: of the recipe.
        gives: PACKED or MOSAIC; a denoiser outputs PACKED.

    >>> import torch
    >>> stage = build(Config(width=8, blocks=(1, 1, 1), middle=1, last=1, refinement=0))
    >>> stage(torch.rand(1, 3, 16, 18), Capture.of("RGGB")).shape
    torch.Size([1, 4, 8, 9])
    """
    net = SSDNet(config)
    return Denoiser(net) if net.config.inputs == 4 else RawNetwork(net, gives, cell=16)


class Objective(BaseObjective):
    """Mean absolute error of the packed RAW, hard or softened, and that of the branch.

    With `published_loss`, means and deviations are clamped to 0 ... 1 first, as in the program's training, and errors
    are those of `clamped_error`: no gradient where either is clamped.

    Args:
        config: of the recipe.
    """

    stage: RawNetwork | Denoiser

    def __init__(self, config: Config | None = None) -> None:
        super().__init__(build(config))
        self.config = config or Config()

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss, and the plain error."""
        x, target = self._pair(batch)
        mean, deviation = self._net.softened(x)
        published = self.config.published_loss
        error = (mean - target).abs().mean()
        if deviation is None:
            return clamped_error(mean, target) if published else error, {"raw": error.detach()}
        options = (self.config.supervision, self.config.weight)
        return softened_error(mean, deviation, target, *options, published=published), {"raw": error.detach()}

    def preview(self, batch: Batch) -> dict[str, Tensor]:
        """The input, and green of the recovered and the true RAW, gamma-encoded."""
        x, target = self._pair(batch)
        image = {"sRGB": x} if self.config.inputs == 3 else {"noisy RAW": shown_green(x)}
        return {**image, "recovered RAW": shown_green(self._net(x)), "RAW": shown_green(target)}

    @property
    def _net(self) -> SSDNet:
        return cast(SSDNet, self.stage.net)

    def _pair(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The network's input and its target."""
        sensor = pack_sensor(batch.sensor, batch.capture)
        return (batch.target, sensor) if self.config.inputs == 3 else (sensor, pack_sensor(batch.target, batch.capture))


def _camera(stage: Stage) -> Pipeline:
    if stage.takes == PACKED:
        raise InvalidArgument("ssdnet: weights with inputs=4 denoise packed RAW, they do not render RAW files")
    return presets.classic_undone_by(stage)


_SIXTH = "a sixth as wide"


def _candidate(
    name: str,
    supervision: str,
    suffix: str = "",
    *,
    cost: float = 9.0,
    reported: str | None = None,
    ensemble: bool = False,
) -> Candidate[Config]:
    weight = 1.0 if supervision == "testing" else Config().weight
    full, small = (replace(size, supervision=supervision, weight=weight) for size in (Config(), TINY))
    text = "SSDNet{size}, " + f"{supervision} supervision{suffix}"
    inference = SelfEnsemble if ensemble else None
    return Candidate(name, text, full, small, _SIXTH, cost=cost, reported=reported, inference=inference)


RECIPE = Recipe(
    name="ssdnet",
    title="SSDNet",
    source=Paper(("Zou", "Zhang"), "Learned reverse ISP with soft supervision", "AIM 2022 challenge", 2022),
    tasks=(Task.REVERSE, Task.DENOISE),
    config=Config,
    published=PUBLISHED,
    small=SMALL,
    parameters=36_241_628,
    build=build,
    objective=Objective,
    layouts=(*AIM22, *FIVEK),
    camera=_camera,
    official_name=official_name,
    candidates=(
        _candidate("ssdnet", "hard", cost=5.0, reported="ssdnet"),
        _candidate("ssdnet-x8", "hard", ", self-ensemble of eight", cost=5.0, reported="ssdnet-x8", ensemble=True),
        _candidate("ssdnet-testing", "testing"),
        _candidate("ssdnet-training", "training"),
        Candidate(
            "ssdnet-denoiser",
            "SSDNet{size}, from packed RAW, without the noise level",
            replace(Config(), inputs=4),
            replace(TINY, inputs=4),
            _SIXTH,
            cost=2.0,
            reported="ssdnet-denoiser",
            task=Task.DENOISE,
        ),
    ),
    reported=("ssdnet", "ssdnet-x8", "ssdnet-denoiser"),
    card=Card(
        what="A U-shaped network of context fusion modules from sRGB to packed RAW, trained with a variance branch.",
        data="AIM 2022, Samsung S7.",
        license="Apache-2.0",
        note="The parameter count includes the branch; the challenge entry counts three networks, and used a "
        "self-ensemble and extra data.",
        limits="cameras that it was not trained on; fast inference, since it takes 2.9 million multiply-adds per "
        "pixel.",
    ),
)
