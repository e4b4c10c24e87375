"""Damages files at random, and reads them in a child process whose memory is limited.

Run as a program, it is that child: it reads paths, one a line, from standard input and prints the outcome for each.
"""

import json
import random
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

MEMORY = 6 << 30
"""Bytes of address space that the child may use."""
SECONDS = 20
"""Seconds that the child may spend on a file."""


def truncated(content: bytearray, dice: random.Random) -> bytearray:
    return content[: dice.randrange(len(content))]


def flipped(content: bytearray, dice: random.Random) -> bytearray:
    for _ in range(dice.choice([1, 4, 16, 64])):
        content[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
    return content


def header_flipped(content: bytearray, dice: random.Random) -> bytearray:
    for _ in range(dice.choice([1, 2, 4])):
        content[dice.randrange(min(len(content), 1024))] = dice.randrange(256)
    return content


def extreme_numbers(content: bytearray, dice: random.Random) -> bytearray:
    for _ in range(dice.choice([1, 2, 4])):
        at = dice.randrange(0, min(len(content), 2048) - 4, 2)
        value = dice.choice([0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, len(content), len(content) - 1])
        content[at : at + 4] = value.to_bytes(4, "little")
    return content


def zeroed(content: bytearray, dice: random.Random) -> bytearray:
    start = dice.randrange(len(content))
    length = min(dice.choice([4, 64, 1024, 65536]), len(content) - start)
    content[start : start + length] = bytes(length)
    return content


def moved(content: bytearray, dice: random.Random) -> bytearray:
    start, target = dice.randrange(len(content)), dice.randrange(len(content))
    length = min(dice.choice([2, 12, 256]), len(content) - max(start, target))
    content[target : target + length] = content[start : start + length]
    return content


def extended(content: bytearray, dice: random.Random) -> bytearray:
    return content + dice.randbytes(dice.choice([1, 100, 5000]))


DAMAGES: tuple[Callable[[bytearray, random.Random], bytearray], ...] = (
    truncated,
    flipped,
    header_flipped,
    extreme_numbers,
    zeroed,
    moved,
    extended,
)


def damaged(content: bytes, seed: int) -> tuple[str, bytes]:
    """A damaged copy of a file, with the name of the damage."""
    dice = random.Random(seed)
    damage = DAMAGES[seed % len(DAMAGES)]
    return damage.__name__, bytes(damage(bytearray(content), dice))


def readings(paths: Iterable[Path], poison: Path) -> dict[Path, str]:
    """The outcome for each file: `read`, `refused` with the message, or a phrase for a fault of the reader.

    Args:
        paths: the files.
        poison: a file that is read before each of them; its samples are all one number.
    """
    outcomes: dict[Path, str] = {}
    left = list(paths)
    while left:
        command = [sys.executable, __file__, str(poison)]
        job = "".join(f"{path}\n" for path in left)
        child = subprocess.run(command, input=job, capture_output=True, text=True)
        lines = [json.loads(line) for line in child.stdout.splitlines()]
        outcomes |= {Path(line["path"]): line["outcome"] for line in lines}
        if len(lines) < len(left):  # the file after the last one that was reported stopped the child
            outcomes[left[len(lines)]] = f"stopped the process: status {child.returncode}, {child.stderr[-300:]!r}"
        left = left[len(lines) + 1 :]
    return outcomes


def _outcome(path: str, poison: str) -> str:
    from isptoolkit import read_raw
    from isptoolkit.errors import IspError

    foreign = float(read_raw(poison)[0][0, 0, 0, 0])
    try:
        samples, _ = read_raw(path)
    except IspError as error:
        text = str(error)
        return f"refused {text}" if "\n" not in text else f"an error of several lines: {text!r}"
    except BaseException as error:
        return f"raised {type(error).__name__}: {error}"
    if bool((samples == foreign).float().mean() > 0.01):
        return "read samples of another file"
    return "read" if samples.isfinite().all() else "read samples that are not finite"


def _main(poison: str) -> None:
    import resource
    import signal

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    for line in sys.stdin:
        path = line.rstrip("\n")
        signal.alarm(SECONDS)
        print(json.dumps({"path": path, "outcome": _outcome(path, poison)}), flush=True)
    signal.alarm(0)


if __name__ == "__main__":
    _main(sys.argv[1])
