"""Open the data of a protocol."""

from pathlib import Path

from ...errors import InvalidArgument
from .case import Pairs
from .protocol import PROTOCOLS


def pairs_of(protocol: str, data: Path | None, target: str, cache: Path) -> Pairs:
    """Open the data that a protocol trains and tests on, with the reader that the protocol declares.

    Args:
        protocol: name of the protocol.
        data: folder of the data; None for a protocol with computed data.
        target: for `pairs`: the target of RAW files, see `isptoolkit.data.RawFolder`.
        cache: folder of decoded RAW files, shared by all who open the same data.

    Raises:
        InvalidArgument: for an unknown protocol, without a folder that the protocol needs, or if files are missing from
            it; the message names them and where to get them.
        UnreadableFile: for files of another shape, type, or range.

    >>> len(pairs_of("micro", None, "libraw", Path("unused")).cases)
    24
    """
    if protocol not in PROTOCOLS:
        raise InvalidArgument(f"no protocol {protocol!r}: choose one of {', '.join(PROTOCOLS)}")
    chosen = PROTOCOLS[protocol]
    if chosen.computed:
        return chosen.reader(Path(), target, cache)
    if data is None:
        files = chosen.data.partition(", and ")[0]  # what follows, such as renderings, is made from these files
        raise InvalidArgument(f"{protocol} needs --data, a folder of {files}")
    if not data.is_dir():
        raise InvalidArgument(f"--data: {data} is not a folder")
    return chosen.reader(data, target, cache)
