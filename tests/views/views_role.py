"""The role `views` as a real process on a data folder, which a test may kill at any moment."""

import subprocess
import sys
from pathlib import Path

import msgspec

from iot_edge_anomaly.bus.settings import BusAddress, address_file
from iot_edge_anomaly.resilience.tether import die_with_parent
from iot_edge_anomaly.security.private_file import write_private


class ViewsRole:
    def __init__(self, data_dir: Path, address: BusAddress) -> None:
        self.data_dir = data_dir
        self.database = data_dir / "views.db"
        self._process: subprocess.Popen[bytes] | None = None
        write_private(address_file(data_dir), msgspec.json.encode(address))

    def start(self) -> None:
        command = [sys.executable, "-m", "iot_edge_anomaly.cli.main", "run", "views", "--data-dir", str(self.data_dir)]
        with (self.data_dir / "views.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, preexec_fn=die_with_parent)

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait(10)

    def stop(self) -> int:
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(20)

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def log(self) -> str:
        return (self.data_dir / "views.log").read_text(errors="replace")
