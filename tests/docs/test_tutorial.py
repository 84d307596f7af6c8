"""The tutorial works as written: its own commands are executed, what they say is compared."""

import os
import sys
from pathlib import Path

import pytest
from benchmarks.walkthrough import walk

PAGE = Path(__file__).parents[2] / "docs" / "tutorial.md"


@pytest.mark.server
@pytest.mark.timeout(900)  # a machine that does other things is slow; a quiet one needs 95 s
def test_the_tutorial_works_as_written(tmp_path: Path) -> None:
    programs = Path(sys.executable).parent
    walk(PAGE, tmp_path, {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"})
