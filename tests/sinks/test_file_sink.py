"""The file holds whole lines only, whatever ends the writing; it is rotated, and nothing of it is written twice."""

import asyncio
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from postings import postings  # type: ignore[import-not-found]

from iot_edge_anomaly.component.sink import Posting
from iot_edge_anomaly.core.errors import UnavailableError
from iot_edge_anomaly.sinks.file import FileSinkSettings, file_sink
from iot_edge_anomaly.sinks.wording import as_json

BATCH = postings(9)


def deliver(path: Path, batch: list[Posting], **more: object) -> None:
    async def scenario() -> None:
        async with file_sink(FileSinkSettings(name="log", path=str(path), **more)) as sink:  # type: ignore[arg-type]
            await sink.deliver(batch)

    asyncio.run(scenario())


def ids(path: Path) -> list[str]:
    content = path.read_bytes()
    assert content.endswith(b"\n"), "whole lines only"
    return [json.loads(line)["id"] for line in content.splitlines()]


@given(st.integers(min_value=0))
def test_a_line_that_was_cut_anywhere_is_mended_by_the_next_batch(cut: int) -> None:
    lines = [as_json(one) + b"\n" for one in BATCH[:6]]
    content = b"".join(lines)
    cut %= len(content) + 1
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "alarms.jsonl"
        path.write_bytes(content[:cut])
        deliver(path, BATCH[6:])
        whole = content[:cut].count(b"\n")
        assert ids(path) == [one.id for one in (*BATCH[:whole], *BATCH[6:])]


@pytest.mark.parametrize("length", [1, 4095, 4096, 4097, 20_000])
def test_a_cut_line_of_any_length_is_mended(length: int, tmp_path: Path) -> None:
    path = tmp_path / "alarms.jsonl"
    path.write_bytes(as_json(BATCH[0]) + b"\n" + b"x" * length)
    deliver(path, BATCH[1:2])
    assert ids(path) == [BATCH[0].id, BATCH[1].id]


def test_a_full_file_makes_room_and_no_line_is_lost_on_the_way(tmp_path: Path) -> None:
    path = tmp_path / "alarms.jsonl"
    for one in BATCH:
        deliver(path, [one], max_mb=1e-6, keep=20)
    files = [tmp_path / f"alarms.jsonl.{number}" for number in range(len(BATCH) - 1, 0, -1)]
    assert [found for file in (*files, path) for found in ids(file)] == [one.id for one in BATCH]


@pytest.mark.parametrize("keep", [0, 1, 3])
def test_of_full_files_so_many_are_kept_the_newest(keep: int, tmp_path: Path) -> None:
    path = tmp_path / "alarms.jsonl"
    for one in BATCH:
        deliver(path, [one], max_mb=1e-6, keep=keep)
    files = [path, *(tmp_path / f"alarms.jsonl.{number}" for number in range(1, keep + 1))]
    assert sorted(tmp_path.iterdir()) == sorted(files)
    assert [ids(file)[0] for file in files] == [one.id for one in BATCH[::-1][: keep + 1]]


def test_a_rotation_that_a_kill_ended_half_way_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "alarms.jsonl"
    deliver(path, BATCH[:1])
    (tmp_path / "alarms.jsonl.2").write_bytes(as_json(BATCH[5]) + b"\n")  # .1 was moved on already, the file was not
    deliver(path, BATCH[1:2], max_mb=1e-6, keep=3)
    names = ("alarms.jsonl", "alarms.jsonl.1", "alarms.jsonl.3")
    assert [ids(tmp_path / name)[0] for name in names] == [BATCH[1].id, BATCH[0].id, BATCH[5].id]


def test_a_file_that_somebody_moves_away_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "alarms.jsonl"

    async def scenario() -> None:
        async with file_sink(FileSinkSettings(name="log", path=str(path))) as sink:
            await sink.deliver(BATCH[:2])
            path.rename(tmp_path / "elsewhere")
            await sink.deliver(BATCH[2:3])

    asyncio.run(scenario())
    assert ids(path) == [BATCH[2].id]


def test_a_place_that_cannot_be_written_is_an_outage_that_names_it(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere" / "alarms.jsonl", tmp_path, Path("/dev/full")):
        with pytest.raises(UnavailableError, match=str(path)):
            deliver(path, BATCH)
    assert Path("/dev/full").is_char_device()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = os.geteuid() == 0 and (
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], capture_output=True).returncode == 0
    )
    if not mounted:
        pytest.skip("needs the right to mount a small file system (root)")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


def test_a_full_disk_is_an_outage_and_with_room_it_goes_on_without_a_hole(small_disk: Path) -> None:
    path, ballast = small_disk / "alarms.jsonl", small_disk / "ballast"
    ballast.write_bytes(bytes(40 << 10))
    many = postings(60)
    written: list[Posting] = []

    def fill() -> None:
        for start in range(0, 60, 4):
            deliver(path, many[start : start + 4])
            written.extend(many[start : start + 4])

    with pytest.raises(UnavailableError, match="No space left"):
        fill()
    assert ids(path) == [one.id for one in written]
    ballast.unlink()
    rest = many[len(written) :]
    deliver(path, rest)
    assert ids(path) == [one.id for one in many]
