"""Who takes part, by name, small or as published. Recipes are imported when their entrant is asked for."""

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

from torch import nn

from ... import presets
from ...errors import InvalidArgument
from ...learned import RawNetwork, SelfEnsemble
from ...stages import Mosaic
from ...stages.cfa import pack
from ..data.protocol import PROTOCOLS
from .denoisers import DENOISERS
from .entrant import Entrant, Maker, Predictor, recipe, sized, two_way
from .least_squares import fitted


def _identity(_: bool) -> Entrant:
    return Entrant(
        "the samples of the picture that lie at the sites, as they are",
        lambda _: Predictor(lambda picture, capture: pack(Mosaic()(picture, capture))),
    )


def _classic(_: bool) -> Entrant:
    return Entrant("classic() and its inverse", lambda _: two_way(presets.classic().span("levels", "tone")))


def _upi(_: bool) -> Entrant:
    upi = recipe("upi")

    return Entrant("UPI's camera and its inverse, nothing learned", lambda _: two_way(upi.build()), reported="upi")


def _least_squares(_: bool) -> Entrant:
    about = "a polynomial of degree 3 for each site, of the pixel that lies there"
    return Entrant(
        about,
        lambda cubic: Predictor(cubic, module=cubic),
        fit=lambda source, seed: fitted(source, seed=seed),
        configuration={"degree": 3},
    )


def _by_net(about: str, module: Any, config: Any, ensemble: bool = False, **how: Any) -> Entrant:
    """Of a recipe whose network goes from sRGB to planes."""

    def predictor(objective: Any) -> Predictor:
        stage = RawNetwork(objective.net).eval()
        asked = SelfEnsemble(stage).eval() if ensemble else stage
        return Predictor(asked.forward, module=objective.net)

    name = module.__name__.rsplit(".", 1)[-1]
    kept = {"recipe": name, "ensemble": ensemble, **asdict(config)}
    return Entrant(about, predictor, lambda: module.Objective(config), kept, **how)


def _by_flow(
    about: str, name: str, config: Any, make: Callable[[], nn.Module], last: str = "render", **how: Any
) -> Entrant:
    """Of an objective whose pipeline is inverted."""

    def predictor(objective: Any) -> Predictor:
        return replace(two_way(objective.pipeline.span("levels", last).eval()), module=objective)

    return Entrant(about, predictor, make, {"recipe": name, **asdict(config)}, **how)


def _u_net(full: bool) -> Entrant:
    aim_unet = recipe("aim_unet")
    config = aim_unet.Config() if full else aim_unet.SMALL
    return _by_net("the challenge's U-Net" + sized(full, "a quarter as wide"), aim_unet, config, reported="u-net")


def _zero_noise(full: bool) -> Entrant:
    zero_noise = recipe("zero_noise")
    about = "0noise's gates" + sized(full, "a third as wide")
    config = zero_noise.Config() if full else zero_noise.SMALL
    return _by_net(about, zero_noise, config, cost=1.5, reported="zero-noise")


def _rst(full: bool) -> Entrant:
    rst_isp_net = recipe("rst_isp_net")
    about = "RST-ISP-Net" + sized(full, "a quarter as wide") + ", mean absolute error"
    config = rst_isp_net.Config() if full else rst_isp_net.SMALL
    return _by_net(about, rst_isp_net, config, cost=1.2, reported="rst")


def _rst_published(full: bool) -> Entrant:
    rst_isp_net = recipe("rst_isp_net")
    about = "RST-ISP-Net" + sized(full, "a quarter as wide") + ", published losses: MS-SSIM, variation, critic"
    config = rst_isp_net.PUBLISHED if full else rst_isp_net.PUBLISHED_SMALL
    return _by_net(about, rst_isp_net, config, cost=6.0, reported="rst")


def _rst_lean(_: bool) -> Entrant:
    rst_isp_net = recipe("rst_isp_net")
    return _by_net("RST-ISP-Net, our lean variant", rst_isp_net, rst_isp_net.LEAN, cost=2.5)


