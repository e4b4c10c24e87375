"""Published systems as short recipes over the public parts; installed as `isptoolkit.recipes`.

`RECIPES` is the one list: loading, training, the benchmark, the model cards and the tests are derived from it.
"""

from typing import Any

from isptoolkit.errors import InvalidArgument
from isptoolkit.train import Recipe

from . import aim_unet, hybrids, invisp, rst_isp_net, ssdnet, upi, zero_noise

__all__ = [
    "RECIPES",
    "aim_unet",
    "hybrids",
    "invisp",
    "recipe",
    "rst_isp_net",
    "ssdnet",
    "upi",
    "zero_noise",
]

RECIPES: tuple[Recipe[Any], ...] = (
    upi.RECIPE,
    aim_unet.RECIPE,
    zero_noise.RECIPE,
    rst_isp_net.RECIPE,
    ssdnet.RECIPE,
    invisp.RECIPE,
    hybrids.RECIPE,
)
"""Every recipe, in the order of the benchmark's tables."""


def recipe(name: str) -> Recipe[Any]:
    """The recipe of a name.

    Raises:
        InvalidArgument: for another name; lists the names.

    >>> recipe("invisp").title
    'InvISP'
    """
    for one in RECIPES:
        if one.name == name:
            return one
    raise InvalidArgument(f"no recipe {name!r}: choose one of {', '.join(one.name for one in RECIPES)}")


def __dir__() -> list[str]:
    return sorted([*__all__, *(name for name in globals() if name.startswith("__"))])
