"""The JPEG stage against kornia and Pillow: speed, and the share of samples equal to those of a real JPEG.

    python -m benchmarks.jpeg [--data DIR] [--sizes 1,12] [--out FILE.json]

Quality 75, 4:2:0 (kornia's only sampling), two threads; Pillow encodes and decodes in memory. Times are medians in ms.
"""

import argparse
import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from isptoolkit import Capture, read_image
from isptoolkit.kernels import reference
from isptoolkit.metrics import psnr
from isptoolkit.stages import Jpeg

from .kernels import frame, interleaved

CAPTURE = Capture.of("RGGB")
QUALITY = 75


def pillow(codes: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Encode and decode codes as JPEG with Pillow."""
    file = io.BytesIO()
    Image.fromarray(codes).save(file, "JPEG", quality=QUALITY, subsampling=2)
    return np.array(Image.open(io.BytesIO(file.getvalue())))


def kornia(x: Tensor) -> Tensor:
    """Encode and decode with kornia's differentiable codec."""
    from kornia.enhance import jpeg_codec_differentiable

    output: Tensor = jpeg_codec_differentiable(x, torch.tensor([float(QUALITY)]))
    return output


def fidelity(folder: Path) -> dict[str, tuple[float, float]]:
    """Mean PSNR in dB, and the share of equal samples, of 8-bit outputs against Pillow on the Kodak images."""
    methods = {"isptoolkit hard": lambda x: Jpeg(QUALITY)(x, CAPTURE), "kornia": kornia}
    methods |= {
        f"isptoolkit {name}": lambda x, name=name: Jpeg(QUALITY, rounding=name)(x, CAPTURE)
        for name in ("fourier", "fejer")
    }
    sums = {name: [0.0, 0.0] for name in methods}
    paths = sorted((folder / "kodak24").glob("*.png"))
    for path in paths:
        image = read_image(path).float()
        codes = (image[0] * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
        real = torch.from_numpy(pillow(codes)).permute(2, 0, 1)[None].float() / 255
        for name, method in methods.items():
            with torch.no_grad():
                output = (method(image) * 255).round().clamp(0, 255) / 255
            sums[name][0] += min(float(psnr(output, real)), 99.0) / len(paths)
            sums[name][1] += float((output == real).double().mean()) / len(paths)
    return {name: (db, equal) for name, (db, equal) in sums.items()}


def speed(size: float) -> dict[str, float]:
    """Median times of all methods at one size."""
    height, width = frame(size)
    x = torch.rand(1, 3, height, width)
    x = torch.nn.functional.avg_pool2d(x, 5, 1, 2)  # on pure noise Pillow's entropy coder would be slow
    codes = (x[0] * 255).to(torch.uint8).permute(1, 2, 0).contiguous().numpy()
    leaf, gradient = x.clone().requires_grad_(), torch.rand_like(x)
    hard, soft = Jpeg(QUALITY), Jpeg(QUALITY, rounding="fourier")
    outputs = {
        "isptoolkit hard, backward": hard(leaf, CAPTURE),
        "isptoolkit hard, slope of a series, backward": Jpeg(QUALITY, slope="fourier")(leaf, CAPTURE),
    }

    def forward(stage: Any) -> Any:
        with torch.no_grad():
            return stage(x, CAPTURE)

    def both(stage: Any) -> Any:
        return torch.autograd.grad(stage(leaf, CAPTURE), leaf, gradient)

    def plain() -> Any:
        with reference(), torch.no_grad():
            return hard(x, CAPTURE)

    def backward(output: Tensor) -> Any:
        return torch.autograd.grad(output, leaf, gradient, retain_graph=True)

    return interleaved(
        {
            "isptoolkit hard": lambda: forward(hard),
            **{name: lambda output=output: backward(output) for name, output in outputs.items()},
            "isptoolkit hard, forward + backward": lambda: both(hard),
            "isptoolkit fourier": lambda: forward(soft),
            "isptoolkit fourier, forward + backward": lambda: both(soft),
            "isptoolkit hard, plain torch": plain,
            "Pillow encode + decode": lambda: pillow(codes),
            "kornia": lambda: kornia(x),
            "kornia, forward + backward": lambda: torch.autograd.grad(kornia(leaf), leaf, gradient),
        },
        lambda: None,
        3.0,  # seconds each: the first rounds at a size are slow, because memory is mapped
        15.0,
    )


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = os.environ.get("ISPTOOLKIT_DATA", Path(__file__).resolve().parents[2] / "shared" / "data")
    parser.add_argument("--data", type=Path, default=Path(default))
    parser.add_argument("--sizes", default="1,12", help="megapixels")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(2)
    results: dict[str, Any] = {"fidelity": fidelity(arguments.data), "ms": {}}
    print(f"{'against Pillow, q75 4:2:0':<40} {'dB':>7} {'equal samples':>14}")
    for name, (db, equal) in results["fidelity"].items():
        print(f"{name:<40} {'exact' if db == 99 else f'{db:.2f}':>7} {equal:>13.2%}")
    for size in arguments.sizes.split(","):
        times = results["ms"][size] = speed(float(size))
        print(f"\n{size + ' MP':<46} {'ms':>9}  of 'isptoolkit hard'")
        for name, ms in times.items():
            base = times["isptoolkit hard, forward + backward" if "forward +" in name else "isptoolkit hard"]
            print(f"{name:<46} {ms:9.1f} {ms / base:8.2f}")
    if arguments.out:
        arguments.out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
