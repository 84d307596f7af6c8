"""Roles with a fault built in, to show that a benchmark finds it: `python -m benchmarks.faulty_roles MODE run ROLE`.

slow: every step of the worker takes 200 ms more. leak: the role keeps 4 MB more every second.
"""

import os
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from iot_edge_anomaly.cli.main import main
from iot_edge_anomaly.component.detector import Detector
from iot_edge_anomaly.core.messages import Envelope
from iot_edge_anomaly.core.outcomes import AssetOutcome
from iot_edge_anomaly.pipeline.state import PartitionState
from iot_edge_anomaly.pipeline.step import AnomalyPipeline
from iot_edge_anomaly.resilience.supervise import ProcessSpec

SLOW_SECONDS = 0.2
LEAK_BYTES = 4 << 20


def slow() -> None:
    step = AnomalyPipeline.step

    def late(
        self: AnomalyPipeline, state: PartitionState, envelopes: Sequence[Envelope], models: Mapping[str, Detector]
    ) -> tuple[PartitionState, tuple[AssetOutcome, ...]]:
        time.sleep(SLOW_SECONDS)
        return step(self, state, envelopes, models)

    AnomalyPipeline.step = late  # type: ignore[method-assign]


def leak() -> None:
    kept: list[bytearray] = []

    def grow() -> None:
        while True:
            kept.append(bytearray(b"x") * LEAK_BYTES)
            time.sleep(1)

    threading.Thread(target=grow, daemon=True).start()


MODES = {"slow": slow, "leak": leak}


def with_fault(spec: ProcessSpec, mode: str | None, module: str = "benchmarks.faulty_roles") -> ProcessSpec:
    """Return how to start a role with the fault, which `module` knows; without a mode, as it is."""
    if mode is None:
        return spec
    argv = list(spec.argv)
    where = argv.index("iot_edge_anomaly.cli.main")
    argv[where : where + 1] = [module, mode]
    root = str(Path(__file__).resolve().parents[1])
    path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
    return replace(spec, argv=tuple(argv), env={**(spec.env or os.environ), "PYTHONPATH": path})


if __name__ == "__main__":
    MODES[sys.argv.pop(1)]()
    main()
