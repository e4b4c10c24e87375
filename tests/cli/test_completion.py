"""Shell completion: the protocol that bash speaks with the command, and the script that it sources."""

import os
import shutil
import subprocess
import sys

import pytest

COMMAND = [sys.executable, "-m", "isptoolkit.cli"]


def completed(*words):
    """What the command offers for the last of these words."""
    protocol = {
        "_ISPTOOLKIT_COMPLETE": "complete_bash",
        "COMP_WORDS": " ".join(["isptoolkit", *words]),
        "COMP_CWORD": str(len(words)),
    }
    result = subprocess.run(COMMAND, capture_output=True, text=True, env=os.environ | protocol, check=True)
    assert result.stderr == ""
    return [line for line in result.stdout.splitlines() if line]


@pytest.mark.parametrize(
    ("words", "offers"),
    [
        (("r",), ["render", "roundtrip"]),
        (("calibrate", ""), ["noise"]),
        (("render", "--p"), ["--preset", "--pipeline"]),
        (("render", "--no-"), ["--no-rotate", "--no-fuse", "--no-corrections"]),
        (("render", "--preset", ""), ["classic", "libraw"]),
        (("render", "--cfa", "G"), ["GRBG", "GBRG"]),
        (("render", "--dtype", "mipi"), ["mipi10", "mipi12", "mipi14"]),
        (("render", "--frame", ""), ["default", "active"]),
        (("render", "a.CRW", "--bits", ""), ["8", "16"]),
        (("render", "--recipe", "inv"), ["invisp"]),
        (("unprocess", "--engine", ""), ["threads", "ray"]),
        (("unprocess", "--camera", "Sony\\ D"), ["Sony\\ DSC-RX100"]),
        (("unprocess", "--camera", '"Sony D'), ["Sony DSC-RX100"]),
        (("bench", "micro", "--entrants", "identity,cl"), ["identity,classic"]),
        (("train", "ssd"), ["ssdnet"]),
        (("train", "upi", "--layout", "si"), ["sidd"]),
        (("train", "upi", "--target", "libraw-"), ["libraw-fixed", "libraw-jpeg"]),
        (("bench", "micro"), ["micro", "micro-noise"]),
        (("info", "--list", "p"), ["presets", "protocols"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_commands_options_and_choices_are_completed(words, offers):
    assert completed(*words) == offers


def test_files_are_left_to_the_shell():
    assert completed("render", "photos/a") == []


def test_bash_completes_with_the_script_that_the_command_prints(tmp_path):
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("needs bash: install it")
    (tmp_path / "isptoolkit").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m isptoolkit.cli "$@"\n')
    (tmp_path / "isptoolkit").chmod(0o755)
    script = """
    source <(isptoolkit --show-completion bash)
    complete -p isptoolkit
    COMP_WORDS=(isptoolkit render --ro) COMP_CWORD=2
    $(complete -p isptoolkit | sed 's/.*-F \\([^ ]*\\).*/\\1/') isptoolkit
    echo "${COMPREPLY[@]}"
    """
    environment = os.environ | {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1",
    }
    result = subprocess.run([bash, "-c", script], capture_output=True, text=True, env=environment, check=True)
    assert "-o default" in result.stdout
    assert result.stdout.splitlines()[-1] == "--rotate"
