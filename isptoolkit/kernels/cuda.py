"""The kernels on a GPU: compiled for it at first use, launched on torch's current stream."""

import contextlib
import functools
import logging
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .native import TYPES, rows
from .nvrtc import compile_source, source_of
from .steps import WORDS

log = logging.getLogger(__name__)

_THREADS = 256
_SAMPLINGS = {"isp_mosaic": 0, "isp_mosaic_adjoint": 1, "isp_pack": 2, "isp_unpack": 3}


@functools.cache
def _found() -> tuple[bool, str]:
    """Whether kernels can run on a GPU here, and what it is or why not."""
    if not torch.cuda.is_available():
        return False, "not used: torch finds no GPU"
    try:
        import cuda.core as _  # noqa: F401
    except ImportError:
        log.warning("no CUDA kernels: pip install 'isptoolkit[cuda]'; torch does the work")
        return False, "plain torch: cuda-core is not installed, pip install 'isptoolkit[cuda]'"
    names = [torch.cuda.get_device_name(device) for device in range(torch.cuda.device_count())]
    return True, f"NVRTC for {', '.join(names)}"


def available() -> bool:
    """Whether kernels can run on a GPU here."""
    return _found()[0]


def state() -> str:
    """What runs on GPUs, and why."""
    return _found()[1]


@functools.cache
def _kernel(device: int, name: str) -> Any:
    from cuda.core import ObjectCode

    major, minor = torch.cuda.get_device_capability(device)
    return ObjectCode.from_cubin(compile_source(source_of(name), f"sm_{major}{minor}")).get_kernel(name)


@functools.lru_cache(maxsize=256)
def _words(device: int, words: tuple[int, ...]) -> Tensor:
    """Steps on the device; kept, so that a graph captured after a first call holds no copy from the host."""
    return torch.tensor(words or (0,), dtype=torch.int32, device=f"cuda:{device}")


@contextlib.contextmanager
def _on(x: Tensor) -> Iterator[tuple[int, Any]]:
    """The device of `x` made current, with torch's current stream on it."""
    from cuda.core import Device, Stream

    device = x.get_device()
    with torch.cuda.device(device):
        Device(device).set_current()
        yield device, Stream.from_handle(torch.cuda.current_stream(device).cuda_stream)


def launch(x: Tensor, name: str, grid: int | tuple[int, ...], *arguments: Any) -> None:
    """Run a kernel on the device and current stream of `x`; tensors are passed by address, whole numbers as int64.

    A whole number that the kernel takes as int is passed by `whole`.
    """
    import cuda.core

    passed = [a.data_ptr() if isinstance(a, Tensor) else np.int64(a) if type(a) is int else a for a in arguments]
    with _on(x) as (device, stream):
        config = cuda.core.LaunchConfig(grid=grid, block=_THREADS)
        cuda.core.launch(stream, config, _kernel(device, name), *passed)


