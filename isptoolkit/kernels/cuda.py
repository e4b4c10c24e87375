"""The kernels on GPUs: compiled at first use, launched on torch's current stream."""

import contextlib
import functools
import logging
from collections.abc import Iterator, Sequence
from enum import IntEnum
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from .native import TYPES, rows
from .nvrtc import compile_source, source_of
from .steps import STEP_SIZE, Kind

log = logging.getLogger(__name__)

_THREADS = 256
GRID_LIMIT = 65535
"""The largest second or third dimension of a grid."""


class SamplingMode(IntEnum):
    """Sampling or packing of a mosaic: `isp_sampling_mode` in csrc/steps.h."""

    SAMPLE = 0
    SPREAD = 1
    PACK = 2
    UNPACK = 3


_MODES = {
    "isp_mosaic": SamplingMode.SAMPLE,
    "isp_mosaic_adjoint": SamplingMode.SPREAD,
    "isp_pack": SamplingMode.PACK,
    "isp_unpack": SamplingMode.UNPACK,
}


_LARGE = frozenset((Kind.HIGHLIGHT, Kind.MESH_MULTIPLY, Kind.MESH_DIVIDE, Kind.RADIAL_MULTIPLY, Kind.RADIAL_DIVIDE))
"""Steps that need more registers than others: `isp_is_large` in csrc/cuda_steps.h."""


class Launcher(Protocol):
    """The device that `launch` runs kernels on: the only part of this module that needs a GPU."""

    def probe(self) -> tuple[bool, str]:
        """Whether kernels can run, with the names of the devices or the reason."""

    def multiprocessors(self, device: torch.device) -> int:
        """The number of multiprocessors of a device."""

    def launch(self, x: Tensor, kernel: str, grid: tuple[int, ...], block: int, arguments: Sequence[Any]) -> None:
        """Launch a kernel on the device of `x`; `pack` prepares the arguments."""


class Driver:
    """Launches kernels with the CUDA driver, on torch's current stream; NVRTC compiles them at first use."""

    @functools.cache  # noqa: B019
    def probe(self) -> tuple[bool, str]:
        if not torch.cuda.is_available():
            return False, "not used: torch finds no GPU"
        try:
            import cuda.core as _  # noqa: F401
        except ImportError:
            log.warning("no CUDA kernels: pip install 'isptoolkit[cuda]'; using plain torch")
            return False, "plain torch: cuda-core is not installed, pip install 'isptoolkit[cuda]'"
        names = [torch.cuda.get_device_name(device) for device in range(torch.cuda.device_count())]
        return True, f"NVRTC for {', '.join(names)}"

    def multiprocessors(self, device: torch.device) -> int:
        return int(torch.cuda.get_device_properties(device).multi_processor_count)

    def launch(self, x: Tensor, kernel: str, grid: tuple[int, ...], block: int, arguments: Sequence[Any]) -> None:
        import cuda.core

        with _on(x) as (device, stream):
            config = cuda.core.LaunchConfig(grid=grid, block=block)
            cuda.core.launch(stream, config, _kernel(device, kernel), *pack(arguments))


launcher: Launcher = Driver()
"""Where kernels run. Tests that have no GPU put an emulator here."""


def available() -> bool:
    """Whether kernels can run on a GPU."""
    return launcher.probe()[0]


def state() -> str:
    """What runs on GPUs, and why: NVRTC with the GPUs' names, or the reason that kernels cannot run."""
    return launcher.probe()[1]


@functools.cache
def _kernel(device: int, name: str) -> Any:
    from cuda.core import ObjectCode

    major, minor = torch.cuda.get_device_capability(device)
    return ObjectCode.from_cubin(compile_source(source_of(name), f"sm_{major}{minor}")).get_kernel(name)


@functools.lru_cache(maxsize=256)
def _program(device: torch.device, steps: tuple[int, ...]) -> Tensor:
    """A program in device memory; cached, so that a CUDA graph captured after a first call copies nothing."""
    return torch.tensor(steps or (0,), dtype=torch.int32, device=device)


