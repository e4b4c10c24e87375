"""The target `libraw-fixed` is LibRaw's rendering with a fixed white level."""

import pytest
import rawpy
import torch

from isptoolkit.data.decoded import TARGETS

OPTIONS = {"use_camera_wb": True, "no_auto_bright": True, "user_flip": 0}
LEVELS = {"libraw": {}, "libraw-fixed": {"adjust_maximum_thr": 0.0}}


@pytest.mark.parametrize(
    ("name", "moved"), [("g2/CRW_0304.CRW", True), ("s40/CRW_0118.CRW", False)], ids=["darker", "full"]
)
def test_targets_are_libraws_rendering(data, name, moved):
    """By default, a file without samples near white is brightened; targets are cropped to begin with RGGB."""
    path = data / "digicam_corpus" / f"canon-powershot-{name}"
    means = []
    for target, levels in LEVELS.items():
        with rawpy.imread(str(path)) as raw:
            rendering = torch.from_numpy(raw.postprocess(**OPTIONS, **levels)).permute(2, 0, 1)
        result = TARGETS[target](path).target[0]
        height, width = result.shape[1:]
        parts = [rendering[:, top : top + height, left : left + width] for top in (0, 1) for left in (0, 1)]
        assert any(torch.equal(result, part) for part in parts)
        means.append(float(result.float().mean()))
    assert (means[0] > 1.05 * means[1]) if moved else means[0] == means[1]
