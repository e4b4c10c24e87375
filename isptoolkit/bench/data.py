"""The data of each protocol."""

from pathlib import Path

from ..errors import InvalidArgument
from .case import Pairs
from .micro import Micro
from .protocol import PROTOCOLS
from .raw_pairs import RawPairs


def pairs_of(protocol: str, data: Path | None, target: str = "libraw") -> Pairs:
    """What a protocol trains and tests on.

    Args:
        protocol: its name.
        data: folder; `micro` needs none.
        target: for `pairs`: what the pictures of RAW files are, see `isptoolkit.data.RawFolder`.

    Raises:
        InvalidArgument: without a folder that is needed, or where files are missing in it, with what they are and where
            they are to be had.
    """
    if protocol not in PROTOCOLS:
        raise InvalidArgument(f"no protocol {protocol!r}: choose one of {', '.join(PROTOCOLS)}")
    if protocol == "micro":
        return Micro()
    if data is None:
        raise InvalidArgument(f"the protocol {protocol} needs --data: {PROTOCOLS[protocol].data}")
    if protocol == "pairs":
        return RawPairs(data, target)
    raise InvalidArgument(f"the protocol {protocol} has no reader yet")
