"""What the fuzzing of decoders complains of; and that the fuzzer finds what is there to find, where it is installed."""

from importlib.util import find_spec
from typing import Any

import pytest
from benchmarks.fuzz_decoders import SABOTAGE, complaints, fuzzed

CALM: dict[str, Any] = {"inputs": 1000, "exit_code": 0, "found": [], "said": ""}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"exit_code": 77, "said": "KeyError"}, "mqtt: KeyError"),
        ({"found": ["timeout-1 00ff"]}, "mqtt: ['timeout-1 00ff']"),
        ({"inputs": 0}, "mqtt: nothing was fuzzed"),
    ],
)
def test_a_crash_a_hang_and_a_fuzzer_that_did_nothing_are_told(change: dict[str, object], problem: str) -> None:
    assert complaints({"http": CALM, "mqtt": CALM}) == []
    assert complaints({"http": CALM, "mqtt": {**CALM, **change}}) == [problem]


@pytest.mark.skipif(find_spec("atheris") is None, reason="no fuzzer here; run: pip install atheris==3.0.0")
def test_the_fuzzer_finds_the_case_that_a_decoder_forgot() -> None:
    found = fuzzed(SABOTAGE, 60)
    assert found["exit_code"] != 0
    assert "nobody thought of this" in found["said"]
    assert found["found"]
