"""Commands that make something: weights, RAW of photographs, a noise profile, a demonstration."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ..errors import InvalidArgument
from .console import print_round_trip, working
from .inputs import read_input
from .options import Black, Cfa, Dtype, Gains, Json, Matrix, Size, White


def train(
    recipe: Annotated[str, typer.Argument(help="invisp, upi, ssdnet, rst_isp_net, aim_unet or zero_noise")],
    data: Annotated[Path, typer.Option(help="a folder of RAW files, for upi of photographs, or of a --layout")],
    out: Annotated[Path, typer.Option("-o", "--out", help="folder of the run; a run that is there goes on")],
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=X", help="of the training or the recipe, as in steps=500; repeatable"),
    ] = None,
    layout: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="published data as downloaded: aim22-s7, aim22-p20, fivek-nikon, fivek-canon or sidd"
        ),
    ] = None,
    mixed: Annotated[bool, typer.Option("--mixed", help="allow RAW files of several cameras")] = False,
    cache: Annotated[Path | None, typer.Option(help="folder where decoded files stay for other runs")] = None,
    target: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="libraw (default), libraw-fixed, libraw-jpeg (default of fivek), or camera: what it left in the file",
        ),
    ] = None,
    listed: Annotated[Path | None, typer.Option("--list", help="names of the files to take, a line each")] = None,
) -> None:
    """Train a recipe on a folder of files, or on published data.

    A run that was stopped, or killed, goes on where it was.
    """
    from .train import run

    run(recipe, data, out, settings, layout=layout, mixed=mixed, cache=cache, target=target, listed=listed)


def bench(
    protocol: Annotated[
        str,
        typer.Argument(
            help="micro, pairs, aim22-s7, aim22-p20, fivek-nikon, fivek-canon, fivek-nikon-libraw, fivek-canon-libraw, "
            "sidd or micro-noise"
        ),
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="folder of the results; what is done there is kept")],
    entrants: Annotated[str | None, typer.Option(metavar="A,B,C", help="who takes part; all, if not given")] = None,
    data: Annotated[Path | None, typer.Option(help="folder of the data; micro and micro-noise need none")] = None,
    target: Annotated[str, typer.Option(help="of pairs: libraw-fixed, libraw, libraw-jpeg or camera")] = "libraw-fixed",
    steps: Annotated[int, typer.Option(min=1, help="of training, for an entrant of cost 1")] = 1000,
    seeds: Annotated[str, typer.Option(metavar="N,N,N", help="of weights and data, a run for each")] = "0",
    device: Annotated[str, typer.Option(help="cpu or cuda")] = "cpu",
    budget: Annotated[float, typer.Option(metavar="SECONDS", help="for each run; 0 for no bound")] = 0.0,
    memory: Annotated[float, typer.Option(metavar="GIB", help="for each run; 0 for no bound")] = 0.0,
    workers: Annotated[int, typer.Option(min=1, help="runs at once")] = 2,
    processes: Annotated[int, typer.Option(min=1, help="that train an entrant together, such as one for each GPU")] = 1,
    lpips: Annotated[
        Path | None, typer.Option(metavar="DIR", help="with alex.pth and alexnet-owt-7be5be79.pth")
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="entrants as large as published: for GPUs")] = False,
    batch: Annotated[int, typer.Option(min=1, help="of training")] = 4,
    patch: Annotated[int, typer.Option(min=16, help="of training, in pixels")] = 64,
) -> None:
    """Run recipes side by side on the same work.

    Writes results.json, table.md and index.html, which opens without a network.
    """
    from .bench import bench as run

    run(
        protocol,
        out,
        entrants=entrants,
        data=data,
        target=target,
        steps=steps,
        seeds=seeds,
        device=device,
        budget=budget,
        memory=memory,
        workers=workers,
        processes=processes,
        lpips=lpips,
        full=full,
        batch=batch,
        patch=patch,
    )


def unprocess(
    photos: Annotated[list[Path], typer.Argument(help="photographs, or folders of them")],
    out: Annotated[Path, typer.Option("-o", "--output", help="a .dng file for one photograph, or a folder")],
    like: Annotated[Path | None, typer.Option(metavar="RAW", help="take levels, gains and color of this file")] = None,
    camera: Annotated[str | None, typer.Option(metavar="NAME", help="a camera of the priors; else a mixture")] = None,
    noise: Annotated[str, typer.Option(metavar="X", help="line, none, an ISO number, or SHOT,READ")] = "line",
    seed: Annotated[int, typer.Option(help="of all that is drawn")] = 0,
    compress: Annotated[bool, typer.Option("--compress", help="lossless JPEG")] = False,
    engine: Annotated[str, typer.Option(help="threads, or ray for the cluster of RAY_ADDRESS")] = "threads",
) -> None:
    """Make RAW of photographs, as DNG files.

    A run that was stopped, or killed, goes on where it was. Exit status 1 if some could not be made.
    """
    from .unprocess import run

    if not run(photos, out, None if like is None else str(like), camera, noise, seed, compress, engine):
        raise typer.Exit(1)


def calibrate_noise(
    frames: Annotated[list[Path], typer.Argument(help="one RAW file, or pairs of equal exposures in turn")],
    gains: Gains = None,
    matrix: Matrix = None,
    size: Size = None,
    cfa: Cfa = "RGGB",
    dtype: Dtype = "uint16",
    black: Black = None,
    white: White = None,
    as_json: Json = False,
) -> None:
    """Measure shot and read noise: from pairs of frames, such as flat fields and darkness, or from one picture.

    What it prints is a NoiseProfile: variance = shot x + read, x from 0 at black to 1 at white.
    """
    from ..calibrate.noise import noise_of_pairs, noise_of_picture

    read = [read_input(frame, gains, matrix, size, cfa, dtype, black, white) for frame in frames]
    if len(read) > 1 and len(read) % 2:
        raise InvalidArgument(f"calibrate noise takes one file, or pairs, got {len(read)}")
    capture, frame = read[0][1], [x for x, _ in read]
    pairs = list(zip(frame[::2], frame[1::2], strict=True)) if len(frame) > 1 else []
    with working("measuring noise"):
        found = noise_of_pairs(pairs, capture) if pairs else noise_of_picture(frame[0], capture)
    if as_json:
        print(json.dumps(asdict(found)))
        return
    print(f"shot {found.shot:.4g} +- {found.shot_error:.2g}, read {found.read:.4g} +- {found.read_error:.2g}")
    print(f"through {found.points} points; unprocess takes it as --noise {found.shot:.6g},{found.read:.6g}")


def demo(
    out: Annotated[Path, typer.Option("-o", "--output", help="folder for the files")] = Path("isptoolkit-demo"),
) -> None:
    """Turn a photograph into RAW and back; needs no file."""
    from ..report.demo import CAPTURE, run

    with working("photograph -> RAW -> photograph"):
        result = run(out)
    print(
        f"A photograph became the RAW data of a 14-bit sensor ({CAPTURE.cfa}) and was rendered again: "
        f"PSNR {result.photograph_psnr:.2f} dB.\n"
        "A sensor measures one color per pixel. Demosaicing estimates the other two from the\n"
        "neighbors, and these estimates are where the rendered image differs from the photograph.\n"
    )
    print_round_trip(result.trip)
    print(f"Files in {out}:")
    for path, content in result.files.items():
        print(f"  {path.name:15} {content}")
