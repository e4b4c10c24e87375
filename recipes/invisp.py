"""InvISP: a camera's rendering as one normalizing flow, trained through a simulated JPEG so that RAW comes back.

Xing, Qian, Chen, "Invertible image signal processing", CVPR 2021. The flow takes white-balanced, gamma-encoded camera
RGB, bilinearly demosaiced, and gives sRGB; the same network backwards takes a decoded JPEG to that camera RGB.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from isptoolkit import CAMERA, MOSAIC, SRGB, Capture, Contract, Pipeline, Space, Stage, stages
from isptoolkit.data import Batch
from isptoolkit.errors import InvalidArgument, UnreadableFile
from isptoolkit.learned import AffineCoupling, Flow, InvertibleConv
from isptoolkit.tiles import Tiled
from isptoolkit.train import load_trained

ENCODED = Space("encoded camera", 3)
"""`[B,3,H,W]` camera RGB, white-balanced by gains up to 1, through a power curve: what the published network takes."""


@dataclass(frozen=True)
class Config:
    """What the paper leaves to choose.

    Args:
        blocks: of the flow; the paper has 8.
        growth: channels that each convolution of a dense block adds.
        limit: of the logarithm of a coupling's factor.
        black: digital number instead of the file's; the data of the published Canon weights have 0, by mistake.
        white: the same; the published program has 4095 for the Canon 5D and 16383 for the Nikon D700.
        gamma: the input is encoded by `x^(1/gamma)`; 1 leaves it linear.
        quality: of the JPEG.
        subsampling: of the JPEG; the published program trains with 4:2:0 and writes 4:2:2.
        rounding: of the JPEG while training; the published program has `fourier`, `noise` did best in our benchmark.
        terms: of the series that `fourier`, `lanczos` and `fejer` are; the published program has 9.
        simulator: of the JPEG while training: `libjpeg`, `stages.Jpeg`, or `published`, `stages.DiffJpeg`.
        rgb_weight: of the loss in sRGB beside that in RAW.
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
"""What the published program trains: the defaults, through the program's own simulator of JPEG.

Levels are the file's. The program subtracts no black level and divides by the camera's white level:
`replace(PUBLISHED, black=0.0, white=16383.0)` for the Nikon D700, `white=4095.0` for the Canon EOS 5D.
"""


class InvISP(Stage):
    """The published network: blocks of an invertible 1x1 convolution and an affine coupling; two-way.

    Args:
        blocks: how many.
        growth: see `Config`.
        limit: see `Config`.
        recompute: see `Config`.
        start: see `Config`.
        takes: space of three channels.

    Raises:
        InvalidArgument: for less than one block, or another start.

    Source: Xing et al., CVPR 2021, section 3.2.

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
        # Two dense blocks in a row look ten pixels far.
        self.contract = Contract(0.0, 0.0, condition=1e3, reach=10 * blocks)

    def forward(self, x: Tensor, capture: Capture) -> Tensor:
        made: Tensor = self.flow(x)
        return made

    def inverse(self, y: Tensor, capture: Capture) -> Tensor:
        return self.flow.inverse(y)


def build(config: Config | None = None) -> Pipeline:
    """From sensor to decoded JPEG and back: levels, gains, bilinear demosaic, gamma, the flow, clip, JPEG.

    Raises:
        InvalidArgument: for values outside those of `Config`.

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
    """The published loss, and its parts: mean absolute error in sRGB, weighted, and of the RAW back through the JPEG.

    Args:
        pipeline: of `build`.
        raw: `[B,3,H,W]` encoded camera RGB, what the flow takes.
        target: `[B,3,H,W]` sRGB.
        capture: of the same samples.
        rgb_weight: see `Config`.
    """
    render: Stage = pipeline["render"]
    picture = pipeline["clip"](render(raw, capture), capture)
    back = render.inverse(pipeline["jpeg"](picture, capture), capture)
    rgb, again = (picture - target).abs().mean(), (back - raw).abs().mean()
    return rgb_weight * rgb + again, {"rgb": rgb, "raw": again}


