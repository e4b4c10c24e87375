"""Patches of photographs."""

import numpy as np
import pytest
import torch
from PIL import Image

from isptoolkit import errors
from isptoolkit.data import PhotoFolder


@pytest.fixture
def folder(tmp_path):
    for index in range(3):
        codes = np.full((40 + index, 50, 3), 40 * index + 20, np.uint8)
        codes[:, :25] += 5
        Image.fromarray(codes).save(tmp_path / f"{index}.png")
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    return tmp_path


def test_patches_are_functions_of_their_number(folder):
    source = PhotoFolder(folder)
    assert [path.name for path in source.files] == ["0.png", "1.png", "2.png"]
    assert "not a readable" in next(iter(source.skipped.values()))
    (a, seeds), (b, again), (c, _) = (source.patches(number, 6, 24) for number in (1, 1, 2))
    assert torch.equal(a, b)
    assert seeds == again
    assert not torch.equal(a, c)
    assert a.shape == (6, 3, 24, 24)
    assert torch.equal(source.patches(1, 6, 24, rank=1, world=3)[0], a[1::3])


def test_memory_is_bounded(folder):
    whole, small = PhotoFolder(folder), PhotoFolder(folder, memory=7000)
    assert len(small._kept) == 1
    assert torch.equal(whole.patches(0, 8, 16)[0], small.patches(0, 8, 16)[0])
    assert len(small._kept) == 1


def test_wrong_folders_and_patches(folder, tmp_path):
    with pytest.raises(errors.InvalidArgument, match="at most 40 pixels wide here, got 41"):
        PhotoFolder(folder).patches(0, 1, 41)
    with pytest.raises(errors.InvalidArgument, match="is not a folder"):
        PhotoFolder(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(errors.InvalidArgument, match="no photograph"):
        PhotoFolder(tmp_path / "empty")
