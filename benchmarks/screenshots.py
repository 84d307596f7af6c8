"""Pictures of every page of the console, made from the real demo: what docs/images holds.

    python -m benchmarks.screenshots [--out docs/images]

Starts `iot-edge-anomaly up --demo` in an empty folder, waits for its first alarm, and goes through the pages in
Chromium, light and dark, as wide as a desk and as a phone. Fails where a page is missing or a picture too large.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks.results import ROOT
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking")
MOST_BYTES = 200_000
PATIENCE_SECONDS = 150.0
SETTLE_MS = 2_500
"""Charts are drawn and move for so long after a page has loaded."""

PUMP = "demo/station-1/pumping/line-1/pump-1"
DESK, PHONE = (1280, 800), (390, 844)


class Shot(NamedTuple):
    """A picture: its name, the page, how wide the window is, in which colours."""

    name: str
    path: str
    size: tuple[int, int] = DESK
    colours: str = "light"


SHOTS = (
    Shot("asset", f"/asset/{PUMP}"),  # first, while its alarm stands
    Shot("asset-dark", f"/asset/{PUMP}", DESK, "dark"),
    Shot("asset-phone", f"/asset/{PUMP}", PHONE),
    Shot("overview", "/"),
    Shot("overview-phone", "/", PHONE, "dark"),
    Shot("assets", "/assets"),
    Shot("alarms", "/alarms"),
    Shot("alarms-phone", "/alarms", PHONE, "dark"),
    Shot("budget", "/budget"),
    Shot("connect", "/connect"),
    Shot("system", "/system"),
)


@contextmanager
def demo(folder: Path) -> Iterator[str]:
    """Run the demo until its first alarm; give its sign-in link."""
    output = folder / "output.txt"
    command = [sys.executable, "-m", "iot_edge_anomaly.cli.main", "up", "--demo", "--data-dir", str(folder / "plant")]
    with output.open("w") as file:
        up = subprocess.Popen(command, stdout=file, stderr=file, env={**os.environ, "OMP_NUM_THREADS": "1"})
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while "ALARM" not in output.read_text():
            if up.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the demo raised no alarm:\n{output.read_text()}")
            time.sleep(0.2)
        line = next(line for line in output.read_text().splitlines() if line.startswith("sign in"))
        yield line.split()[2]
    finally:
        up.send_signal(signal.SIGTERM)
        up.wait(60)


def signed_in(browser: Browser, link: str) -> dict[str, object]:
    """Use the link, which works once; return what the browser then knows."""
    page = browser.new_page()
    page.goto(link)
    page.wait_for_selector(".console")
    known = page.context.storage_state()
    page.context.close()
    return json.loads(json.dumps(known))  # type: ignore[no-any-return]  # plain values


def take(browser: Browser, shot: Shot, site: str, known: dict[str, object], out: Path) -> str:
    """Make a picture; return what is wrong with it, nothing if it is fine."""
    width, height = shot.size
    page: Page = browser.new_page(
        viewport={"width": width, "height": height},
        color_scheme=shot.colours,  # type: ignore[arg-type]  # light or dark
        storage_state=known,  # type: ignore[arg-type]
    )
    try:
        answer = page.goto(site + shot.path)
        if answer is None or not answer.ok or page.locator(".console").count() == 0:
            return f"{shot.path} is no page: {answer.status if answer else 'no answer'}"
        page.wait_for_timeout(SETTLE_MS)
        path = out / f"{shot.name}.png"
        page.screenshot(path=path)
        size = path.stat().st_size
        print(f"{path.name:24} {size / 1000:5.0f} kB")
        return "" if size < MOST_BYTES else f"{path.name} has {size} bytes, more than {MOST_BYTES}"
    finally:
        page.context.close()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images")
    out: Path = parser.parse_args(arguments).out
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the demo is stopped as well
    out.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="screenshots-") as folder,
        demo(Path(folder)) as link,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(FLAGS))
        known, site = signed_in(browser, link), link.partition("/sign-in")[0]
        wrong = [problem for shot in SHOTS if (problem := take(browser, shot, site, known, out))]
        browser.close()
    for problem in wrong:
        print(problem, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
