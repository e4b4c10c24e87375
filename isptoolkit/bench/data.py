"""The data of each protocol."""

from pathlib import Path

from ..errors import InvalidArgument
from .aim22 import Aim22
from .case import Pairs
from .fivek import FiveK
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
    if not data.is_dir():
        raise InvalidArgument(f"--data: {data} is not a folder")
    if protocol == "pairs":
        return RawPairs(data, target)
    if protocol.startswith("aim22"):
        return Aim22(data, {"aim22-s7": 504, "aim22-p20": 496}[protocol])
    return FiveK(data, {"fivek-nikon": "NIKON_D700", "fivek-canon": "Canon_EOS_5D"}[protocol])
