"""The page about alarms says what the transition table says."""

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "docs" / "alarm_table.py"


def check() -> int:
    return subprocess.run([sys.executable, SCRIPT, "--check"], timeout=60, check=False).returncode


def test_the_table_of_the_page_is_that_of_the_code() -> None:
    assert check() == 0, "write it anew with: python docs/alarm_table.py"
