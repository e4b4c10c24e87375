"""A figure that others published: what it is of, and where it stands."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """RAW quality of one method by one protocol, as reported.

    Args:
        method: name of the method, or of the team that entered it.
        protocol: name of the protocol, as in `isptoolkit.bench.PROTOCOLS`, or `dnd`, which this project does not run.
        psnr: of RAW, in dB.
        source: document and table.
        ssim: of RAW; None where the source has none.
        part: of the test data, such as `Test1`; empty where there is one part.
        entrant: of this project's benchmark, the same method; None where there is none.
        stated: the source states the protocol; otherwise the assignment is an inference, which `note` explains.
        note: what a reader must know before comparing.

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
        """PSNR and, where there is one, SSIM.

        Args:
            digits: of SSIM after the point; None takes 2, or 3 where it has as many.
        """
        if self.ssim is None:
            return f"{self.psnr:.2f}"
        shown = digits or (2 if round(self.ssim, 2) == self.ssim else 3)
        return f"{self.psnr:.2f} / {self.ssim:.{shown}f}"
