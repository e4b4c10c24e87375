"""Model cards of all recipes, and the table of training data, as the Markdown of the documentation."""

import textwrap
from collections.abc import Mapping
from typing import Any

from isptoolkit.recipes import RECIPES

from ...data import LAYOUTS
from ...train import Recipe
from ..results import figures_of
from .published import PUBLISHED
from .published_figure import Figure

_INTRODUCTION = """# Model cards

The project ships no weights; each card describes a recipe, what it does, and its limits. Published figures were
obtained with the published configurations and data. Measured figures were obtained with configurations small enough
for two cores, after a minute of training ({doc}`benchmark`). A figure with ± is the mean and standard deviation over
seeds. `isptoolkit bench ... --full` runs the published configurations. This project's code is Apache-2.0; each recipe
was written from scratch from its paper and published facts. Data sets have their own terms, and most allow only
research: read them before you train for any other purpose. This page is generated from the recipes and the results.
"""
_recipes: tuple[Recipe[Any], ...] = RECIPES


def cards_page(results: Mapping[str, dict[str, Any]]) -> str:
    """The page of model cards.

    Args:
        results: by protocol, what `isptoolkit.bench.run.run` wrote.

    >>> cards_page({}).splitlines()[0]
    '# Model cards'
    """
    return "\n".join([_INTRODUCTION, *(_card(recipe, results) for recipe in _recipes)])


def layouts_table() -> str:
    """The published data layouts, and the recipes that train on each of them."""
    rows = []
    for layout in LAYOUTS.values():
        names = ", ".join(f"`{recipe.name}`" for recipe in _recipes if layout.name in recipe.layouts)
        files = layout.files.replace("*", r"\*").replace("_", r"\_")
        rows.append(f"| `{layout.name}` | {layout.about} | {files} | {names} |")
    head = ["| `--layout` | data | files that training reads | recipes |", "| --- | --- | --- | --- |"]
    return "\n".join([*head, *rows]) + "\n"


def _card(recipe: Recipe[Any], results: Mapping[str, dict[str, Any]]) -> str:
    card = recipe.card
    source = "" if recipe.source is None else f" {recipe.source}."
    count = "" if recipe.parameters is None else f" {recipe.parameters:,} parameters."
    layouts = ", ".join(f"`{layout}`" for layout in recipe.layouts)
    items = {
        "What": f"{card.what}{source}{count}",
        "Data": card.data,
        f"Recipe `{recipe.name}` trains on": f"{recipe.folder}, or the published layouts {layouts}.",
    }
    if card.license:
        items["License of the published program"] = f"{card.license}."
    if recipe.reported:
        figures = "; ".join(_published(figure) for figure in _figures(recipe))
        items["Published, RAW"] = f"{figures}.{f' {card.note}' if card.note else ''}"
    if measured := _measured(recipe, results):
        items["Measured, RAW"] = f"{measured}."
    items["Not good for"] = card.limits
    lines = [_item(f"- **{name}**: {text}") for name, text in items.items()]
    return "\n".join([f"## {recipe.title}", "", *lines, ""])


def _item(text: str) -> str:
    return textwrap.fill(text, 132, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def _figures(recipe: Recipe[Any]) -> list[Figure]:
    """The first published figure of each entrant and protocol: of the challenge, Test1 of the slides."""
    first: dict[tuple[str | None, str], Figure] = {}
    for name in recipe.reported:
        for figure in PUBLISHED:
            if figure.entrant == name:
                first.setdefault((name, figure.protocol), figure)
    return list(first.values())


def _published(figure: Figure) -> str:
    ssim = "" if figure.ssim is None else f", SSIM {figure.text().split(' / ')[1]}"
    return f"`{figure.entrant}` {figure.psnr:.2f} dB{ssim} on `{figure.protocol}`"


def _measured(recipe: Recipe[Any], results: Mapping[str, dict[str, Any]]) -> str:
    names = [*(candidate.name for candidate in recipe.candidates), *recipe.card.beside]
    return ", ".join(
        f"`{name}` {figures_of(run['entrants'][name])['raw PSNR']} dB on `{protocol}`"
        for protocol, run in results.items()
        for name in names
        if name in run["entrants"]
    )
