"""Progress, stage by stage, of a pipeline that renders as it did."""

import pytest
import torch

from isptoolkit import Capture, errors, presets
from isptoolkit.cli.watched import watched

CAPTURE = Capture.of("RGGB", black=64, white=1023)


def test_it_renders_the_same_and_calls_back_around_each_stage():
    calls: list[str] = []
    pipeline = presets.classic()
    x = torch.linspace(64, 1023, 64).reshape(1, 1, 8, 8)
    image = watched(pipeline, calls.append, lambda: calls.append("end"))(x, CAPTURE)
    assert torch.equal(image, pipeline(x, CAPTURE))
    assert calls == [call for name in pipeline.names for call in (name, "end")]


def test_errors_carry_the_note_of_the_pipeline():
    x = torch.ones(1, 1, 1, 1)
    notes = []
    for pipeline in (presets.classic(), watched(presets.classic(), lambda _: None, lambda: None)):
        with pytest.raises(errors.InvalidSize) as caught:
            pipeline(x, CAPTURE)
        notes.append(caught.value.__notes__)
    assert notes[0] == notes[1]
