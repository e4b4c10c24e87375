"""JPEG of one component in whole blocks: DCT, quantization and inverse DCT, in libjpeg's integer arithmetic."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ...errors import InvalidArgument, InvalidSize, InvalidTensor
from ...kernels import usable
from ...kernels.derivatives import differentiating, with_derivative, with_reference

_BITS, _PASS = 13, 2


def jpeg_blocks(x: Tensor, table: Tensor, slopes: Sequence[float] | Tensor = ()) -> Tensor:
    """Compress and decompress samples by 8x8 DCT and quantization: libjpeg's slow integer method, bit for bit.

    `y = clamp(IDCT(table round(DCT(x - 128) / table)) + 128)` with libjpeg's fixed-point transforms, rounding half away
    from zero. The gradient is that of the chain in real numbers without the clamp, where rounding has the derivative
    `1 + sum slopes[n] cos(2 pi (n + 1) d)` at distance d from the nearest integer.

    Args:
        x: `[N,H,W]` samples from 0 to 255, rounded to integers; H and W are multiples of 8.
        table: `[N,8,8]` or `[1,8,8]` integer entries from 1 to 65535, rows of vertical frequency.
        slopes: weights of the derivative; empty is the straight-through estimator, `-2 (-1)^n` (n from 0) the Fourier
            series with that many terms.

    Raises:
        InvalidSize: for a size that is not a multiple of 8.
        InvalidTensor: for tensors of other shapes.
        InvalidArgument: for entries below 1.

    Source: ITU-T T.81, annex A.3; Loeffler, Ligtenberg and Moschytz, "Practical fast 1-D DCT algorithms with 11
    multiplications", ICASSP 1989, as in libjpeg's JDCT_ISLOW.

    >>> jpeg_blocks(torch.full((1, 8, 8), 131.0), torch.full((1, 8, 8), 16.0)).unique()
    tensor([132.])
    """
    if x.ndim != 3 or not x.is_floating_point() or table.ndim != 3 or table.shape[1:] != (8, 8):
        raise InvalidTensor(f"jpeg_blocks takes [N,H,W] and [N,8,8], got {list(x.shape)} and {list(table.shape)}")
    if len(table) not in (1, len(x)):
        raise InvalidTensor(f"jpeg_blocks: {len(table)} tables for {len(x)} planes")
    if x.shape[1] % 8 or x.shape[2] % 8 or not x.numel():
        raise InvalidSize(f"jpeg_blocks needs multiples of 8, got {x.shape[1]} x {x.shape[2]}: pad first")
    check_table(table)
    weights = torch.as_tensor(slopes, dtype=torch.float32, device=x.device).reshape(-1)
    if usable(x):
        from ...kernels.jpeg import jpeg_blocks as kernel

        output: Tensor = kernel(x, table.reshape(-1, 64).float(), weights)
        return with_reference(output, lambda x, table: _definition(x, table, weights), x, table)
    return _definition(x, table, weights)


def check_table(table: Tensor) -> None:
    """Raise `InvalidArgument` unless the entries of quantization tables are at least 1."""
    if not torch.compiler.is_compiling() and not bool((table.detach().round() >= 1).all()):
        raise InvalidArgument(f"the entries of a quantization table are at least 1, got {float(table.detach().min())}")


def real_blocks(x: Tensor, table: Tensor, rounding: Callable[[Tensor], Tensor]) -> Tensor:
    """Compress and decompress samples in real numbers: `IDCT(table rounding(DCT(x - 128) / table)) + 128`.

    Args:
        x: `[N,H,W]` samples, nominally 0 to 255; H and W are multiples of 8.
        table: `[N,8,8]` or `[1,8,8]`, rows of vertical frequency.
        rounding: a function of coefficients in steps of the table.

    >>> real_blocks(torch.full((1, 8, 8), 131.0), torch.full((1, 8, 8), 16.0), torch.round).unique().round(decimals=4)
    tensor([132.])
    """
    basis, entries = _basis(x), table[:, None, None].to(x.dtype)
    rounded = rounding(real_dct(x - 128) / entries)
    return _planes(basis.T @ (rounded * entries) @ basis) + 128


def real_dct(x: Tensor) -> Tensor:
    """The orthonormal DCT of each 8x8 block of centered samples: `[N,H,W]` to `[N,H/8,W/8,8,8]`."""
    basis = _basis(x)
    return basis @ _blocks(x) @ basis.T


def integer_dct(x: Tensor) -> Tensor:
    """Eight times the DCT of samples `[N,H,W]`, 0 to 255, in libjpeg's integer arithmetic: `[N,H/8,W/8,8,8]`."""
    rows = _dct(_blocks(x.round().long() - 128), 4, _BITS - _PASS)
    return _dct(rows, 3, _BITS + _PASS)


