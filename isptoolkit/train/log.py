"""The log of a training run: a line of JSON for each step, TensorBoard logs, and preview images."""

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..atomic import replacing
from ..errors import needs
from ..io import write_image


class Log:
    """`log.jsonl`, `previews/` and, on request, TensorBoard's files in the folder of a run that starts at a step.

    What an interrupted run wrote after its last checkpoint is dropped.

    Args:
        out: the folder.
        start: the first step to run.
        tensorboard: write TensorBoard logs as well.

    Raises:
        MissingPackage: if TensorBoard is requested but not installed.
    """

    def __init__(self, out: Path, start: int, tensorboard: bool) -> None:
        self.path, self._previews = out / "log.jsonl", out / "previews"
        self._writer: Any = None
        if tensorboard:
            with needs("tensorboard", "logging for TensorBoard needs it installed"):
                from torch.utils.tensorboard import SummaryWriter
            self._writer = SummaryWriter(str(out), purge_step=start or None)
        if self.path.is_file():
            lines = [line for line in self.path.read_text().splitlines() if _step_of(line) < start]
            with replacing(self.path) as temporary:
                temporary.write_text("".join(line + "\n" for line in lines))

    def step(self, step: int, figures: Mapping[str, float]) -> None:
        """Add the figures of a step."""
        with self.path.open("a") as file:
            file.write(json.dumps({"step": step, **figures}) + "\n")
        if self._writer is not None:
            for name, value in figures.items():
                self._writer.add_scalar(name, value, step)

    def preview(self, done: int, images: Mapping[str, Tensor]) -> None:
        """Write `previews/STEPS.png`: a row for each image `[B,3,H,W]`, 0 to 1, and a column for each sample.

        Args:
            done: number of completed steps.
            images: by name.
        """
        rows = [torch.cat(list(image.detach().float().cpu().clamp(0, 1)), 2) for image in images.values()]
        sheet = torch.cat(rows, 1).nan_to_num(0)
        self._previews.mkdir(exist_ok=True)
        write_image(self._previews / f"{done:07d}.png", sheet)
        if self._writer is not None:
            self._writer.add_image(" / ".join(images), sheet, done - 1)

    def close(self) -> None:
        """Flush and close the logs."""
        if self._writer is not None:
            self._writer.close()


def steps_of(path: str | Path) -> Iterator[dict[str, float]]:
    """The lines of a run's `log.jsonl`."""
    for line in Path(path).read_text().splitlines():
        yield json.loads(line)


def _step_of(line: str) -> float:
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return math.inf
