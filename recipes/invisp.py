"""InvISP: a camera's rendering as one normalizing flow, trained through a simulated JPEG so that RAW can be recovered.

Xing, Qian, Chen, "Invertible image signal processing", CVPR 2021. The flow renders white-balanced, gamma-encoded camera
RGB, bilinearly demosaiced, to sRGB; its inverse takes a decoded JPEG back to that camera RGB.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from isptoolkit import CAMERA, MOSAIC, SRGB, Capture, Pipeline, Stage, stages
from isptoolkit.data import FIVEK, Batch
from isptoolkit.errors import InvalidArgument
from isptoolkit.tiles import Tiled
from isptoolkit.train import Candidate, Card, Paper, Recipe, Task
from isptoolkit.train import Objective as BaseObjective

from .invisp_checkpoint import load_official as load_official
from .invisp_checkpoint import official_key as official_key
from .invisp_checkpoint import official_state as official_state
from .invisp_checkpoint import own_key as own_key
from .invisp_network import ENCODED as ENCODED
from .invisp_network import InvISP as InvISP


@dataclass(frozen=True)
class Config:
    """Options of the pipeline and its loss.

    Args:
        blocks: of the flow; the paper has 8.
        growth: channels that each convolution of a dense block adds.
        limit: of the logarithm of a coupling's factor.
        black: digital number instead of the file's; the data of the published Canon weights have 0, by mistake.
        white: digital number instead of the file's; the published program has 4095 for the Canon 5D and 16383 for the
            Nikon D700.
        gamma: the input is encoded by `x^(1/gamma)`; 1 leaves it linear.
        quality: of the JPEG.
        subsampling: of the JPEG; the published program trains with 4:2:0 and writes 4:2:2.
        rounding: of the JPEG in training; the published program has `fourier`, `noise` did best in our benchmark.
        terms: of the series behind `fourier`, `lanczos` and `fejer`; the published program has 9.
        simulator: of the JPEG in training: `libjpeg`, `stages.Jpeg`, or `published`, `stages.DiffJpeg`.
        rgb_weight: weight of the sRGB loss relative to the RAW loss.
        start: `published`, every convolution drawn at random, or `identity`, which is ahead for the first minutes and
            behind after ten (`docs/training.md`).
        recompute: train without keeping activations.
    """

    blocks: int = 8
    growth: int = 32
    limit: float = 0.8
    black: float | None = None
    white: float | None = None
    gamma: float = 2.2
    quality: float = 90.0
    subsampling: str = "4:2:0"
    rounding: str = "noise"
    terms: int = 9
    simulator: str = "libjpeg"
    rgb_weight: float = 1.0
    start: str = "published"
    recompute: bool = False


PUBLISHED = Config(rounding="fourier", simulator="published")
"""The published program's configuration: the defaults, through the program's own JPEG simulator.

Levels are the file's. The program subtracts no black level and divides by the camera's white level:
`replace(PUBLISHED, black=0.0, white=16383.0)` for the Nikon D700, `white=4095.0` for the Canon EOS 5D.
"""
SMALL = Config(blocks=3, growth=16)
"""Sized for two cores."""


def build(config: Config | None = None) -> Pipeline:
    """From sensor to decoded JPEG and back: levels, gains, bilinear demosaic, gamma, the flow, clip, JPEG.

    Raises:
        InvalidArgument: for values that `Config` does not list.

    >>> build(PUBLISHED)["jpeg"].quantizers()[0, 0, 0, :4].round(decimals=1).tolist()
    [3.2, 2.4, 2.8, 2.8]
    """
    config = config or Config()
    return Pipeline(
        levels=stages.Levels(None if config.black is None else [config.black] * 4, config.white),
        balance=stages.WhiteBalance(space=MOSAIC, peak=1.0),
        demosaic=stages.DemosaicBilinear(),
        gamma=stages.PowerCurve(gamma=config.gamma, takes=CAMERA, gives=ENCODED),
        render=InvISP(config.blocks, config.growth, config.limit, config.recompute, config.start),
        clip=stages.Clip(space=SRGB),
        jpeg=_simulator(config),
    )


def _simulator(config: Config) -> Stage:
    match config.simulator:
        case "libjpeg":
            return stages.Jpeg(config.quality, config.subsampling, config.rounding, terms=config.terms)
        case "published" if config.subsampling == stages.DiffJpeg.subsampling:
            return stages.DiffJpeg(config.quality, config.rounding, config.terms)
        case "published":
            raise InvalidArgument(f"InvISP: the published simulator has 4:2:0 only, got {config.subsampling!r}")
    raise InvalidArgument(f"InvISP: the simulator is libjpeg or published, got {config.simulator!r}")


def objective(
    pipeline: Pipeline, raw: Tensor, target: Tensor, capture: Capture, rgb_weight: float = 1.0
) -> tuple[Tensor, dict[str, Tensor]]:
    """The published loss and its parts: mean absolute errors of sRGB, weighted, and of RAW recovered from the JPEG.

    Args:
        pipeline: from `build`.
        raw: `[B,3,H,W]` encoded camera RGB, the flow's input.
        target: `[B,3,H,W]` sRGB.
        capture: of the same samples.
        rgb_weight: weight of the sRGB loss relative to the RAW loss.

    Source: Xing et al., CVPR 2021.
    """
    render: Stage = pipeline["render"]
    image = pipeline["clip"](render(raw, capture), capture)
    recovered = render.inverse(pipeline["jpeg"](image, capture), capture)
    rgb_error, raw_error = (image - target).abs().mean(), (recovered - raw).abs().mean()
    return rgb_weight * rgb_error + raw_error, {"rgb": rgb_error, "raw": raw_error}


class Objective(BaseObjective):
    """The published loss, `objective`, on the patches of a batch.

    Args:
        config: of the recipe.
    """

    stage: Pipeline

    def __init__(self, config: Config | None = None) -> None:
        super().__init__(build(config))
        self.config = config or Config()

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss, and its parts by name."""
        with torch.no_grad():
            raw = self.stage.span("levels", "gamma")(batch.sensor, batch.capture)
        return objective(self.stage, raw, batch.target, batch.capture, self.config.rgb_weight)

    def preview(self, batch: Batch) -> dict[str, Tensor]:
        """The RAW input, its rendering, the target, and the RAW recovered through the JPEG."""
        capture, raw = batch.capture, self.stage.span("levels", "gamma")(batch.sensor, batch.capture)
        rendered = self.stage.span("render", "clip")(raw, capture)
        recovered = self.stage["render"].inverse(self.stage["jpeg"](rendered, capture), capture)
        return {"RAW": raw, "rendered": rendered, "target": batch.target, "recovered RAW": recovered}


