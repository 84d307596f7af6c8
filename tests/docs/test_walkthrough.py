"""A page that says something wrong is found out; what may differ may differ."""

import os
from pathlib import Path

import psutil
import pytest
from benchmarks import walkthrough
from benchmarks.walkthrough import WalkError, said, steps, walk


def walked(folder: Path, page: str, **known: str) -> dict[str, float]:
    path = folder / "page.md"
    path.write_text(page)
    return walk(path, folder, os.environ, known)


def test_commands_share_folder_and_variables_and_files_are_saved_there(tmp_path: Path) -> None:
    page = """
# One
```sh first
mkdir plant && cd plant
NAME=pump
```
```toml plant.toml
flow = 1
```
```toml
told = "only"
```
## Two
```sh
cat plant.toml; echo "$NAME"
```
```text
flow = 2
pump
```
"""
    assert list(walked(tmp_path, page)) == ["One", "Two"]
    assert (tmp_path / "plant" / "plant.toml").read_text() == "flow = 1\n"


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ("```sh\nfalse\n```\n```sh\necho here\n```", r"line 1: a command failed|line 4: a command failed"),
        ("```sh\nno-such-command | cat\n```\n```text\nhere\n```", "a command failed"),
        ("```sh\necho over; exit 3\n```\n```text\nover\n```", "a command failed"),
        ("```sh\necho pump\n```\n```text\ntank\n```", r"(?s)line 4: this was not said:\ntank.*pump"),
        ("```sh\nprintf 'a\\nb\\n'\n```\n```text\nb\na\n```", "this was not said"),
        ("```sh\nsleep 600\n```", "has not ended"),
        ("```sh\necho up; sleep 600\n```\n```text\nup\n```", "has not ended"),
        ("```sh\necho up; sleep 600\n```\n```text\nup\n```\n```sh\ntrue\n```", "has not ended"),
    ],
)
def test_a_wrong_page_is_found_out_and_nothing_is_left(
    wrong: str, complaint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walkthrough, "PATIENCE_SECONDS", 1.0)
    with pytest.raises(WalkError, match=complaint):
        walked(tmp_path, wrong)
    assert [child for child in psutil.Process().children() if child.name() in ("bash", "sleep")] == []


def test_what_runs_on_is_stopped_by_ctrl_c(tmp_path: Path) -> None:
    page = """
```sh first
sh -c 'trap "echo stopped; exit 0" INT; echo up; while :; do sleep 0.1; done'
```
```text
up
```
```sh second
echo meanwhile > file
```
```text first ctrl-c
stopped
```
"""
    walked(tmp_path, page)
    assert (tmp_path / "file").exists()


def test_names_and_addresses_are_taken_as_they_are_said(tmp_path: Path) -> None:
    page = """
```sh
echo 'ALARM A111111111111 at 127.0.0.1:9999'; echo <here>
```
```text
ALARM A36cb2fffecb6 at 127.0.0.1:1883
there
```
```sh
echo A36cb2fffecb6 127.0.0.1:1883 > file
```
"""
    walked(tmp_path, page, **{"<here>": "there"})
    assert (tmp_path / "file").read_text() == "A111111111111 127.0.0.1:9999\n"


def test_once_is_left_out_with_what_it_says(tmp_path: Path) -> None:
    page = "```sh first once\ntouch file\n```\n```text first once\nnever said\n```\n"
    walked(tmp_path, page)
    assert not (tmp_path / "file").exists()


@pytest.mark.parametrize(
    ("told", "heard", "same"),
    [
        ("52%  flow: 58.1 m³/h", "   48%   flow: 7 m³/h, more", True),
        ("flow 10.6 below what ... predict", "flow 8 below what speed and level predict", True),
        ("flow 10.6 below what ... predict", "flow 8 above what speed and level predict", False),
        ("A36cb2fffecb6 and A36cb2fffecb6", "A36cb2fffecb7 and A36cb2fffecb7", True),
        ("A36cb2fffecb6\nA36cb2fffecb6", "A36cb2fffecb7\nA36cb2fffecb8", False),
        ("a\nb", "a\nbetween\nb", True),
        ("a\na", "a", False),
    ],
)
def test_what_may_differ(told: str, heard: str, same: bool) -> None:
    assert (said(told, heard, {}) is not None) is same


def test_steps_know_where_they_stand() -> None:
    found = steps("# A\n\n```sh first once\n# no heading\ntrue\n```\n\n## B\n```text\nx\n```\n")
    assert [(step.language, step.words, step.line, step.heading) for step in found] == [
        ("sh", ("first", "once"), 3, "A"),
        ("text", (), 9, "B"),
    ]
