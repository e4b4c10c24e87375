"""The data of each protocol."""

from pathlib import Path

from ...data.aim22 import SIZES
from ...errors import InvalidArgument
from .aim22 import Aim22
from .case import Pairs
from .fivek import FiveK
from .micro import Micro, MicroNoise
from .protocol import PROTOCOLS
from .raw_pairs import RawPairs
from .sidd import Sidd


def pairs_of(protocol: str, data: Path | None, target: str, cache: Path) -> Pairs:
    """What a protocol trains and tests on.

    Args:
        protocol: its name.
        data: folder; `micro` and `micro-noise` need none.
        target: for `pairs`: what the pictures of RAW files are, see `isptoolkit.data.RawFolder`.
        cache: folder where decoded RAW files stay, for all who ask for the same data.

    Raises:
        InvalidArgument: without a folder that is needed, or where files are missing in it, with what they are and where
            to get them.
    """
    if protocol not in PROTOCOLS:
        raise InvalidArgument(f"no protocol {protocol!r}: choose one of {', '.join(PROTOCOLS)}")
    if protocol == "micro":
        return Micro()
    if protocol == "micro-noise":
        return MicroNoise()
    if data is None:
        raise InvalidArgument(f"the protocol {protocol} needs --data: {PROTOCOLS[protocol].data}")
    if not data.is_dir():
        raise InvalidArgument(f"--data: {data} is not a folder")
    if protocol == "pairs":
        return RawPairs(data, target, cache)
    if protocol == "sidd":
        return Sidd(data)
    if protocol.startswith("aim22"):
        return Aim22(data, SIZES[protocol])
    return FiveK(data, "NIKON_D700" if protocol.startswith("fivek-nikon") else "Canon_EOS_5D", cache)