@contextlib.contextmanager
def _on(x: Tensor) -> Iterator[tuple[int, Any]]:
    """Make the device of `x` current and yield it with torch's current stream."""
    from cuda.core import Device, Stream

    device = x.get_device()
    with torch.cuda.device(device):
        Device(device).set_current()
        yield device, Stream.from_handle(torch.cuda.current_stream(device).cuda_stream)


def launch(x: Tensor, name: str, grid: int | tuple[int, ...], *arguments: Any) -> None:
    """Launch a kernel on the device and current stream of `x`; `pack` says how arguments are passed."""
    grid = grid if isinstance(grid, tuple) else (grid,)
    if all(grid):  # an empty tensor needs no launch, and CUDA refuses an empty grid
        launcher.launch(x, name, grid, _THREADS, arguments)


def pack(arguments: Sequence[Any]) -> list[Any]:
    """Arguments as the CUDA driver takes them.

    Tensors are passed by address and Python integers as int64; wrap those that the kernel declares as int in `int32`.
    """
    return [a.data_ptr() if isinstance(a, Tensor) else np.int64(a) if type(a) is int else a for a in arguments]


def blocks(x: Tensor, items: int) -> int:
    """A grid size with one item per thread, up to 32 blocks per multiprocessor."""
    return max(1, min(-(-items // _THREADS), 32 * launcher.multiprocessors(x.device)))


def int32(value: int) -> Any:
    """An argument that a kernel declares as int."""
    return np.int32(value)


def _parts(*values: Tensor | None) -> Iterator[tuple[Any, ...]]:
    """Batches that fit into a grid; what is shared by all samples, or None, stays whole."""
    for start in range(0, max(len(value) for value in values if value is not None), GRID_LIMIT):
        part = slice(start, start + GRID_LIMIT)
        yield tuple(value if value is None or len(value) == 1 else value[part] for value in values)


def run(
    x: Tensor,
    coefficients: Tensor,
    before: Sequence[int],
    after: Sequence[int],
    channels: Sequence[int],
    method: int,
    out: Tensor,
) -> None:
    """Run programs and demosaic into `out`; arguments as for `isptoolkit.kernels.launch.run`."""
    if len(x) > GRID_LIMIT:
        for part, own, target in _parts(x, coefficients, out):
            run(part, own, before, after, channels, method, target)
        return
    coefficients = coefficients.contiguous()
    batch, planes, height, width = x.shape
    x = rows(x)
    stride = coefficients.shape[1] if coefficients.shape[0] > 1 else 0
    first, second = (_program(x.device, tuple(steps)) for steps in (before, after))
    kinds = int32(TYPES[x.dtype]), int32(TYPES[out.dtype])
    counts = int32(len(before) // STEP_SIZE), int32(len(after) // STEP_SIZE)
    if not method:
        grid = blocks(x, batch * height * width)
        sizes = batch, int32(planes), height, width, *x.stride()[:3], stride
        name = "isp_develop" if _LARGE.isdisjoint(before[::STEP_SIZE]) else "isp_develop_large"
        launch(x, name, grid, x, out, coefficients, first, counts[0], *sizes, *kinds)
        return
    colors = [int32(channel) for channel in channels]
    grid3 = -(-width // 64), -(-height // 16), batch
    sizes = height, width, x.stride(0), x.stride(2), stride
    programs = first, counts[0], second, counts[1]
    launch(x, "isp_render", grid3, x, out, coefficients, *programs, *sizes, *kinds, int32(method), *colors)


def run_gradient(
    x: Tensor,
    coefficients: Tensor,
    program: Sequence[int],
    grad_y: Tensor,
    grad_x: Tensor,
    grad_coefficients: Tensor | None,
) -> None:
    """Write the gradients of a program into `grad_x` and, unless None, `grad_coefficients`."""
    if len(x) > GRID_LIMIT:
        sums = None if grad_coefficients is None else torch.zeros_like(grad_coefficients, dtype=torch.float64)
        for part, own, output, target, own_sums in _parts(x, coefficients, grad_y, grad_x, sums):
            added = None if own_sums is None else torch.zeros_like(own_sums)
            run_gradient(part, own, program, output, target, added)
            if own_sums is not None:
                own_sums += added
        if grad_coefficients is not None and sums is not None:
            grad_coefficients.copy_(sums)
        return
    coefficients = coefficients.contiguous()
    batch, planes, height, width = x.shape
    x = rows(x)
    sums = (
        None
        if grad_coefficients is None
        else torch.zeros(grad_coefficients.shape, dtype=torch.float64, device=x.device)
    )
    stride, count = coefficients.shape[1] if coefficients.shape[0] > 1 else 0, coefficients.shape[1]
    steps = _program(x.device, tuple(program))
    grid = blocks(x, height * width), batch
    sizes = int32(planes), height, width, *x.stride()[:3], stride, count
    arrays = x, grad_y, grad_x, 0 if sums is None else sums, coefficients, steps
    launch(x, "isp_develop_gradient", grid, *arrays, int32(len(program) // STEP_SIZE), *sizes, int32(TYPES[x.dtype]))
    if grad_coefficients is not None and sums is not None:
        grad_coefficients.copy_(sums)


def demosaic_adjoint(image: Tensor, channels: Sequence[int], method: int, out: Tensor) -> None:
    """Write the adjoint of a linear demosaic, applied to `image`, into `out`."""
    batch, _, height, width = image.shape
    colors = [int32(channel) for channel in channels]
    grid = blocks(image, out.numel())
    kind = int32(TYPES[image.dtype])
    launch(image, "isp_demosaic_adjoint", grid, image, out, batch, height, width, kind, int32(method), *colors)


def sample(name: str, x: Tensor, channels: Sequence[int], mosaic: Sequence[int], out: Tensor) -> None:
    """Write a sampling, its adjoint, a packing or unpacking of `x` into `out`; `mosaic` is the size of the mosaic."""
    colors = [int32(channel) for channel in channels]
    grid = blocks(x, x.shape[0] * mosaic[0] * mosaic[1])
    mode, kind = int32(_MODES[name]), int32(TYPES[x.dtype])
    launch(x, "isp_sample", grid, x, out, mode, x.shape[0], *mosaic, *x.stride()[:3], kind, *colors)


def adain(x: Tensor, scale: Tensor, shift: Tensor, y: Tensor, mean: Tensor, inverse: Tensor, epsilon: float) -> None:
    """Write AdaIN of `x` into `y`, and its statistics into `mean` and `inverse`; one block per plane."""
    batch, planes, height, width = x.shape
    sizes = height * width, np.float64(epsilon), int32(TYPES[x.dtype])
    launch(x, "isp_adain_apply", batch * planes, x, scale, shift, y, mean, inverse, *sizes)


def adain_gradient(
    x: Tensor,
    scale: Tensor,
    mean: Tensor,
    inverse: Tensor,
    grad_y: Tensor,
    grad_x: Tensor,
    grad_scale: Tensor,
    grad_shift: Tensor,
) -> None:
    """Write the gradients of AdaIN into `grad_x`, `grad_scale` and `grad_shift`; one block per plane."""
    batch, planes, height, width = x.shape
    arrays = x, scale, mean, inverse, grad_y, grad_x, grad_scale, grad_shift
    launch(x, "isp_adain_back", batch * planes, *arrays, height * width, int32(TYPES[x.dtype]))


def coupling(x: Tensor, h: Tensor, t: Tensor, y: Tensor, limit: float, inverse: bool) -> None:
    """Write the affine coupling of `x`, or its inverse, into `y`."""
    options = np.float32(limit), int32(inverse), int32(TYPES[x.dtype])
    launch(x, "isp_coupling_apply", blocks(x, x.numel()), x, h, t, y, x.numel(), *options)


def coupling_gradient(
    grad_y: Tensor,
    unscaled: Tensor,
    h: Tensor,
    grad_x: Tensor,
    grad_h: Tensor,
    grad_t: Tensor,
    limit: float,
    inverse: bool,
) -> None:
    """Write the gradients of the coupling into `grad_x`, `grad_h` and `grad_t`."""
    options = np.float32(limit), int32(inverse), int32(TYPES[h.dtype])
    launch(
        h, "isp_coupling_back", blocks(h, h.numel()), grad_y, unscaled, h, grad_x, grad_h, grad_t, h.numel(), *options
    )


def jpeg_blocks(x: Tensor, table: Tensor, y: Tensor) -> None:
    """Write the decoded JPEG blocks into `y`; one CUDA block for 32 JPEG blocks."""
    stride = 64 if table.shape[0] > 1 else 0
    launch(x, "isp_jpeg_blocks", -(-x.numel() // 2048), x, table, y, *x.shape, stride, int32(TYPES[x.dtype]))


def jpeg_blocks_gradient(
    x: Tensor, table: Tensor, slopes: Tensor, grad_y: Tensor, grad_x: Tensor, grad_table: Tensor | None
) -> None:
    """Write the gradient of the samples into `grad_x`, and, unless None, add that of the table to `grad_table`."""
    stride, count = 64 if table.shape[0] > 1 else 0, int32(slopes.numel())
    arrays = x, table, slopes, count, grad_y, grad_x, 0 if grad_table is None else grad_table
    kinds = int32(TYPES[x.dtype]), int32(TYPES[grad_x.dtype])
    launch(x, "isp_jpeg_back", -(-x.numel() // 2048), *arrays, *x.shape, stride, *kinds)


def jpeg_split(image: Tensor, luma: Tensor, chroma: Tensor, down: int, across: int) -> None:
    """Write the components of an image into uint8 planes of whole 8x8 blocks, `[B,h,w]` and `[2,B,h',w']`."""
    sizes = _jpeg_sizes(image, luma, chroma, down, across)
    launch(image, "isp_jpeg_split", blocks(image, chroma[0].numel()), image, luma, chroma, *sizes)


def jpeg_join(luma: Tensor, chroma: Tensor, image: Tensor, down: int, across: int) -> None:
    """Write the image of decoded components into `image`."""
    sizes = _jpeg_sizes(image, luma, chroma, down, across)
    launch(image, "isp_jpeg_join", blocks(image, image[:, 0].numel()), luma, chroma, image, *sizes)


def jpeg_split_gradient(luma: Tensor, chroma: Tensor, grad_x: Tensor, down: int, across: int) -> None:
    """Write the adjoint of `jpeg_split`, applied to float32 gradients of the components, into `grad_x`."""
    sizes = _jpeg_sizes(grad_x, luma, chroma, down, across)
    launch(grad_x, "isp_jpeg_split_back", blocks(grad_x, grad_x[:, 0].numel()), luma, chroma, grad_x, *sizes)


def jpeg_join_gradient(grad_y: Tensor, output: Tensor, luma: Tensor, chroma: Tensor, down: int, across: int) -> None:
    """Write the gradients of `jpeg_join`, which wrote `output`, into `luma` and `chroma`, float32."""
    sizes = _jpeg_sizes(output, luma, chroma, down, across)
    height, width = chroma.shape[-2:]
    grid = len(output) * -(-height // 8) * -(-width // 32)
    launch(output, "isp_jpeg_join_back", grid, grad_y, output, luma, chroma, *sizes)


def _jpeg_sizes(image: Tensor, luma: Tensor, chroma: Tensor, down: int, across: int) -> tuple[Any, ...]:
    sizes = len(image), *image.shape[-2:], *luma.shape[-2:], *chroma.shape[-2:]
    return *sizes, int32(down), int32(across), int32(TYPES[image.dtype])
