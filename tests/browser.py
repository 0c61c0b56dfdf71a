"""Headless Chromium for tests of what a person looks at.

    with chromium() as browser:
        open_page(browser, url, dark=True, width=400)

Chromium is Debian's; where it is missing and may be installed it is, elsewhere the test is skipped with the reason.
That without windows is taken where it is there: the same pages take three quarters of the time.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

PROGRAMS = ("chromium", "chromedriver")
PACKAGES = ("chromium-headless-shell", "chromium", "chromium-driver", "fonts-dejavu-core")
PATIENCE = 300.0
"""Seconds until something that does not happen counts as missing."""

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--hide-scrollbars",
    "--no-first-run",
    "--force-color-profile=srgb",
    "--disable-breakpad",
    "--js-flags=--no-opt,--no-maglev",  # no page of a test lives so long that its scripts are worth compiling twice
)

Browser = webdriver.Chrome


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser of its own, closed at the end; what it requests and logs is kept for `requested` and `logged`."""
    require_chromium()
    options = Options()
    for flag in FLAGS:
        options.add_argument(flag)
    options.binary_location = shutil.which("chromium-headless-shell") or shutil.which("chromium") or ""
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    browser = Browser(options=options, service=Service(shutil.which("chromedriver")))
    try:
        browser.set_page_load_timeout(PATIENCE)
        yield browser
    finally:
        browser.quit()


def require_chromium() -> None:
    """Install Chromium where it is missing and root may; else skip the test."""
    if all(map(shutil.which, PROGRAMS)):
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        pytest.skip(f"needs {' and '.join(PROGRAMS)}; on Debian: apt-get install {' '.join(PACKAGES)}")
    with FileLock(Path(tempfile.gettempdir()) / "kag-tests-apt.lock"):
        if not all(map(shutil.which, PROGRAMS)):
            _install()


def _install() -> None:
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "-q", "-y", "--no-install-recommends", *PACKAGES]
    for command in (["apt-get", "update", "-q"], install):
        done = subprocess.run(command, env=quiet, capture_output=True, text=True, timeout=600, check=False)
        if done.returncode != 0:
            pytest.skip(f"Chromium cannot be installed: {done.stderr.strip()[-300:]}")


def open_page(browser: Browser, url: str, *, dark: bool = False, width: int = 1400, height: int = 900) -> None:
    """Open an address in a window of this size on a light or dark screen; the logs begin anew."""
    look(browser, dark=dark, width=width, height=height)
    logged(browser)
    requested(browser)
    browser.get(url)


def look(browser: Browser, *, dark: bool = False, width: int = 1400, height: int = 900) -> None:
    """Change the screen under the page; 400 pixels is narrower than a window of the desktop can be."""
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def log_in(browser: Browser, url: str, key: str) -> None:
    """Log in to a server of kag's, as a person does."""
    open_page(browser, f"{url}/login")
    browser.find_element(By.ID, "key").send_keys(key + Keys.ENTER)
    wait_for(browser, "location.pathname === '/'")


def wait_for(browser: Browser, condition: str | Callable[[Browser], Any]) -> Any:
    """Wait until a JavaScript expression, or a function of the browser, gives something true, and return that."""
    if isinstance(condition, str):
        return WebDriverWait(browser, PATIENCE, 0.05).until(lambda page: page.execute_script(f"return {condition}"))
    return WebDriverWait(browser, PATIENCE, 0.05).until(condition)


def require_quiet(browser: Browser, server: Any, expected: Callable[[str], bool] = lambda said: False) -> None:
    """No page may have broken a script or its own policy, nor have asked anybody but the server.

    Args:
        server: that the pages are of.
        expected: tells what the browser notes where all is well.
    """
    assert [said for said in logged(browser) if not expected(said)] == []
    assert [address for address in requested(browser) if not address.startswith((server.url, "data:"))] == []
    assert "Traceback" not in server.log.read_text()


def requested(browser: Browser) -> list[str]:
    """Addresses of every request since the last call, the blocked ones too."""
    messages = [json.loads(entry["message"])["message"] for entry in _log(browser, "performance")]
    return [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]


def logged(browser: Browser) -> list[str]:
    """Warnings and errors of the console since the last call: faults of scripts, what the policy blocked."""
    return [entry["message"] for entry in _log(browser, "browser") if entry["level"] in ("WARNING", "SEVERE")]


def _log(browser: Browser, kind: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = browser.execute("getLog", {"type": kind})["value"]
    return entries


def screenshot(browser: Browser, path: Path) -> None:
    """The whole page, however long, as a PNG."""
    options = {"captureBeyondViewport": True, "format": "png"}
    path.write_bytes(base64.b64decode(browser.execute_cdp_cmd("Page.captureScreenshot", options)["data"]))
