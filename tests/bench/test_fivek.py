"""MIT-Adobe FiveK in InvISP's layout, with LibRaw's JPEG file as the input."""

import torch

from isptoolkit.bench import PROTOCOLS
from isptoolkit.bench.data.fivek import FiveK
from isptoolkit.bench.data.pairs import pairs_of
from isptoolkit.bench.methods.entrants import entrant
from isptoolkit.bench.report.published import reported
from isptoolkit.bench.scoring import score
from isptoolkit.data.decoded import TARGETS
from isptoolkit.stages.cfa import mosaic, pack

LIBRAW = {name: PROTOCOLS[f"{name}-libraw"] for name in ("fivek-nikon", "fivek-canon")}


def test_one_way_entrants_are_scored_from_libraws_file(data, tmp_path):
    """An entrant recovers RAW from LibRaw's JPEG file, not from its own rendering."""
    folder = tmp_path / "Canon_EOS_5D" / "DNG"
    folder.mkdir(parents=True)
    for name in ("CRW_0117", "CRW_0118"):
        (folder / f"{name}.CRW").symlink_to(data / "digicam_corpus" / "canon-powershot-s40" / f"{name}.CRW")
    (tmp_path / "Canon_EOS_5D_train.txt").write_text("CRW_0117\n")
    (tmp_path / "Canon_EOS_5D_test.txt").write_text("CRW_0118\n")
    case = pairs_of("fivek-canon-libraw", tmp_path, "libraw", tmp_path / "decoded").cases[0]
    height, width = case.input.shape[2:]
    image = TARGETS["libraw-jpeg"](folder / "CRW_0118.CRW").target[..., :height, :width].float() / 255
    assert torch.equal(case.input, image)
    figures, raw, _ = score(entrant("identity").predictor(None), case, LIBRAW["fivek-canon"])
    assert torch.equal(raw, pack(mosaic(image, "RGGB"))) and 5 < figures["raw PSNR"] < 30
    assert score(entrant("identity").predictor(None), case, PROTOCOLS["fivek-canon"])[1] is None


def test_the_fingerprint_depends_on_the_split(data, tmp_path):
    """Equal files in equal order, one of them moved from the test to training."""
    folder = tmp_path / "Canon_EOS_5D" / "DNG"
    folder.mkdir(parents=True)
    for name in ("a", "b", "c"):
        (folder / f"{name}.CRW").symlink_to(data / "digicam_corpus" / "canon-powershot-s40" / "CRW_0117.CRW")

    def fingerprint(train, test):
        (tmp_path / "Canon_EOS_5D_train.txt").write_text(train)
        (tmp_path / "Canon_EOS_5D_test.txt").write_text(test)
        return FiveK(tmp_path, "Canon_EOS_5D", tmp_path / "decoded").fingerprint

    before = fingerprint("a\nb\n", "c\n")
    assert fingerprint("a\n", "b\nc\n") != before == fingerprint("a\nb\n", "c\n")


def test_rows_of_one_way_networks_belong_to_libraws_file():
    for name, protocol in LIBRAW.items():
        own = PROTOCOLS[name]
        assert (protocol.jpeg, own.jpeg) == ("file", "own")
        same = ("layout", "balanced", "gamma", "clip", "images", "black", "white", "taps")
        assert all(getattr(protocol, field) == getattr(own, field) for field in same)
        assert reported(protocol.name, "ssdnet") and not reported(name, "ssdnet")
        assert reported(name, "invisp") and not reported(protocol.name, "invisp")
