"""The benchmark of viewers opens every page, and fails where the console leaks or is slow. No figures here."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHORT = ("--rounds", "1", "--viewers", "3", "--assets", "40", "--history-rows", "20", "--stay-seconds", "0.3", "1")
pytestmark = [pytest.mark.server, pytest.mark.system]


def viewers(*arguments: str) -> tuple[int, dict[str, Any]]:
    if not Path("/usr/bin/chromium").exists():
        pytest.skip("no chromium here; run: apt-get install chromium")
    command = [sys.executable, "-m", "benchmarks.viewers", *SHORT, "--sample-seconds", "0.5", "--keep-figures", "no"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout.splitlines()[-1])


def test_every_page_is_seen_and_every_alarm_that_was_provoked() -> None:
    _, figures = viewers("--minutes", "0.2")
    assert figures["viewers"] == {"sessions": 2, "tabs": 1}
    for pages in figures["pages"].values():
        assert {"/", "/assets", "/asset", "/alarms", "/alarm"} <= pages["each"].keys()
        assert all(page["shown"] > 0 for page in pages["each"].values()), pages["each"]
        assert pages["all"]["failed"] == 0, pages["first_failure"]
    assert all(spread["count"] > 0 for spread in figures["alarm_ms"].values())
    assert figures["alarms_that_never_came"] == figures["requests_refused"] == 0, figures["first_refusal"]
    assert figures["values_per_second"]["with_viewers"] > 0
    assert figures["console_pss_mb"]["first"] > 20
    shares = figures["core_share"]
    assert {"console", "sessions", "tabs"} <= shares["with_viewers"].keys()
    assert shares["with_viewers"]["machine"] > shares["with_viewers"]["console"] + shares["with_viewers"]["tabs"]
    assert shares["with_viewers"]["console"] > shares["without"]["console"]


@pytest.mark.parametrize(("mode", "complaint"), [("leak", "the console grew by"), ("slow-page", "is not below 1 s")])
def test_each_sabotage_is_found(mode: str, complaint: str) -> None:
    code, figures = viewers("--minutes", "0.1", "--sabotage", mode)
    assert code == 1
    assert any(complaint in said for said in figures["complaints"]), figures["complaints"]
    assert mode == "leak" or figures["pages"]["sessions"]["all"]["p50_seconds"] >= 1.5
