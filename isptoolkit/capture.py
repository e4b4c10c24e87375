"""Captures: everything known about raw images, batched and immutable."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.utils import _pytree

from .display import html_table, numbers
from .errors import InvalidArgument, InvalidCapture, InvalidTensor

BAYER = ("RGGB", "BGGR", "GRBG", "GBRG")
"""The four Bayer phases, each named by the letters of its top-left 2x2 pixels, row-major."""
RGB, MONO = "RGB", "MONO"
"""Samples without a mosaic: three planes (LinearRaw), and one plane without color filters."""
Layout = Literal["mosaic", "linear", "mono"]
"""What samples are: a mosaic, three planes (LinearRaw), or one plane without color filters."""
LAYOUT_OF: dict[str, Layout] = {**dict.fromkeys(BAYER, "mosaic"), RGB: "linear", MONO: "mono"}
"""The layout of the samples of a capture, by its cfa."""
LAYOUTS = tuple(LAYOUT_OF)
ADVICE = {
    **dict.fromkeys(BAYER, "render a mosaic with presets.classic(), or state another cfa"),
    RGB: 'render three planes with presets.classic(layout="linear")',
    MONO: 'render a sensor without color filters with presets.classic(layout="mono")',
}
"""What to do where the samples of a capture are refused, by its cfa."""

_SHAPES = {"black": (4,), "white": (), "gains": (3,), "srgb_to_camera": (3, 3), "noise": (2,), "exposure": ()}
QUANTITIES = tuple(_SHAPES)
"""The fields of a capture that hold tensors."""


_SHOWN = 8
"""Samples that a notebook shows of a batch."""


@dataclass(frozen=True, eq=False)
class Capture:
    """What stages may read: levels, color and noise of B captures with one CFA phase.

    Captures compare by value: two are equal if the CFA, the names and every tensor agree in value, shape, dtype and
    device. Equal captures have equal hashes.

    Args:
        cfa: `"RGGB"`, `"BGGR"`, `"GRBG"` or `"GBRG"`: the colors of the mosaic's top-left pixel and of its right, lower
            and diagonal neighbors; `"RGB"` for three planes, `"MONO"` for a sensor without color filters.
        black: `[B,4]` black level of each 2x2 site, row-major, in digital numbers; of R, G, G and B for three planes.
        white: `[B]` digital number at saturation.
        gains: `[B,3]` white-balance multipliers of R, G, B, green = 1.
        srgb_to_camera: `[B,3,3]` linear sRGB to white-balanced camera RGB; each row sums to 1.
        noise: `[B,2]` variance per unit signal (shot) and at black (read), on the MOSAIC scale: the model of the DNG
            NoiseProfile tag, `variance = shot * x + read`; None if unknown.
        exposure: `[B]` stops by which a rendering brightens the linear image, the DNG tag BaselineExposure; None if the
            file states none.
        camera: make and model for each sample, or empty.
        orientation: EXIF orientation (1 to 8) for each sample, or empty; stages do not rotate.

    Raises:
        InvalidCapture: for an unknown CFA, a wrong shape, values that are not finite, white not above black, gains that
            are not positive, a singular matrix, or rows that do not sum to 1.

    >>> capture = Capture.of("RGGB", black=64, white=1023, gains=(2.0, 1.0, 1.5))
    >>> capture.black
    tensor([[64., 64., 64., 64.]], dtype=torch.float64)
    >>> capture == capture.replace(gains=2 * capture.gains / 2)
    True
    """

    cfa: str
    black: Tensor
    white: Tensor
    gains: Tensor
    srgb_to_camera: Tensor
    noise: Tensor | None = None
    exposure: Tensor | None = None
    camera: tuple[str, ...] = ()
    orientation: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.cfa not in LAYOUTS:
            raise InvalidCapture(f"cfa must be one of {', '.join(LAYOUTS)}, got {self.cfa!r}")
        batch = len(self)
        for name, shape in _SHAPES.items():
            value = getattr(self, name)
            if value is not None and tuple(value.shape) != (batch, *shape):
                raise InvalidCapture(f"{name} must have shape {(batch, *shape)}, got {tuple(value.shape)}")
        for name in ("camera", "orientation"):
            if len(getattr(self, name)) not in (0, batch):
                raise InvalidCapture(f"{name} must name all {batch} captures or none, got {getattr(self, name)!r}")
        if type(self.black) is Tensor and not torch.compiler.is_compiling() and not self.black.is_meta:
            self._check_values()

    def _check_values(self) -> None:
        for name in _SHAPES:
            value = getattr(self, name)
            if value is not None and not value.isfinite().all():
                raise InvalidCapture(f"{name} must be finite, got {value.tolist()}")
        if not (self.white[:, None] > self.black).all():
            raise InvalidCapture(
                f"white must be above black, got white {self.white.tolist()}, black {self.black.tolist()}"
            )
        if self.cfa == RGB and not torch.equal(self.black[:, 1], self.black[:, 2]):
            raise InvalidCapture(f"three planes have one black level for green, given twice, got {self.black.tolist()}")
        if not (self.gains > 0).all():
            raise InvalidCapture(f"gains must be positive, got {self.gains.tolist()}")
        rows = self.srgb_to_camera.double().sum(-1)
        if not torch.allclose(rows, torch.ones_like(rows), atol=1e-4):
            raise InvalidCapture(f"the rows of srgb_to_camera must sum to 1, got sums {rows.tolist()}")
        if (torch.linalg.cond(self.srgb_to_camera.double()) > 1e6).any():
            raise InvalidCapture(f"srgb_to_camera must be invertible, got {self.srgb_to_camera.tolist()}")
        if self.noise is not None and not (self.noise >= 0).all():
            raise InvalidCapture(f"noise variances must not be negative, got {self.noise.tolist()}")

    def __len__(self) -> int:
        return self.white.shape[0] if self.white.ndim else 1

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Capture):
            return NotImplemented
        if self._key() != other._key():
            return False
        return all(_same_values(getattr(self, name), getattr(other, name)) for name in _SHAPES)

    def __hash__(self) -> int:
        # As numbers, because 0.0 equals -0.0; meta tensors have no values.
        values = [getattr(self, name) for name in _SHAPES]
        return hash((self._key(), *(tuple(t.flatten().tolist()) for t in values if t is not None and not t.is_meta)))

    def _key(self) -> tuple[Any, ...]:
        """What two captures must share before their values are compared."""
        tensors = [getattr(self, name) for name in _SHAPES]
        layouts = [None if t is None else (tuple(t.shape), t.dtype, t.device) for t in tensors]
        return self.cfa, self.camera, self.orientation, *layouts

    def _repr_html_(self) -> str:
        rows = [["CFA", self.cfa], *([] if len(self) == 1 else [["samples", str(len(self))]])]
        for name in ("camera", "orientation"):
            if any(getattr(self, name)):
                rows.append([name, _listed([str(value) for value in getattr(self, name)])])
        for name in _SHAPES:
            value = getattr(self, name)
            if value is None or value.is_meta:
                rows.append([name, "unknown" if value is None else "no values (meta tensor)"])
            else:
                rows.append([name, _listed([numbers(sample) for sample in value])])
        note = f"{self.white.dtype} on {self.white.device}".removeprefix("torch.")
        return html_table([], rows, caption="Capture", note=note)

    @classmethod
    def of(
        cls,
        cfa: str,
        *,
        black: float | Sequence[float] = 0.0,
        white: float = 1.0,
        gains: Sequence[float] = (1.0, 1.0, 1.0),
        srgb_to_camera: Sequence[Sequence[float]] = ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
        noise: tuple[float, float] | None = None,
        exposure: float | None = None,
        camera: str = "",
        orientation: int = 1,
    ) -> "Capture":
        """One capture from plain numbers, in float64; `black` is one number, or four row-major over the 2x2 sites.

        The defaults describe samples with black at 0 and white at 1, neutral light, and a camera with the primaries of
        sRGB. State `black` and `white` for digital numbers, which `Levels` refuses otherwise.

        >>> Capture.of("RGB", black=(64, 60, 60, 66), white=1023, exposure=0.5).exposure
        tensor([0.5000], dtype=torch.float64)
        """

        def tensor(value: Any) -> Tensor:
            return torch.as_tensor(value, dtype=torch.float64)[None]

        return cls(
            cfa,
            black=tensor([black] * 4 if isinstance(black, int | float) else black),
            white=tensor(white),
            gains=tensor(gains),
            srgb_to_camera=tensor(srgb_to_camera),
            noise=None if noise is None else tensor(noise),
            exposure=None if exposure is None else tensor(exposure),
            camera=(camera,),
            orientation=(orientation,),
        )

    def replace(self, **changes: Any) -> "Capture":
        """A copy with the named fields changed; checked like a new capture."""
        return dataclasses.replace(self, **changes)

    def to(self, *args: Any, **kwargs: Any) -> "Capture":
        """A copy with every tensor moved or cast by `Tensor.to`."""
        tensors = {name: getattr(self, name) for name in _SHAPES}
        return self.replace(**{name: None if t is None else t.to(*args, **kwargs) for name, t in tensors.items()})

    def __getitem__(self, index: int | slice) -> "Capture":
        rows = slice(index, index + 1 or None) if isinstance(index, int) else index
        return self.replace(
            **{name: None if getattr(self, name) is None else getattr(self, name)[rows] for name in _SHAPES},
            camera=self.camera[rows],
            orientation=self.orientation[rows],
        )

    @classmethod
    def collate(cls, captures: Sequence["Capture"]) -> "Capture":
        """Join captures of one CFA phase into a batch, without the fields (noise, names) that one of them lacks.

        Captures without an exposure get 0 if another one states it, which `Exposure` applies to them anyway.

        Raises:
            InvalidCapture: for captures of several CFA phases.

        >>> len(Capture.collate([Capture.of("RGGB"), Capture.of("RGGB", white=255)]))
        2
        """
        phases = sorted({capture.cfa for capture in captures})
        if len(phases) != 1:
            raise InvalidCapture(f"a batch has one CFA phase, got {phases}: align() the mosaics first")

        def joined(name: str) -> Tensor | None:
            values = [getattr(capture, name) for capture in captures]
            if name == "exposure" and any(value is not None for value in values):
                values = [torch.zeros_like(c.white) if c.exposure is None else c.exposure for c in captures]
            return None if any(value is None for value in values) else torch.cat(values)

        names = {}
        for name in ("camera", "orientation"):
            values = [getattr(capture, name) for capture in captures]
            names[name] = sum(values, ()) if all(values) else ()
        return cls(phases[0], **{name: joined(name) for name in _SHAPES}, **names)  # type: ignore[arg-type]

    def check(self, x: Tensor) -> None:
        """Raise `InvalidTensor` unless the batch and device of `x` fit this capture."""
        if len(self) not in (1, x.shape[0]):
            raise InvalidTensor(f"the capture describes {len(self)} samples, the tensor holds {x.shape[0]}")
        if self.white.device != x.device:
            raise InvalidTensor(
                f"the capture is on {self.white.device}, the tensor on {x.device}: capture.to(x.device)"
            )


def shared_layouts(layouts: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """The cfa of the captures that every one of several stages accepts.

    Args:
        layouts: what each stage accepts.

    Raises:
        InvalidArgument: if no capture suits them all.

    >>> shared_layouts([LAYOUTS, ("RGGB", "MONO")])
    ('RGGB', 'MONO')
    """
    shared = tuple(cfa for cfa in LAYOUTS if all(cfa in each for each in layouts))
    if not shared:
        needs = ", and ".join(" or ".join(each) for each in dict.fromkeys(layouts))
        raise InvalidArgument(f"no capture suits all stages: they take samples of {needs}")
    return shared


def _same_values(a: Tensor | None, b: Tensor | None) -> bool:
    """Whether two tensors of one layout hold the same values; meta tensors hold none that could differ."""
    return a is None or b is None or a is b or a.is_meta or torch.equal(a, b)


def _listed(texts: Sequence[str]) -> str:
    """The values of all samples: one if they agree, else as many lines as fit."""
    if len(texts) > 1 and len(set(texts)) == 1:
        return f"{texts[0]}\n(all samples)"
    missing = len(texts) - _SHOWN
    return "\n".join([*texts[:_SHOWN], *([f"... and {missing} more"] if missing > 0 else [])])


def _flatten(capture: Capture) -> tuple[list[Tensor | None], tuple[Any, ...]]:
    return [getattr(capture, name) for name in _SHAPES], (capture.cfa, capture.camera, capture.orientation)


def _unflatten(tensors: Any, context: tuple[Any, ...]) -> Capture:
    # Tracers fill the leaves with placeholders, which the constructor's checks would reject.
    capture = object.__new__(Capture)
    for name, value in zip((*_SHAPES, "cfa", "camera", "orientation"), (*tensors, *context), strict=True):
        object.__setattr__(capture, name, value)
    return capture


def _flatten_with_keys(capture: Capture) -> tuple[list[tuple[Any, Tensor | None]], tuple[Any, ...]]:
    tensors, context = _flatten(capture)
    return [(_pytree.GetAttrKey(name), tensor) for name, tensor in zip(_SHAPES, tensors, strict=True)], context


_pytree.register_pytree_node(
    Capture,
    _flatten,
    _unflatten,
    serialized_type_name="isptoolkit.Capture",
    flatten_with_keys_fn=_flatten_with_keys,
    to_dumpable_context=list,
    from_dumpable_context=lambda context: (context[0], tuple(context[1]), tuple(context[2])),
)
