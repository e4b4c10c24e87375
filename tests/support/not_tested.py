"""One line at the end of a run that lists skipped tests and what they need.

A skip reason reads `needs THING: how to get it`, or `not for ...` if the test does not apply.
"""

import re
from collections import Counter
from collections.abc import Iterable

import pytest

REASON = re.compile(r"(?:Skipped: )?(needs (?P<thing>[^:]+): (?P<action>.+)|not for .+)", re.DOTALL)


def summary(reasons: Iterable[str]) -> str | None:
    """Summarize skip reasons, the most frequent first; None if nothing was skipped.

    Raises:
        ValueError: for a reason of another form.
    """
    counted: Counter[tuple[str, str]] = Counter()
    for reason in reasons:
        match = REASON.fullmatch(reason)
        if match is None:
            raise ValueError(
                f"a test is skipped with the reason {reason!r}: write 'needs THING: how to get it' or 'not for ...'"
            )
        if match["thing"]:
            counted[match["thing"], match["action"]] += 1
    if not counted:
        return None
    parts = (f"{count} without {thing} ({action})" for (thing, action), count in counted.most_common())
    return f"not tested: {'; '.join(parts)}"


def reasons_of(reporter: pytest.TerminalReporter) -> list[str]:
    """The skip reasons of a run."""
    reports = reporter.stats.get("skipped", [])
    return [str(report.longrepr[2]) for report in reports if isinstance(report.longrepr, tuple)]
