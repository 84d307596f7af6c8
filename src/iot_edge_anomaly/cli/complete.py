"""What the shell may complete a name with: asked of the running system, quickly, or nothing at all."""

import json
import os
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from iot_edge_anomaly.app.roles import ROLES
from iot_edge_anomaly.benchmark.series import METHODS
from iot_edge_anomaly.cli.options import DATA_DIR
from iot_edge_anomaly.core.errors import ConfigError
from iot_edge_anomaly.detection.catalog import DETECTORS
from iot_edge_anomaly.security.devices import devices
from iot_edge_anomaly.security.tokens import token_store

MOST_SECONDS = 1.0
MOST_ALARMS = 50


def assets(ctx: typer.Context, incomplete: str) -> Iterator[str]:
    """Yield the names of assets."""
    found = _asked(ctx, "/v1/assets")
    return (asset["asset"] for asset in found.get("assets", ()) if asset["asset"].startswith(incomplete))


def alarms(ctx: typer.Context, incomplete: str) -> Iterator[tuple[str, str]]:
    """Yield the newest alarms, with their reasons."""
    found = _asked(ctx, f"/v1/alarms?state=all&limit={MOST_ALARMS}")
    return _named(found, incomplete)


def open_alarms(ctx: typer.Context, incomplete: str) -> Iterator[tuple[str, str]]:
    """Yield the newest alarms that stand, with their reasons."""
    found = _asked(ctx, f"/v1/alarms?limit={MOST_ALARMS}")
    return _named(found, incomplete)


def device_names(ctx: typer.Context, incomplete: str) -> Iterator[str]:
    """Yield the users of devices."""
    try:
        known = devices(_data_dir(ctx))
    except ConfigError:
        known = ()
    return (device.user for device in known if device.user.startswith(incomplete))


def token_ids(ctx: typer.Context, incomplete: str) -> Iterator[tuple[str, str]]:
    """Yield the ids of tokens, with whom they are for."""
    try:
        records = token_store(_data_dir(ctx)).records()
    except ConfigError:
        records = ()
    return ((record.id, record.name) for record in records if record.id.startswith(incomplete))


def roles(incomplete: str) -> Iterator[str]:
    """Yield the roles of a system."""
    return (role for role in (*ROLES, "device") if role.startswith(incomplete))


def benchmark_methods(incomplete: str) -> Iterator[str]:
    """Yield the names of detectors and of the peers that the benchmark compares with."""
    return (name for name in METHODS if name.startswith(incomplete))


def detectors(incomplete: str) -> Iterator[str]:
    """Yield the methods that learn."""
    return (name for name in DETECTORS if name.startswith(incomplete))


def _named(found: dict[str, Any], incomplete: str) -> Iterator[tuple[str, str]]:
    return ((alarm["id"], alarm["reason"]) for alarm in found.get("alarms", ()) if alarm["id"].startswith(incomplete))


def _asked(ctx: typer.Context, path: str) -> dict[str, Any]:
    """Ask the gateway of this machine; where there is none, nobody knows anything."""
    data_dir = _data_dir(ctx)
    try:
        processes = json.loads((data_dir / "run" / "processes.json").read_bytes())
        port = next(process["port"] for process in processes if process["role"] == "gateway")
        token = (data_dir / "security" / "owner.token").read_text().strip()
        headers = {"Authorization": f"Bearer {token}"}
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)
        with urllib.request.urlopen(request, timeout=MOST_SECONDS) as answer:  # noqa: S310  # our own address
            found: dict[str, Any] = json.load(answer)
            return found
    except (OSError, ValueError, StopIteration):
        return {}


def _data_dir(ctx: typer.Context) -> Path:
    return Path(ctx.params.get("data_dir") or os.environ.get("IOT_EDGE_ANOMALY_DATA_DIR") or DATA_DIR)
