"""Whether a stage may look at values while it runs, which compiled, traced and transformed programs do not allow."""

import torch
from torch.utils._python_dispatch import _get_current_dispatch_mode

from ..kernels import transforming


def is_eager() -> bool:
    """Whether operations run at once: not compiled, traced, exported, or inside a transform of `torch.func`.

    >>> is_eager()
    True
    """
    is_recorded = torch.compiler.is_compiling() or bool(torch._C._get_tracing_state())
    return not (is_recorded or transforming() or _get_current_dispatch_mode())
