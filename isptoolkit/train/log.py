"""What a training run tells: a line of JSON for each step, TensorBoard's events, and pictures."""

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
    """`log.jsonl`, `pictures/` and, on request, TensorBoard's files in the folder of a run that goes on at a step.

    What a killed run wrote after its last checkpoint is dropped.

    Args:
        out: the folder.
        start: the first step to come.
        events: write for TensorBoard as well.

    Raises:
        MissingPackage: when TensorBoard is asked for and not installed.
    """

    def __init__(self, out: Path, start: int, events: bool) -> None:
        self.path, self._pictures = out / "log.jsonl", out / "pictures"
        self._writer: Any = None
        if events:
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

    def pictures(self, done: int, pictures: Mapping[str, Tensor]) -> None:
        """Draw samples after so many steps: a row for each picture `[B,3,H,W]`, 0 to 1, a column for each sample."""
        rows = [torch.cat(list(picture.detach().float().cpu().clamp(0, 1)), 2) for picture in pictures.values()]
        sheet = torch.cat(rows, 1).nan_to_num(0)
        self._pictures.mkdir(exist_ok=True)
        write_image(self._pictures / f"{done:07d}.png", sheet)
        if self._writer is not None:
            self._writer.add_image(" / ".join(pictures), sheet, done - 1)

    def close(self) -> None:
        """Write out what waits."""
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