class Objective(nn.Module):
    """What training minimizes: `objective` on the patches of a batch.

    Args:
        config: of the recipe.
    """

    def __init__(self, config: Config | None = None) -> None:
        super().__init__()
        self.config = config or Config()
        self.pipeline = build(self.config)

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss, and its parts by name."""
        with torch.no_grad():
            raw = self.pipeline.span("levels", "gamma")(batch.sensor, batch.capture)
        return objective(self.pipeline, raw, batch.target, batch.capture, self.config.rgb_weight)

    def pictures(self, batch: Batch) -> dict[str, Tensor]:
        """The RAW input, its rendering, the target, and the RAW recovered through the JPEG."""
        capture, raw = batch.capture, self.pipeline.span("levels", "gamma")(batch.sensor, batch.capture)
        made = self.pipeline.span("render", "clip")(raw, capture)
        back = self.pipeline["render"].inverse(self.pipeline["jpeg"](made, capture), capture)
        return {"RAW": raw, "rendered": made, "target": batch.target, "RAW again": back}


def load(path: Path) -> Pipeline:
    """The pipeline of trained weights, for full frames: the flow in tiles, and a real JPEG.

    Args:
        path: `weights.safetensors` of a run of `isptoolkit train invisp`, or a published `.pth`.

    Raises:
        UnreadableFile: for another file.
    """
    if path.suffix == ".pth":
        made = build(PUBLISHED).swap("render", load_official(path))
    else:
        made = load_trained(path, "invisp", "pipeline", lambda values: build(Config(**values)))
    jpeg: Any = made["jpeg"]
    made = made.swap("jpeg", stages.Jpeg(jpeg.quality, jpeg.subsampling))
    return made.swap("render", Tiled(made["render"]))


_PARTS = {"F": "r", "H": "s", "G": "t"}
_MIX = {"lower": "lower", "upper": "upper", "log_s": "log_scale", "p": "permutation", "sign_s": "sign"}
_KEY = re.compile(
    r"operations\.(0|[1-9][0-9]{0,3})\.(?:invconv\.(lower|upper|log_s|p|sign_s)|([FGH])\.conv([1-5])\.(weight|bias))"
)


_KEYS_OF_A_BLOCK = 35
"""Tensors: five of the 1x1 convolution, weights and biases of three networks of five layers."""
_MOST_GROWTH = 4096
"""Of a checkpoint that is read; the published one has 32."""


def load_official(source: str | Path | Mapping[str, Any]) -> InvISP:
    """The network of a published checkpoint.

    Args:
        source: a `.pth` of the official program, read without running anything in it, or its state.

    Raises:
        UnreadableFile: when the file cannot be read so, or holds another network.

    >>> len(official_state(InvISP(blocks=2)))
    70
    """
    state = source if isinstance(source, Mapping) else _read(Path(source))
    own = {}
    for key, value in state.items():
        name = own_key(str(key))
        if name is None or not isinstance(value, Tensor):
            raise UnreadableFile(f"not a checkpoint of InvISP: it holds {key!r} of type {type(value).__name__}")
        own[name] = value
    blocks = len({int(name.split(".")[2]) // 2 for name in own})
    first = own.get("flow.steps.1.r.convs.0.weight")
    if first is None:
        raise UnreadableFile("not a checkpoint of InvISP: it lacks operations.0.F.conv1.weight")
    if first.shape[1:] != (2, 3, 3) or not 0 < len(first) <= _MOST_GROWTH:
        shape = list(first.shape)
        raise UnreadableFile(
            f"the checkpoint of InvISP has operations.0.F.conv1.weight as {shape}, not [growth, 2, 3, 3]"
        )
    if (blocks - 1) * _KEYS_OF_A_BLOCK > len(own):
        raise UnreadableFile(f"the checkpoint of InvISP has {len(own)} tensors for {blocks} blocks: some are missing")
    with torch.device("meta"):  # nothing is allocated for what the file does not hold
        made = InvISP(blocks, growth=len(first))
    for name, value in made.state_dict().items():
        if name not in own:
            raise UnreadableFile(f"the checkpoint of InvISP lacks {official_key(name)}")
        given = own[name]
        if given.shape != value.shape or given.dtype != value.dtype:
            raise UnreadableFile(
                f"the checkpoint of InvISP has {official_key(name)} as {list(given.shape)} {given.dtype}, "
                f"not {list(value.shape)} {value.dtype}"
            )
        if given.layout != torch.strided or given.is_meta or not given.is_contiguous():
            raise UnreadableFile(f"the checkpoint of InvISP does not hold every number of {official_key(name)}")
    made = InvISP(blocks, growth=len(first))
    made.load_state_dict(own)
    return made.eval()


def _read(path: Path) -> Mapping[str, Any]:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UnreadableFile(f"{path} is not a checkpoint that can be read safely: {why}") from None
    if not isinstance(state, Mapping):
        raise UnreadableFile(f"{path} holds no state of a network but {type(state).__name__}")
    return state


def own_key(official: str) -> str | None:
    """Our name of an official key; None for any other.

    >>> own_key("operations.2.G.conv1.bias"), own_key("operations.0.invconv.p")
    ('flow.steps.5.t.convs.0.bias', 'flow.steps.0.permutation')
    """
    found = _KEY.fullmatch(official)
    if found is None:
        return None
    index, mix, part, conv, kind = found.groups()
    if mix:
        return f"flow.steps.{2 * int(index)}.{_MIX[mix]}"
    return f"flow.steps.{2 * int(index) + 1}.{_PARTS[part]}.convs.{int(conv) - 1}.{kind}"


def official_key(own: str) -> str:
    """The official name of one of our keys; the inverse of `own_key`.

    >>> official_key("flow.steps.5.t.convs.0.bias")
    'operations.2.G.conv1.bias'
    """
    parts = own.split(".")
    index = int(parts[2])
    if index % 2 == 0:
        return f"operations.{index // 2}.invconv.{next(k for k, v in _MIX.items() if v == parts[3])}"
    letter = next(k for k, v in _PARTS.items() if v == parts[3])
    return f"operations.{index // 2}.{letter}.conv{int(parts[5]) + 1}.{parts[6]}"


def official_state(stage: InvISP) -> dict[str, Tensor]:
    """The state under the official names."""
    return {official_key(name): value for name, value in stage.state_dict().items()}
