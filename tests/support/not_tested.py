"""One line at the end of a run about what was not tested, and what it takes to test it.

A reason to skip is `needs THING: how to get it`, or `not for ...` where the test makes no sense.
"""

import re
from collections import Counter
from collections.abc import Iterable

import pytest

REASON = re.compile(r"(?:Skipped: )?(needs (?P<thing>[^:]+): (?P<how>.+)|not for .+)", re.DOTALL)


def summary(reasons: Iterable[str]) -> str | None:
    """What was skipped, the most frequent first; None when nothing was.

    Raises:
        ValueError: for a reason of another form, which would not say what to do.
    """
    counted: Counter[tuple[str, str]] = Counter()
    for reason in reasons:
        found = REASON.fullmatch(reason)
        if found is None:
            raise ValueError(
                f"a test is skipped because of {reason!r}: say 'needs THING: how to get it' or 'not for ...'"
            )
        if found["thing"]:
            counted[found["thing"], found["how"]] += 1
    if not counted:
        return None
    parts = (f"{count} for want of {thing} ({how})" for (thing, how), count in counted.most_common())
    return f"not tested: {'; '.join(parts)}"


def reasons_of(reporter: pytest.TerminalReporter) -> list[str]:
    """Of all tests that were skipped in a run."""
    reports = reporter.stats.get("skipped", [])
    return [str(report.longrepr[2]) for report in reports if isinstance(report.longrepr, tuple)]