def quantized_dct(x: Tensor, table: Tensor) -> Tensor:
    """The quantized coefficients that libjpeg writes for samples `[N,H,W]`, 0 to 255: `[N,H/8,W/8,8,8]` int64."""
    return quantize(integer_dct(x), table)


def quantize(scaled: Tensor, table: Tensor) -> Tensor:
    """Quantize the outputs of `integer_dct` by a table `[N,8,8]`, rounding half away from zero."""
    steps = 8 * table.round().long()[:, None, None]
    return scaled.sign() * ((scaled.abs() + steps // 2) // steps)


def _definition(x: Tensor, table: Tensor, slopes: Tensor) -> Tensor:
    """The decoded integers, with the derivatives of the chain in real numbers."""
    entries = table.detach().round().long()
    quantized = quantized_dct(x.detach().nan_to_num(0).clamp(0, 255), entries)
    columns = _idct(quantized * entries[:, None, None], 3, _BITS - _PASS)
    samples = _idct(columns, 4, _BITS + _PASS + 3) + 128
    output = _planes(samples).clamp(0, 255).to(x.dtype)
    if not differentiating(x, table):
        return output
    basis = _basis(x)
    steps = with_derivative(entries.to(x.dtype), table.to(x.dtype))[:, None, None]
    values = real_dct(x - 128) / steps
    smooth = values
    for n, weight in enumerate(slopes.to(x.dtype), 1):
        smooth = smooth + weight * torch.sin(2 * torch.pi * n * values) / (2 * torch.pi * n)
    rounded = with_derivative(quantized.to(x.dtype), smooth)
    return with_derivative(output, _planes(basis.T @ (rounded * steps) @ basis))


def _basis(like: Tensor) -> Tensor:
    """The orthonormal 8-point DCT matrix: one row per frequency."""
    k, n = torch.arange(8, dtype=torch.float64)[:, None], torch.arange(8, dtype=torch.float64)
    basis = torch.cos((2 * n + 1) * k * torch.pi / 16) / 2
    basis[0] /= 2**0.5
    return basis.to(like.device, like.dtype)


def _blocks(x: Tensor) -> Tensor:
    """Cut planes into blocks: `[N,H,W]` to `[N,H/8,W/8,8,8]`."""
    count, height, width = x.shape
    return x.reshape(count, height // 8, 8, width // 8, 8).transpose(2, 3)


def _planes(blocks: Tensor) -> Tensor:
    return blocks.transpose(2, 3).flatten(3, 4).flatten(1, 2).contiguous()


def _descaled(x: Tensor, bits: int) -> Tensor:
    return (x + (1 << (bits - 1))) >> bits


def _dct(x: Tensor, dim: int, odd: int) -> Tensor:
    """One pass of the integer DCT; `odd` is the number of bits by which products are descaled."""
    d = x.unbind(dim)
    (t0, t1, t2, t3), (t7, t6, t5, t4) = ([d[k] + sign * d[7 - k] for k in range(4)] for sign in (1, -1))
    t10, t13, t11, t12 = t0 + t3, t0 - t3, t1 + t2, t1 - t2
    even = [t10 + t11, t10 - t11]
    even = [e << _PASS for e in even] if odd < _BITS else [_descaled(e, _PASS) for e in even]
    z1 = (t12 + t13) * 4433
    turned = _odd_part(t4, t5, t6, t7)
    parts = {0: even[0], 4: even[1], 2: _descaled(z1 + t13 * 6270, odd), 6: _descaled(z1 - t12 * 15137, odd)}
    parts |= {k: _descaled(value, odd) for k, value in zip((7, 5, 3, 1), turned, strict=True)}
    return torch.stack([parts[k] for k in range(8)], dim)


def _idct(x: Tensor, dim: int, bits: int) -> Tensor:
    d = x.unbind(dim)
    z1 = (d[2] + d[6]) * 4433
    t2, t3 = z1 - d[6] * 15137, z1 + d[2] * 6270
    t0, t1 = (d[0] + d[4]) << _BITS, (d[0] - d[4]) << _BITS
    even = t0 + t3, t1 + t2, t1 - t2, t0 - t3
    odd = _odd_part(d[7], d[5], d[3], d[1])[::-1]
    sums = [e + o for e, o in zip(even, odd, strict=True)] + [e - o for e, o in zip(even, odd, strict=True)][::-1]
    return torch.stack([_descaled(value, bits) for value in sums], dim)


def _odd_part(a: Tensor, b: Tensor, c: Tensor, e: Tensor) -> list[Tensor]:
    """The rotations of the odd half, which both transforms share."""
    z5 = (a + c + b + e) * 9633
    z3, z4 = z5 - (a + c) * 16069, z5 - (b + e) * 3196
    z1, z2 = (a + e) * -7373, (b + c) * -20995
    return [a * 2446 + z1 + z3, b * 16819 + z2 + z4, c * 25172 + z2 + z3, e * 12299 + z1 + z4]
