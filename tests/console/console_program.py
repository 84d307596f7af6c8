"""The console over a seeded plant, as a process: `console_program.py DATA_DIR PORT`.

What the plant does is written to the view database of the folder, unless a file `no-records` is there. There is a
history of eight days, unless a file `no-history` is there.
"""

import sys
from pathlib import Path

import anyio
from seeded_exports import SeededExports  # type: ignore[import-not-found]
from seeded_history import write_history  # type: ignore[import-not-found]
from seeded_past import tell_past  # type: ignore[import-not-found]
from seeded_plant import SeededPlant  # type: ignore[import-not-found]
from seeded_records import SeededRecords  # type: ignore[import-not-found]
from seeded_replays import SeededReplays  # type: ignore[import-not-found]

from iot_edge_anomaly.console.serve import run_console
from iot_edge_anomaly.core.clock import SystemClock
from iot_edge_anomaly.historian.history import History
from iot_edge_anomaly.security.tokens import token_store
from iot_edge_anomaly.storage.database import open_database, view_database
from iot_edge_anomaly.views.records_store import Records


async def main(data_dir: Path, port: int) -> None:
    told, now_ns = None, SystemClock().now_ns()
    if not (data_dir / "no-records").exists():
        told = SeededRecords(data_dir)
        tell_past(told, now_ns)
    plant = SeededPlant(SystemClock(), data_dir, told)
    plant.is_down = (data_dir / "bus-is-down").exists()
    records = Records(open_database(view_database(data_dir)))
    history = None
    if not (data_dir / "no-history").exists():
        write_history(data_dir / "history", now_ns)
        history = History(data_dir / "history")
    await run_console(
        plant,
        plant,
        token_store(data_dir),
        host="127.0.0.1",
        port=port,
        records=records,
        history=history,
        replays=SeededReplays(plant),
        exports=SeededExports(plant),
        trouble=lambda: "The bus cannot be reached: what you see is how things were." if plant.is_down else "",
    )


if __name__ == "__main__":
    anyio.run(main, Path(sys.argv[1]), int(sys.argv[2]))
