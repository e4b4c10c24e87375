"""What a run says of the tests that it skipped."""

import pytest
from not_tested import summary


def test_each_thing_that_is_missing_is_named_once():
    said = summary(
        [
            "Skipped: needs exiftool: install it",
            "Skipped: needs camera data: set ISPTOOLKIT_DATA",
            "Skipped: not for a GPU",
            "Skipped: needs camera data: set ISPTOOLKIT_DATA",
        ]
    )
    assert said == "not tested: 2 for want of camera data (set ISPTOOLKIT_DATA); 1 for want of exiftool (install it)"
    assert summary(["Skipped: not for a GPU"]) is None


def test_a_reason_says_what_to_do():
    with pytest.raises(ValueError, match="'no luck': say 'needs THING: how to get it'"):
        summary(["no luck"])


def test_a_run_ends_with_it(pytester_run):
    said = pytester_run("import pytest\ndef test_it(): pytest.skip('needs a camera: buy one')\n")
    assert "not tested: 1 for want of a camera (buy one)" in said
