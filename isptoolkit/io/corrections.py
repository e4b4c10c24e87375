"""The corrections that a DNG file asks for, as stages of a pipeline: lens shading, vignette, bad pixels."""

import struct
from dataclasses import dataclass
from pathlib import Path

from ..errors import InvalidArgument, UnreadableFile
from ..pipeline import Pipeline
from ..spaces import MOSAIC
from ..stage import Stage
from ..stages import BadPixelConstant, BadPixelList, Clip, GainMap, LensShadingMesh, LensShadingRadial
from . import opcodes
from .opcode_stages import Frame, UnsupportedError, grouped, stages_of

_NAMES: dict[type[Stage], str] = {
    BadPixelList: "bad_pixels",
    BadPixelConstant: "bad_pixels",
    LensShadingMesh: "shading",
    GainMap: "shading",
    LensShadingRadial: "vignette",
    Clip: "white",
}
"""What `corrected` calls a stage."""


@dataclass(frozen=True)
class Corrections:
    """What a file asks for, in the order of processing.

    Args:
        sensor: stages for the stored samples (OpcodeList1).
        mosaic: stages after the levels (OpcodeList2).
        camera: stages after the demosaic (OpcodeList3).
        applied: a phrase for each correction that the stages apply.
        unapplied: a phrase for each one that they do not apply, with the reason.
    """

    sensor: tuple[Stage, ...] = ()
    mosaic: tuple[Stage, ...] = ()
    camera: tuple[Stage, ...] = ()
    applied: tuple[str, ...] = ()
    unapplied: tuple[str, ...] = ()


def read_corrections(path: str | Path) -> Corrections:
    """Read the opcode lists of a DNG file as stages; empty for a file without any.

    GainMap, FixVignetteRadial, FixBadPixelsConstant and FixBadPixelsList become stages for the samples of `read_raw`,
    the active area. What gains raise above 1, the white level, is clipped there. One gain map that spans the frame, or
    four for the 2x2 sites, become a `LensShadingMesh`, other maps a `GainMap`. Everything else is named in `unapplied`.
    What a file allows to skip, in previews or altogether, is applied as well.

    Args:
        path: any file, existing or not.

    Raises:
        UnreadableFile: for opcodes that are truncated or contradict the specification.

    Source: DNG 1.6 specification, tags OpcodeList1 (51008), OpcodeList2 (51009), OpcodeList3 (51022), and chapter 6.

    >>> read_corrections("missing.dng")
    Corrections(sensor=(), mosaic=(), camera=(), applied=(), unapplied=())
    """
    entries = opcodes.read_opcodes(path)
    if not entries:
        return Corrections()
    frame = Frame.of(path)
    stages: dict[int, list[Stage]] = {1: [], 2: [], 3: []}
    applied, unapplied = [], []
    for group in grouped(entries, frame):
        first = group[0]
        try:
            added, phrase = stages_of(group, frame)
        except UnsupportedError as reason:
            unapplied += [f"{each}: {reason}" for each in group]
        except (ValueError, struct.error) as error:
            raise opcodes.unreadable(path, str(first), error) from None
        else:
            stages[first.list] += added
            applied.append(f"{phrase} ({opcodes.NAMES[first.code]} in OpcodeList{first.list})")
    sensor, mosaic, camera = (tuple(each) for each in stages.values())
    return Corrections(sensor, mosaic, camera, tuple(dict.fromkeys(applied)), tuple(dict.fromkeys(unapplied)))


def corrected(pipeline: Pipeline, corrections: Corrections) -> Pipeline:
    """Insert the stages of a file's corrections into a pipeline that starts with its samples.

    Corrections of stored samples come first, those of the linear samples right after the levels, and those of the
    demosaiced image right after the demosaic. The stages are called `bad_pixels`, `shading`, `vignette`, and `white`
    for the limit after gains; a number is added where a name is taken.

    Args:
        pipeline: from digital numbers, such as `presets.classic()`.
        corrections: of the file.

    Raises:
        InvalidArgument: if no stage of the pipeline takes the space of a correction.

    >>> from isptoolkit import presets
    >>> names = corrected(presets.classic(), Corrections(mosaic=(LensShadingMesh([[[1.0, 2.0]]]),))).names
    >>> names[:3]
    ('levels', 'shading', 'balance')
    """
    stages = pipeline.items()
    # From the last to the first: two lists for the same space are then inserted in the order of processing.
    for group in (corrections.camera, corrections.mosaic, corrections.sensor):
        if not group:
            continue
        space = group[0].takes
        place = next((place for place, (_, stage) in enumerate(stages) if stage.takes == space), None)
        if place is None:
            raise InvalidArgument(
                f"corrected: the file corrects {space.name}, but no stage of the pipeline takes it "
                f"({', '.join(pipeline.names)}): render without corrections (--no-corrections on the command line)"
            )
        stages[place:place] = [("", stage) for stage in group]
    taken, named = set(pipeline.names), {}
    for name, stage in stages:
        named[name or _free(_NAMES[type(stage)], taken)] = stage
    return Pipeline(**named)


def describe_corrections(path: str | Path) -> list[str]:
    """A phrase for each correction that a file asks for; those that `read_corrections` does not apply say so.

    Args:
        path: any file, existing or not.

    >>> describe_corrections("missing.dng")
    []
    """
    try:
        corrections = read_corrections(path)
    except UnreadableFile as error:
        return [f"not applied: {error}"]
    return [*corrections.applied, *(f"not applied: {phrase}" for phrase in corrections.unapplied)]


def read_gain_map(path: str | Path) -> LensShadingMesh | None:
    """Read the lens shading of a DNG file as a stage of MOSAIC; None if the file has no gain map.

    One map for all sites, or four for the sites of the 2x2 cell. `read_corrections` reads all others as well.

    Args:
        path: a DNG file.

    Raises:
        UnreadableFile: for opcodes that are truncated or inconsistent, and for gain maps of another kind.

    Source: DNG 1.6 specification, chapter 6, opcode GainMap; numbers are big-endian.

    >>> read_gain_map("missing.dng") is None
    True
    """
    corrections = read_corrections(path)
    maps = [s for s in corrections.mosaic + corrections.camera if isinstance(s, LensShadingMesh | GainMap)]
    if not maps:
        return None
    if len(maps) > 1 or not isinstance(maps[0], LensShadingMesh) or maps[0].space != MOSAIC:
        raise UnreadableFile(
            f"{path}: its gain maps are not one lens-shading mesh of the mosaic: use read_corrections "
            f"({'; '.join(corrections.applied)})"
        )
    return maps[0]


def _free(name: str, taken: set[str]) -> str:
    """The name, with a number if it is taken."""
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    taken.add(free)
    return free
