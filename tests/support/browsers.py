"""A real browser for tests of pages."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest


@contextmanager
def chromium(*arguments: str) -> Iterator[Any]:
    """Chromium without a window, whose console and network are logged; skips the test where it is not installed."""
    driver = pytest.importorskip("selenium.webdriver", reason="needs selenium: pip install selenium")
    program, service = shutil.which("chromium"), shutil.which("chromedriver")
    if program is None or service is None:
        pytest.skip("needs chromium and its driver: install the packages chromium and chromium-driver")
    options = driver.ChromeOptions()
    options.binary_location = program
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", *arguments):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    browser = driver.Chrome(options=options, service=driver.ChromeService(service))
    try:
        yield browser
    finally:
        browser.quit()
