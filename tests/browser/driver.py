"""A studio's server, a browser, and when a page stands still."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import NamedTuple

from playwright.sync_api import Browser, Locator, Page, sync_playwright

from tests.studio import APP

CHROMIUM = shutil.which("chromium")

PATIENCE = 120_000
"""Milliseconds: a cold disk is slow to bring up the libraries; a page that never comes fails."""


class Server(NamedTuple):
    """A running studio."""

    address: str
    """``http://127.0.0.1:port``."""

    pid: int


@contextmanager
def serve(artifacts: Path) -> Iterator[Server]:
    """Serve the bundles of a folder, on a port of this host that is free.

    Raises:
        RuntimeError: the server ended at once, with what it printed.
    """
    # A file, because a pipe that nobody reads stops the server as soon as it is full.
    with NamedTemporaryFile("w+", prefix="studio-", suffix=".log") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", APP.name, "--server.port=0"],
            cwd=APP.parent,
            env=os.environ | {"GENSUITE_ARTIFACTS": str(artifacts)},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            yield Server(_address(process, Path(log.name)), process.pid)
        finally:
            process.terminate()
            process.wait()


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    """What the server says it listens on, as soon as it says so."""
    while not (found := re.search(r"URL: (\S+)", printed := log.read_text())):
        if process.poll() is not None:
            raise RuntimeError(printed)
        time.sleep(0.05)
    return found[1]


@contextmanager
def browser() -> Iterator[Browser]:
    """Chromium without a window."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


def settle(tab: Page) -> None:
    """Wait until the page has been drawn: no script runs, every chart and picture is there."""
    tab.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"] h1')
    tab.wait_for_function(
        "[...document.querySelectorAll('[data-testid=stVegaLiteChart]')]"
        ".every(chart => chart.querySelector('canvas, svg'))"
        " && !document.querySelector('[data-testid=stSkeleton]')"
        " && [...document.images].every(image => image.complete)"
    )


def chart(tab: Page, label: str) -> Locator:
    """The chart that a text stands for where it cannot be seen; a part of the text is enough."""
    return tab.get_by_test_id("stVegaLiteChart").and_(tab.get_by_label(label))
