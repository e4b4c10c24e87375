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
    (tmp_path / "broken.jpg").write_bytes(b"not an image")
    return tmp_path


def test_patches_are_functions_of_their_number(folder):
    source = PhotoFolder(folder)
    assert [path.name for path in source.files] == ["0.png", "1.png", "2.png"]
    assert "not a readable" in next(iter(source.skipped.values()))
    (a, seeds), (b, same_seeds), (c, _) = (source.patches(number, 6, 24) for number in (1, 1, 2))
    assert torch.equal(a, b)
    assert seeds == same_seeds
    assert not torch.equal(a, c)
    assert a.shape == (6, 3, 24, 24)
    assert torch.equal(source.patches(1, 6, 24, rank=1, world=3)[0], a[1::3])


def test_patches_lie_anywhere_in_eight_orientations(tmp_path):
    """All pixels differ, so that a patch identifies its position and orientation."""
    codes = np.arange(11 * 10 * 3, dtype=np.int64).reshape(11, 10, 3) % 251
    codes[..., 1] = np.arange(11)[:, None] * 10 + np.arange(10)
    Image.fromarray(codes.astype(np.uint8)).save(tmp_path / "a.png")
    origins = {}
    for turns in range(4):
        for mirrored in (False, True):
            part = np.rot90(codes, turns)
            part = part[:, ::-1] if mirrored else part
            for top in range(part.shape[0] - 8):
                for left in range(part.shape[1] - 8):
                    patch = part[top : top + 9, left : left + 9].astype(np.uint8)
                    origins[patch.tobytes()] = (turns, mirrored, top, left)
    assert len(origins) == 8 * 3 * 2
    patches, _ = PhotoFolder(tmp_path).patches(0, 400, 9)
    drawn = [origins[(255 * patch).round().byte().permute(1, 2, 0).numpy().tobytes()] for patch in patches]
    assert set(drawn) == set(origins.values())
    assert 170 <= sum(mirrored for _, mirrored, *_ in drawn) <= 230  # half of 400, within three deviations
    assert torch.equal(patches, (255 * patches).round() / 255)


def test_the_least_recently_used_photograph_is_evicted(folder):
    """Room for two photographs of 6000 to 6300 bytes."""
    source = PhotoFolder(folder, memory=12_500)
    first, second, third = source.files
    assert list(source._cache) == [second, third]
    source._photograph(second)
    source._photograph(first)
    assert list(source._cache) == [second, first]


@pytest.mark.parametrize("patch", [0, -2])
def test_patches_without_pixels(folder, patch):
    with pytest.raises(errors.InvalidArgument, match=f"got {patch}"):
        PhotoFolder(folder).patches(0, 1, patch)


def test_memory_is_bounded(folder):
    whole, small = PhotoFolder(folder), PhotoFolder(folder, memory=7000)
    assert len(small._cache) == 1
    assert torch.equal(whole.patches(0, 8, 16)[0], small.patches(0, 8, 16)[0])
    assert len(small._cache) == 1


def test_wrong_folders_and_patches(folder, tmp_path):
    with pytest.raises(
        errors.InvalidArgument, match="must be 1 to 40 pixels, the size of the smallest photograph, got 41"
    ):
        PhotoFolder(folder).patches(0, 1, 41)
    with pytest.raises(errors.InvalidArgument, match="is not a folder"):
        PhotoFolder(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(errors.InvalidArgument, match="no photograph that can be read"):
        PhotoFolder(tmp_path / "empty")
