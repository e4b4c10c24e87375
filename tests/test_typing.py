"""What type checkers conclude about calls of stages."""

import subprocess
import sys

import pytest

pytest.importorskip("mypy", reason="needs mypy: pip install mypy")

SOURCE = """
import torch
from isptoolkit import Capture, Learned, Pipeline, presets, stages

x, capture = torch.rand(1, 1, 4, 4), Capture.of("RGGB")
pipeline = presets.classic()
reveal_type(pipeline(x, capture))
reveal_type(stages.WhiteBalance()(x, capture))
reveal_type(pipeline.inv(x, capture))
reveal_type(pipeline.bind(capture)(x))
reveal_type(pipeline["levels"].inverse(x, capture))
pipeline(x)
pipeline(x, "RGGB")
"""


@pytest.mark.slow
def test_calls_return_tensors(tmp_path, pytestconfig):
    file = tmp_path / "calls.py"
    file.write_text(SOURCE)
    cache = f"--cache-dir={pytestconfig.cache.mkdir('mypy')}"
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--no-error-summary",
        cache,
        "--follow-imports=silent",
        file.name,
    ]
    lines = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path).stdout.splitlines()
    assert [line for line in lines if "Revealed type" in line] == [
        f'calls.py:{number}: note: Revealed type is "torch._tensor.Tensor"' for number in range(7, 12)
    ]
    errors = [line for line in lines if "error:" in line]
    assert [line.split(":")[1] for line in errors] == ["12", "13"], errors
