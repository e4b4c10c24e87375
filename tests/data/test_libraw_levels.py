"""Pictures of fixed levels are those that LibRaw makes when it may not move its white."""

import pytest
import rawpy
import torch

from isptoolkit.data.decoded import TARGETS

HOW = {"use_camera_wb": True, "no_auto_bright": True, "user_flip": 0}
LEVELS = {"libraw": {}, "libraw-fixed": {"adjust_maximum_thr": 0.0}}


@pytest.mark.parametrize(
    ("name", "moved"), [("g2/CRW_0304.CRW", True), ("s40/CRW_0118.CRW", False)], ids=["darker", "full"]
)
def test_both_are_libraws_own(data, name, moved):
    """A file without samples near white is brightened by default; the part compared begins with a cell of RGGB."""
    path = data / "digicam_corpus" / f"canon-powershot-{name}"
    means = []
    for target, levels in LEVELS.items():
        with rawpy.imread(str(path)) as raw:
            wanted = torch.from_numpy(raw.postprocess(**HOW, **levels)).permute(2, 0, 1)
        found = TARGETS[target](path).target[0]
        height, width = found.shape[1:]
        parts = [wanted[:, top : top + height, left : left + width] for top in (0, 1) for left in (0, 1)]
        assert any(torch.equal(found, part) for part in parts)
        means.append(float(found.float().mean()))
    assert (means[0] > 1.05 * means[1]) if moved else means[0] == means[1]
