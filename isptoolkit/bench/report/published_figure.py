"""A figure that others published, with its protocol and source."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """RAW quality of a method under a protocol, as reported.

    Args:
        method: name of the method, or of the team that submitted it.
        protocol: name of the protocol, as in `isptoolkit.bench.PROTOCOLS`, or `dnd`, which this project does not run.
        psnr: PSNR of RAW in dB.
        source: document and table of the figure.
        ssim: SSIM of RAW; None if the source has none.
        part: part of the test data, such as `Test1`; empty if there is only one.
        entrant: the entrant of this project's benchmark with this method; None if there is none.
        stated: whether the source states the protocol; otherwise it is an inference, which `note` explains.
        note: what to know before comparing.

    >>> Figure("InvISP", "fivek-nikon", 44.42, "SSDNet paper, table 4", entrant="invisp").text()
    '44.42'
    >>> Figure("HiImage", "aim22-s7", 27.96, "slides", 0.79).text()
    '27.96 / 0.79'
    """

    method: str
    protocol: str
    psnr: float
    source: str
    ssim: float | None = None
    part: str = ""
    entrant: str | None = None
    stated: bool = True
    note: str = ""

    def text(self, digits: int | None = None) -> str:
        """Format PSNR and, if there is one, SSIM.

        Args:
            digits: decimals of SSIM; None uses 2, or 3 if the source has three.
        """
        if self.ssim is None:
            return f"{self.psnr:.2f}"
        decimals = digits or (2 if round(self.ssim, 2) == self.ssim else 3)
        return f"{self.psnr:.2f} / {self.ssim:.{decimals}f}"