def _ssdnet(supervision: str, ensemble: bool = False, reported: str | None = None) -> Maker:
    def made(full: bool) -> Entrant:
        ssdnet = recipe("ssdnet")
        size = ssdnet.Config() if full else ssdnet.TINY
        config = replace(size, supervision=supervision, weight=1.0 if supervision == "testing" else size.weight)
        about = "SSDNet" + sized(full, "a sixth as wide") + f", {supervision} supervision"
        about += ", eight ways" if ensemble else ""
        return _by_net(
            about,
            ssdnet,
            config,
            ensemble,
            cost=5.0 if supervision == "hard" else 9.0,
            reported=reported,
        )

    return made


def _invisp(rounding: str | None) -> Maker:
    def made(full: bool) -> Entrant:
        invisp = recipe("invisp")
        size = invisp.Config() if full else invisp.Config(blocks=3, growth=16)
        config = replace(size, rounding=rounding or "noise")
        about = "InvISP" + sized(full, "3 of 8 blocks")
        if rounding is None:
            return _by_flow(
                about + ", trained without a JPEG",
                "invisp without jpeg",
                config,
                lambda: _WithoutJpeg(invisp.Objective(config)),
                rate=2e-3,
                cost=9.0,
                reported="invisp-without-jpeg",
            )
        about += f", JPEG with {rounding} rounding"
        how: dict[str, Any] = {"rate": 2e-3, "cost": 18.0, "reported": "invisp"}
        return _by_flow(about, "invisp", config, lambda: invisp.Objective(config), **how)

    return made


class _WithoutJpeg(nn.Module):
    """InvISP's flow on the picture alone."""

    def __init__(self, objective: Any) -> None:
        super().__init__()
        self.pipeline = objective.pipeline

    def forward(self, batch: Any) -> Any:
        chain = self.pipeline.span("levels", "render")
        return (chain(batch.sensor, batch.capture) - batch.target).abs().mean(), {}


def _hybrid(part: str) -> Maker:
    def made(_: bool) -> Entrant:
        hybrids = recipe("hybrids")
        about = {
            "flow": "classic() with matrix, curve and tone swapped by a flow",
            "residual": "classic() and a flow behind it that begins as the identity",
            "demosaic": "classic() with its demosaic swapped by Malvar's and a small network",
        }[part]
        config = hybrids.Config(part)
        how: dict[str, Any] = (
            {"last": "tone", "rate": 1e-3, "cost": 0.55} if part == "demosaic" else {"rate": 5e-4, "cost": 12.0}
        )
        return _by_flow(about, "hybrids", config, lambda: hybrids.Objective(config), **how)

    return made


ENTRANTS: dict[str, Maker] = {
    "identity": _identity,
    "classic": _classic,
    "upi": _upi,
    "least-squares": _least_squares,
    "u-net": _u_net,
    "zero-noise": _zero_noise,
    "rst": _rst,
    "rst-published": _rst_published,
    "rst-lean": _rst_lean,
    "ssdnet": _ssdnet("hard", reported="ssdnet"),
    "ssdnet-x8": _ssdnet("hard", ensemble=True, reported="ssdnet-x8"),
    "ssdnet-testing": _ssdnet("testing"),
    "ssdnet-training": _ssdnet("training"),
    "invisp": _invisp("noise"),
    "invisp-fourier": _invisp("fourier"),
    "invisp-fejer": _invisp("fejer"),
    "invisp-without-jpeg": _invisp(None),
    "hybrid-flow": _hybrid("flow"),
    "hybrid-residual": _hybrid("residual"),
    "hybrid-demosaic": _hybrid("demosaic"),
    **DENOISERS,
}


def entrant(name: str, full: bool = False) -> Entrant:
    """By name.

    Args:
        name: one of `ENTRANTS`.
        full: as large as published, where that is known; else sized for two cores, which its description says.

    Raises:
        InvalidArgument: for another name.

    >>> entrant("classic").about
    'classic() and its inverse'
    """
    if name not in ENTRANTS:
        raise InvalidArgument(f"no entrant {name!r}: choose from {', '.join(ENTRANTS)}")
    return ENTRANTS[name](full)


def entrants_of(protocol: str) -> list[str]:
    """The names of those that do what a protocol asks for.

    >>> entrants_of("micro-noise")
    ['noisy', 'wiener', 'upi-denoiser', 'ssdnet-denoiser']
    """
    return [name for name in ENTRANTS if entrant(name).task == PROTOCOLS[protocol].task]
