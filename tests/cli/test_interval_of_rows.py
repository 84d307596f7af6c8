"""How far rows are apart where a file only counts them: said on the command line, for every verb on files."""

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from iot_edge_anomaly.cli.main import app
from iot_edge_anomaly.registry.artefact import read_manifest


class Receiver(HTTPServer):
    """Takes readings in as a gateway does, and keeps them."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.rows: list[dict[str, Any]] = []


class _Answer(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        self.server.rows += json.loads(self.rfile.read(int(self.headers["Content-Length"])))["rows"]
        said = b'{"accepted": 1}'
        self.send_response(202)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def counted(tmp_path: Path) -> Path:
    path = tmp_path / "counted.csv"
    flow = 100 + np.cumsum(np.random.default_rng(0).normal(size=200))
    path.write_text("timestamp,flow\n" + "".join(f"{row},{value:.4f}\n" for row, value in enumerate(flow)))
    return path


def plain(text: str) -> str:
    """Without the frame and the line breaks that the terminal is given."""
    return " ".join(re.sub(r"[│╭╮╰╯─]", " ", text).split())


@pytest.mark.parametrize(("said", "seconds"), [([], 1.0), (["--interval", "0.1"], 0.1), (["--interval", "10m"], 600.0)])
def test_a_model_is_fitted_to_rows_so_far_apart(tmp_path: Path, counted: Path, said: list[str], seconds: float) -> None:
    model = tmp_path / "m.iea"
    done = CliRunner().invoke(app, ["fit", str(counted), "--model", str(model), *said])
    assert done.exit_code == 0, done.output
    assert read_manifest(model.read_bytes()).facts.interval_seconds == pytest.approx(seconds)
    out = tmp_path / "out.csv"
    done = CliRunner().invoke(app, ["score", str(counted), "--model", str(model), "--out", str(out), *said])
    assert done.exit_code == 0, done.output
    assert out.read_text().count("\n") == 201


def test_rows_are_replayed_so_far_apart(counted: Path, receiver: Receiver) -> None:
    to = ["--asset", "acme/pump", "--to", f"http://127.0.0.1:{receiver.server_port}", "--token", "x"]
    done = CliRunner().invoke(app, ["replay", str(counted), *to, "--interval", "1m"])
    assert done.exit_code == 0, done.output
    assert len(receiver.rows) == 200
    assert {int(b["time"]) - int(a["time"]) for a, b in pairwise(receiver.rows)} == {60 * 10**9}


@pytest.mark.parametrize("wrong", ["0", "-1", "nan", "inf", "1 parsec", "0s"])
def test_an_interval_that_is_none_is_refused_with_an_example(tmp_path: Path, counted: Path, wrong: str) -> None:
    done = CliRunner().invoke(app, ["fit", str(counted), "--model", str(tmp_path / "m.iea"), "--interval", wrong])
    assert done.exit_code == 2
    assert "10m" in plain(done.output) or "30m" in plain(done.output)
    assert not (tmp_path / "m.iea").exists()


@pytest.mark.parametrize("verb", ["fit", "score", "replay"])
def test_the_help_shows_how(verb: str) -> None:
    shown = plain(CliRunner().invoke(app, [verb, "--help"]).output)
    assert "--interval" in shown
    assert "only count rows" in shown