def blocks(x: Tensor, items: int) -> int:
    """Enough blocks for every thread to have an item, and no more than fill the device many times over."""
    return max(1, min(-(-items // _THREADS), 32 * torch.cuda.get_device_properties(x.device).multi_processor_count))


def whole(value: int) -> Any:
    """A number that a kernel takes as int."""
    return np.int32(value)


def run(
    x: Tensor,
    numbers: Tensor,
    before: Sequence[int],
    after: Sequence[int],
    channels: Sequence[int],
    method: int,
    out: Tensor,
) -> None:
    """Any trip, as `isptoolkit.kernels.trip.run`."""
    numbers = numbers.contiguous()
    batch, planes, height, width = x.shape
    x = rows(x)
    stride = numbers.shape[1] if numbers.shape[0] > 1 else 0
    first, second = (_words(x.get_device(), tuple(words)) for words in (before, after))
    kinds = whole(TYPES[x.dtype]), whole(TYPES[out.dtype])
    counts = whole(len(before) // WORDS), whole(len(after) // WORDS)
    if not method:
        grid = blocks(x, batch * height * width)
        sizes = batch, whole(planes), height, width, *x.stride()[:3], stride
        launch(x, "isp_develop", grid, x, out, numbers, first, counts[0], *sizes, *kinds)
        return
    colors = [whole(channel) for channel in channels]
    grid3 = -(-width // 64), -(-height // 16), batch
    sizes = height, width, x.stride(0), x.stride(2), stride
    programs = first, counts[0], second, counts[1]
    launch(x, "isp_render", grid3, x, out, numbers, *programs, *sizes, *kinds, whole(method), *colors)


def run_gradient(
    x: Tensor, numbers: Tensor, steps: Sequence[int], by_output: Tensor, by_x: Tensor, by_numbers: Tensor | None
) -> None:
    """The gradients of a trip without demosaic, into `by_x` and, unless None, `by_numbers`."""
    numbers = numbers.contiguous()
    batch, planes, height, width = x.shape
    x = rows(x)
    sums = None if by_numbers is None else torch.zeros(by_numbers.shape, dtype=torch.float64, device=x.device)
    stride, count = numbers.shape[1] if numbers.shape[0] > 1 else 0, numbers.shape[1]
    words = _words(x.get_device(), tuple(steps))
    grid = blocks(x, height * width), batch
    sizes = whole(planes), height, width, *x.stride()[:3], stride, count
    where = 0 if sums is None else sums
    arrays = x, by_output, by_x, where, numbers, words
    launch(x, "isp_develop_gradient", grid, *arrays, whole(len(steps) // WORDS), *sizes, whole(TYPES[x.dtype]))
    if by_numbers is not None and sums is not None:
        by_numbers.copy_(sums)


def demosaic_adjoint(image: Tensor, channels: Sequence[int], method: int, out: Tensor) -> None:
    """The transpose of a linear demosaic, into `out`."""
    batch, _, height, width = image.shape
    colors = [whole(channel) for channel in channels]
    grid = blocks(image, out.numel())
    kind = whole(TYPES[image.dtype])
    launch(image, "isp_demosaic_adjoint", grid, image, out, batch, height, width, kind, whole(method), *colors)


def sample(name: str, x: Tensor, channels: Sequence[int], mosaic: Sequence[int], out: Tensor) -> None:
    """Sampling, its adjoint, packing or unpacking, into `out`; `mosaic` is the size of the mosaic."""
    colors = [whole(channel) for channel in channels]
    grid = blocks(x, x.shape[0] * mosaic[0] * mosaic[1])
    what, kind = whole(_SAMPLINGS[name]), whole(TYPES[x.dtype])
    launch(x, "isp_sample", grid, x, out, what, x.shape[0], *mosaic, *x.stride()[:3], kind, *colors)


def adain(x: Tensor, scale: Tensor, shift: Tensor, y: Tensor, mean: Tensor, inverse: Tensor, epsilon: float) -> None:
    """Into `y`, `mean` and `inverse`; a block per plane."""
    batch, planes, height, width = x.shape
    sizes = height * width, np.float64(epsilon), whole(TYPES[x.dtype])
    launch(x, "isp_adain_apply", batch * planes, x, scale, shift, y, mean, inverse, *sizes)


def adain_gradient(
    x: Tensor,
    scale: Tensor,
    mean: Tensor,
    inverse: Tensor,
    by_y: Tensor,
    by_x: Tensor,
    by_scale: Tensor,
    by_shift: Tensor,
) -> None:
    """Into the last three."""
    batch, planes, height, width = x.shape
    arrays = x, scale, mean, inverse, by_y, by_x, by_scale, by_shift
    launch(x, "isp_adain_back", batch * planes, *arrays, height * width, whole(TYPES[x.dtype]))


def coupling(x: Tensor, h: Tensor, t: Tensor, y: Tensor, limit: float, inverse: bool) -> None:
    """Into `y`."""
    how = np.float32(limit), whole(inverse), whole(TYPES[x.dtype])
    launch(x, "isp_coupling_apply", blocks(x, x.numel()), x, h, t, y, x.numel(), *how)


def coupling_gradient(
    by_y: Tensor, plain: Tensor, h: Tensor, by_x: Tensor, by_h: Tensor, by_t: Tensor, limit: float, inverse: bool
) -> None:
    """Into the three gradients."""
    how = np.float32(limit), whole(inverse), whole(TYPES[h.dtype])
    launch(h, "isp_coupling_back", blocks(h, h.numel()), by_y, plain, h, by_x, by_h, by_t, h.numel(), *how)


def jpeg_blocks(x: Tensor, table: Tensor, y: Tensor) -> None:
    """Into `y`; a block for 32 of JPEG's."""
    stride = 64 if table.shape[0] > 1 else 0
    launch(x, "isp_jpeg_blocks", -(-x.numel() // 2048), x, table, y, *x.shape, stride, whole(TYPES[x.dtype]))


def jpeg_blocks_gradient(
    x: Tensor, table: Tensor, slopes: Tensor, by_y: Tensor, by_x: Tensor, by_table: Tensor
) -> None:
    """Into `by_x` and, added up, `by_table`."""
    stride, count = 64 if table.shape[0] > 1 else 0, whole(slopes.numel())
    arrays = x, table, slopes, count, by_y, by_x, by_table
    launch(x, "isp_jpeg_back", -(-x.numel() // 2048), *arrays, *x.shape, stride, whole(TYPES[x.dtype]))
