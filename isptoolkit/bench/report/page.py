"""Results as one HTML file that needs nothing else: tables that sort, pictures under a slider, charts."""

import base64
import json
from importlib import resources
from pathlib import Path
from typing import Any

from ...atomic import replacing
from ..results import folder_of, runs_of
from .pictures import ERROR
from .plots import curves_of
from .table import COLUMNS, cell, columns_of, published, rows_of

_MARK = "/*DATA*/"
_PASSES = {"none": "none", "file": "once, in the data's files", "own": "once, of the entrant's own rendering"}


def write_page(results: dict[str, Any], folder: Path, out: Path) -> None:
    """Write the page of results.

    Args:
        results: of `isptoolkit.bench.run.run`.
        folder: where their pictures and training logs are.
        out: the file.
    """
    before, _, after = (resources.files("isptoolkit.bench.report") / "page.html").read_text("utf-8").split(_MARK)
    # In a script, HTML sees nothing but the end of the script.
    words = json.dumps(_data(results, folder), separators=(",", ":")).replace("<", "\\u003c")
    with replacing(out) as temporary:
        temporary.write_text(before + words + after, "utf-8")


def _data(results: dict[str, Any], folder: Path) -> dict[str, Any]:
    protocol, rows = results["protocol"], []
    truth: list[dict[str, str]] = []
    for name, figures, said in rows_of(results):
        found = results["entrants"][name]
        # Pictures are of one run: the first that did not fail.
        seed, run = next(iter(runs_of(found).items()), (None, {}))
        pictures = [] if seed is None else _pictures(folder_of(folder, name, seed))
        if not truth and pictures:
            truth = [{key: shown[key] for key in ("given", "raw")} for shown in pictures]
        rows.append(
            {
                "name": name,
                "about": found["about"],
                "said": said,
                "failed": seed is None,
                "seed": seed if len(found["runs"]) > 1 else None,
                "figures": {key: figure.mean for key, figure in figures.items()},
                "spread": figures["raw PSNR"].deviation if "raw PSNR" in figures else None,
                "cells": {key: text for key, _, form in COLUMNS if (text := cell(key, figures, form))},
                "published": published(name, results),
                "pictures": [{k: v for k, v in shown.items() if k not in ("given", "raw")} for shown in pictures],
                "per_case": [
                    {key: _short(value) for key, value in case.items() if key != "name"}
                    for case in run.get("cases", [])[: len(pictures)]
                ],
                "stages": [
                    {**stage, **{key: _short(stage[key]) for key in ("median", "99 %", "codes")}}
                    for stage in run.get("stages", [])
                ],
                "curves": curves_of(folder, name, found),
            }
        )
    done = [run for found in results["entrants"].values() for run in runs_of(found).values()]
    first: dict[str, Any] = next(iter(done), {"cases": []})
    machine = results["machine"]
    return {
        "protocol": {key: protocol[key] for key in ("name", "data", "task")},
        "images": results["data"]["images"],
        "seeds": results["seeds"],
        "machine": f"{machine.get('gpu', machine['processor'])}, torch with {machine['threads']} thread(s)",
        "columns": [{"key": key, "title": title} for key, title, _ in columns_of(results)],
        "rows": rows,
        "cases": [case["name"] for case in first["cases"][: len(truth)]],
        "truth": truth,
        "error": ERROR,
        "facts": _facts(results),
    }


def _facts(results: dict[str, Any]) -> list[tuple[str, str]]:
    """What the numbers are of, in words."""
    protocol = results["protocol"]
    level = {None: "of each file"}
    balanced = "yes, the largest gain 1" if protocol["balanced"] else "no"
    facts = [
        ("RAW is compared as", protocol["layout"]),
        ("color filter array", protocol["cfa"]),
        ("black, white", ", ".join(str(level.get(protocol[key], protocol[key])) for key in ("black", "white"))),
        ("white-balanced", balanced),
        ("gamma", f"{protocol['gamma']:g}"),
        ("JPEG on the way", _PASSES[protocol["jpeg"]]),
        ("clipped before", "yes" if protocol["clip"] else "no"),
        ("SSIM", f"{protocol['taps']} taps, sigma 1.5, five pixels of border left out"),
        ("source", protocol["source"]),
        ("steps of training", f"{results['steps']}" + ("" if results["full"] else " for an entrant of cost 1")),
        ("commit", str(results["commit"])),
        ("versions", ", ".join(f"{name} {version}" for name, version in results["versions"].items() if version)),
    ]
    return [*facts, *(("data", note) for note in results["data"]["notes"])]


def _pictures(folder: Path) -> list[dict[str, str]]:
    found = []
    for place in sorted(path for path in folder.iterdir() if path.name.isdigit()) if folder.is_dir() else []:
        files = {path.stem: path.read_bytes() for path in place.glob("*.png")}
        found.append({name: "data:image/png;base64," + base64.b64encode(data).decode() for name, data in files.items()})
    return found


def _short(value: float) -> str:
    return f"{value:.4g}"
