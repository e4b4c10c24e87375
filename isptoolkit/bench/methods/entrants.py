"""All entrants by name: the classical ones, and those that recipes declare, small or as published."""

from typing import Any

from isptoolkit.recipes import RECIPES

from ... import presets
from ...errors import InvalidArgument
from ...stages import Mosaic, pack
from ...train import Recipe
from ...unprocess import upi_camera
from ..data.protocol import PROTOCOLS
from .denoisers import noisy, wiener_filter
from .entrant import Entrant, Maker, Predictor, from_recipe, two_way
from .least_squares import fitted


def _identity(_: bool) -> Entrant:
    return Entrant(
        "the image's own samples at the sites, unchanged",
        lambda _: Predictor(lambda image, capture: pack(Mosaic()(image, capture))),
    )


def _classic(_: bool) -> Entrant:
    return Entrant("classic() and its inverse", lambda _: two_way(presets.classic().span("levels", "tone")))


def _upi(_: bool) -> Entrant:
    return Entrant("UPI's camera and its inverse, not trained", lambda _: two_way(upi_camera()), reported="upi")


def _least_squares(_: bool) -> Entrant:
    return Entrant(
        "for each site a polynomial of degree 3 in the pixel at that site",
        lambda cubic: Predictor(cubic, module=cubic),
        fit=lambda source, seed: fitted(source, seed=seed),
        configuration={"degree": 3},
    )


CLASSICAL: dict[str, Maker] = {
    "identity": _identity,
    "classic": _classic,
    "upi": _upi,
    "least-squares": _least_squares,
    "noisy": noisy,
    "wiener": wiener_filter,
}
"""Entrants without a recipe, by name."""
_recipes: tuple[Recipe[Any], ...] = RECIPES
ENTRANTS: dict[str, Maker] = {
    **CLASSICAL,
    **{candidate.name: from_recipe(recipe, candidate) for recipe in _recipes for candidate in recipe.candidates},
}
"""Functions that create the entrants, by name: the classical ones, and the candidates of all recipes."""


def entrant(name: str, full: bool = False) -> Entrant:
    """The entrant of a name.

    Args:
        name: one of `ENTRANTS`.
        full: at its published size, where that is known; otherwise sized for two cores, which its description states.

    Raises:
        InvalidArgument: for another name.

    >>> entrant("classic").about
    'classic() and its inverse'
    """
    if name not in ENTRANTS:
        raise InvalidArgument(f"no entrant {name!r}: choose from {', '.join(ENTRANTS)}")
    return ENTRANTS[name](full)


def entrants_of(protocol: str) -> list[str]:
    """The names of the entrants that perform a protocol's task.

    >>> entrants_of("micro-noise")
    ['noisy', 'wiener', 'upi-denoiser', 'ssdnet-denoiser']
    """
    return [name for name in ENTRANTS if entrant(name).task == PROTOCOLS[protocol].task]