class WithoutJpeg(Objective):
    """Mean absolute error of the rendering alone: the flow is trained without a JPEG.

    Args:
        config: of the recipe.
    """

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss; there are no other figures."""
        return (_without_jpeg(self.stage)(batch.sensor, batch.capture) - batch.target).abs().mean(), {}


def _without_jpeg(pipeline: Stage) -> Pipeline:
    return _pipeline(pipeline).span("levels", "render")


def _for_full_frames(pipeline: Stage) -> Pipeline:
    """The flow in tiles, and a real JPEG instead of the simulator."""
    pipeline = _pipeline(pipeline)
    jpeg: Any = pipeline["jpeg"]
    real = pipeline.swap("jpeg", stages.Jpeg(jpeg.quality, jpeg.subsampling))
    return real.swap("render", Tiled(real["render"]))


def _pipeline(stage: Stage) -> Pipeline:
    if not isinstance(stage, Pipeline):
        raise InvalidArgument(f"InvISP is a pipeline, got {type(stage).__name__}")
    return stage


def _official(path: Path) -> Pipeline:
    return build(PUBLISHED).swap("render", load_official(path))


def _candidate(name: str, text: str, rounding: str, **options: Any) -> Candidate[Config]:
    full, small = (replace(size, rounding=rounding) for size in (Config(), SMALL))
    options = {"cost": 18.0, "reported": "invisp", **options}
    return Candidate(name, text, full, small, "3 of 8 blocks", lr=2e-3, inference=_without_jpeg, **options)


RECIPE = Recipe(
    name="invisp",
    title="InvISP",
    source=Paper(("Xing", "Qian", "Chen"), "Invertible image signal processing", "CVPR", 2021),
    tasks=(Task.RENDER, Task.REVERSE),
    config=Config,
    published=PUBLISHED,
    small=SMALL,
    parameters=1_413_760,
    build=build,
    objective=Objective,
    layouts=FIVEK,
    camera=_for_full_frames,
    official=_official,
    official_name=official_key,
    candidates=(
        _candidate("invisp", "InvISP{size}, JPEG with noise rounding", "noise"),
        _candidate("invisp-fourier", "InvISP{size}, JPEG with fourier rounding", "fourier"),
        _candidate("invisp-fejer", "InvISP{size}, JPEG with fejer rounding", "fejer"),
        _candidate(
            "invisp-without-jpeg",
            "InvISP{size}, trained without a JPEG",
            "noise",
            cost=9.0,
            reported="invisp-without-jpeg",
            objective=WithoutJpeg,
        ),
    ),
    reported=("invisp", "invisp-without-jpeg"),
    card=Card(
        what="A normalizing flow that renders camera RGB to sRGB and recovers the camera RGB from its own JPEG file.",
        data="MIT-Adobe FiveK, with LibRaw's rendering as the target; its terms allow research.",
        license="MIT",
        limits="images that it did not render, because it inverts its own rendering, not a camera's.",
    ),
)
