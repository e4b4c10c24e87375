"""DNG files with opcodes, packed by hand from the DNG specification, for the tests of their reader."""

import struct

import numpy as np
import tifffile

LISTS = {1: 51008, 2: 51009, 3: 51022}


def opcode(code, body, flags=1, version=(1, 3, 0, 0)):
    return struct.pack(">I4BII", code, *version, flags, len(body)) + body


def opcode_list(*opcodes):
    return struct.pack(">I", len(opcodes)) + b"".join(opcodes)


def gain_map(gains, area, pitch=(1, 1), planes=(0, 1), spacing=None, origin=(0.0, 0.0)):
    """A GainMap with gains `[rows,columns,planes]`."""
    rows, columns, depth = gains.shape
    spacing = spacing or (1 / max(rows - 1, 1), 1 / max(columns - 1, 1))
    head = struct.pack(">4i4I2I4dI", *area, *planes, *pitch, rows, columns, *spacing, *origin, depth)
    return opcode(9, head + gains.astype(">f4").tobytes())


def vignette(coefficients, center=(0.5, 0.5)):
    return opcode(3, struct.pack(">7d", *coefficients, *center))


def bad_constant(value, phase=1):
    return opcode(4, struct.pack(">2I", value, phase))


def bad_list(points=(), rectangles=(), phase=1):
    numbers = [number for place in (*points, *rectangles) for number in place]
    return opcode(5, struct.pack(f">3I{len(numbers)}i", phase, len(points), len(rectangles), *numbers))


def write(path, samples, lists, extra=()):
    """Write a mosaic `[H,W]`, or LinearRaw samples `[H,W,P]`, with opcode lists by number and further tags."""
    linear = samples.ndim == 3
    samples = samples[..., 0] if linear and samples.shape[-1] == 1 else samples
    planes = samples.shape[-1] if samples.ndim == 3 else 1
    tags = [
        (50706, 1, 4, bytes([1, 4, 0, 0]), True),
        (50721, 10, 9, tuple(n for value in np.eye(3).ravel() for n in (int(value), 1)), True),
        (50778, 3, 1, 21, True),
        (50728, 5, 3, (1, 1) * 3, True),
        (50714, 3, planes, (64,) * planes if planes > 1 else 64, True),
        (50717, 4, planes, (1023,) * planes if planes > 1 else 1023, True),
        *((LISTS[number], 7, len(content), content, True) for number, content in lists.items()),
        *extra,
    ]
    if not linear:
        tags += [(33421, 3, 2, (2, 2), True), (33422, 1, 4, bytes([0, 1, 1, 2]), True)]
    with tifffile.TiffWriter(path, byteorder="<") as file:
        file.write(
            samples,
            photometric=1 if linear and planes == 1 else 34892 if linear else 32803,
            planarconfig="contig" if planes > 1 else None,
            metadata=None,
            rowsperstrip=len(samples),
            extratags=sorted(tags, key=lambda tag: tag[0]),
        )
    if linear and planes == 1:
        with tifffile.TiffFile(path, mode="r+") as file:
            # tifffile writes LinearRaw for three planes only.
            file.pages[0].tags[262].overwrite(34892)
    return path
