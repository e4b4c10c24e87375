"""The line about skipped tests at the end of a run."""

import pytest
from not_tested import summary


def test_each_missing_thing_is_named_once():
    line = summary(
        [
            "Skipped: needs exiftool: install it",
            "Skipped: needs camera data: set ISPTOOLKIT_DATA",
            "Skipped: not for a GPU",
            "Skipped: needs camera data: set ISPTOOLKIT_DATA",
        ]
    )
    assert line == "not tested: 2 without camera data (set ISPTOOLKIT_DATA); 1 without exiftool (install it)"
    assert summary(["Skipped: not for a GPU"]) is None


def test_a_reason_states_what_to_do():
    with pytest.raises(ValueError, match="'no luck': write 'needs THING: how to get it'"):
        summary(["no luck"])


def test_a_run_ends_with_the_line(pytester_run):
    output = pytester_run("import pytest\ndef test_it(): pytest.skip('needs a camera: buy one')\n")
    assert "not tested: 1 without a camera (buy one)" in output
