"""Write results as one self-contained HTML page: sortable tables, images under a slider, charts."""

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
_COMMON = ("input", "raw")
_OWN = ("recovered", "error", "rendered")
"""Names of the images of a case that are the same for all entrants, and of those that an entrant computes."""
_PASSES = {"none": "none", "file": "the data are JPEG files", "own": "a JPEG file of the entrant's own rendering"}


def write_page(results: dict[str, Any], folder: Path, out: Path) -> None:
    """Write the page of a benchmark.

    Args:
        results: content of `results.json`.
        folder: folder of the results, with their images and training logs.
        out: HTML file to write.
    """
    before, _, after = (resources.files("isptoolkit.bench.report") / "page.html").read_text("utf-8").split(_MARK)
    # Inside a script, HTML recognizes only the end of the script.
    content = json.dumps(_data(results, folder), separators=(",", ":")).replace("<", "\\u003c")
    with replacing(out) as temporary:
        temporary.write_text(before + content + after, "utf-8")


def _data(results: dict[str, Any], folder: Path) -> dict[str, Any]:
    protocol, rows = results["protocol"], []
    truth: list[dict[str, str]] = []
    for name, figures, note in rows_of(results):
        entry = results["entrants"][name]
        # Images are of the first successful run.
        seed, run = next(iter(runs_of(entry).items()), (None, {}))
        images = [] if seed is None else _images(folder_of(folder, name, seed))
        # Earlier versions named images differently. The page skips those, and prefers an entrant that has all.
        common = [_named(case, _COMMON) for case in images]
        truth = max(truth, common, key=lambda cases: len(cases[0]) if cases else -1)
        rows.append(
            {
                "name": name,
                "about": entry["about"],
                "remark": note,
                "failed": seed is None,
                "seed": seed if len(entry["runs"]) > 1 else None,
                "figures": {key: figure.mean for key, figure in figures.items()},
                "spread": figures["raw PSNR"].deviation if "raw PSNR" in figures else None,
                "cells": {key: text for key, _, form in COLUMNS if (text := cell(key, figures, form))},
                "published": published(name, results),
                "images": [_named(case, _OWN) for case in images],
                "per_case": [
                    {key: _short(value) for key, value in case.items() if key != "name"}
                    for case in run.get("cases", [])[: len(images)]
                ],
                "stages": [
                    {**stage, **{key: _short(stage[key]) for key in ("median", "99 %", "codes")}}
                    for stage in run.get("stages", [])
                ],
                "curves": curves_of(folder, name, entry),
            }
        )
    runs = [run for entry in results["entrants"].values() for run in runs_of(entry).values()]
    first: dict[str, Any] = next(iter(runs), {"cases": []})
    machine = results["machine"]
    return {
        "protocol": {key: protocol[key] for key in ("name", "data", "task")},
        "images": results["data"]["images"],
        "seeds": results["seeds"],
        "machine": f"{machine.get('gpu', machine['processor'])}, {machine['threads']} torch thread(s)",
        "columns": [{"key": key, "title": title} for key, title, _ in columns_of(results)],
        "rows": rows,
        "cases": [case["name"] for case in first["cases"][: len(truth)]],
        "truth": truth,
        "error": ERROR,
        "facts": _facts(results),
    }


def _facts(results: dict[str, Any]) -> list[tuple[str, str]]:
    """The conditions of the figures: label and text."""
    protocol = results["protocol"]
    level = {None: "each file's"}
    balanced = "yes, scaled so that the largest gain is 1" if protocol["balanced"] else "no"
    facts = [
        ("layout of RAW", protocol["layout"]),
        ("color filter array", protocol["cfa"]),
        ("black level", str(level.get(protocol["black"], protocol["black"]))),
        ("white level", str(level.get(protocol["white"], protocol["white"]))),
        ("white-balanced", balanced),
        ("gamma", f"{protocol['gamma']:g}"),
        ("JPEG of the input", _PASSES[protocol["jpeg"]]),
        ("clipped to [0, 1]", "yes" if protocol["clip"] else "no"),
        ("SSIM", f"{protocol['taps']} taps, sigma 1.5, a border of five pixels excluded"),
        ("source", protocol["source"]),
        ("training steps", f"{results['steps']}" + ("" if results["full"] else " for an entrant of relative cost 1")),
        ("commit", str(results["commit"])),
        ("versions", ", ".join(f"{name} {version}" for name, version in results["versions"].items() if version)),
    ]
    return [*facts, *(("data", note) for note in results["data"]["notes"])]


def _images(folder: Path) -> list[dict[str, str]]:
    """The images of each case of a run, as data URLs by name."""
    cases = []
    for case in sorted(path for path in folder.iterdir() if path.name.isdigit()) if folder.is_dir() else []:
        files = {path.stem: path.read_bytes() for path in case.glob("*.png")}
        cases.append({name: "data:image/png;base64," + base64.b64encode(data).decode() for name, data in files.items()})
    return cases


def _named(case: dict[str, str], names: tuple[str, ...]) -> dict[str, str]:
    return {name: case[name] for name in names if name in case}


def _short(value: float) -> str:
    return f"{value:.4g}"
