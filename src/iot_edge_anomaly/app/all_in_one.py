"""Everything on this machine: the bus, the roles, the demo's devices; one process tree, one data folder."""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import anyio
import msgspec

from iot_edge_anomaly.app import plan
from iot_edge_anomaly.app.broker import restart_when_stuck, start_broker, take_new_devices
from iot_edge_anomaly.app.configure import keep_configured, publish_configuration
from iot_edge_anomaly.app.demo_devices import ensure_device_credentials
from iot_edge_anomaly.app.plan import Plan, Ports
from iot_edge_anomaly.bus.connection import Bus, connect
from iot_edge_anomaly.bus.reservations import settle
from iot_edge_anomaly.bus.settings import BusAddress, address_file
from iot_edge_anomaly.bus.streams import ensure_streams
from iot_edge_anomaly.resilience.supervise import ProcessSpec, Supervisor
from iot_edge_anomaly.resilience.tether import sole_owner
from iot_edge_anomaly.security.principal import owner
from iot_edge_anomaly.security.private_file import write_private
from iot_edge_anomaly.security.tokens import ensure_owner_token, token_store


@dataclass(frozen=True)
class Running:
    """A system that is up."""

    bus: Bus
    address: BusAddress
    ports: Ports
    supervisor: Supervisor
    owner_token: Path
    console_url: str | None
    sign_in_link: str | None


@asynccontextmanager
async def running(
    wanted: Plan, roles: Callable[[Plan, Ports], Iterable[ProcessSpec]] = plan.roles
) -> AsyncIterator[Running]:
    """Start everything, in order, for the time of the block; then stop it in reverse order.

    Raises ConfigError when the folder is in use or a setting does not fit, FatalError when a part does not get ready.
    """
    data_dir = wanted.data_dir
    with sole_owner(data_dir):
        ports = plan.choose_ports(wanted)
        token_file = ensure_owner_token(data_dir)
        if wanted.demo:
            ensure_device_credentials(data_dir)
        async with anyio.create_task_group() as tasks:
            supervisor = Supervisor(tasks, data_dir / "logs", data_dir / "run" / "processes.json")
            try:
                address = await _bus_address(supervisor, wanted, ports)
                async with connect(address, "supervisor") as bus:
                    await ensure_streams(bus, address.partitions, address.quota_bytes, wanted.settings.bus.replicas)
                    await settle(bus, plan.readers(wanted), address.partitions)
                    await publish_configuration(bus, address.partitions, plan.rules(wanted))
                    for spec in roles(wanted, ports):
                        await supervisor.start(spec)
                    rules = partial(plan.rules, wanted)
                    tasks.start_soon(keep_configured, bus, address.partitions, rules, data_dir)
                    if wanted.settings.bus.url is None:
                        tasks.start_soon(take_new_devices, supervisor, wanted, ports)
                        tasks.start_soon(restart_when_stuck, supervisor, bus, data_dir)
                    yield _announced(bus, address, ports, supervisor, token_file, wanted)
            finally:
                with anyio.CancelScope(shield=True):
                    await supervisor.stop()
                address_file(data_dir).unlink(missing_ok=True)
                tasks.cancel_scope.cancel()


async def _bus_address(supervisor: Supervisor, wanted: Plan, ports: Ports) -> BusAddress:
    settings = wanted.settings.bus
    if settings.url is None:
        address = await start_broker(supervisor, wanted, ports)
    else:
        password = settings.password.resolve() if settings.password else None
        address = BusAddress(settings.url, settings.user, password, settings.partitions, settings.quota_mb << 20)
    write_private(address_file(wanted.data_dir), msgspec.json.encode(address))
    return address


def _announced(
    bus: Bus, address: BusAddress, ports: Ports, supervisor: Supervisor, token_file: Path, wanted: Plan
) -> Running:
    console = wanted.settings.console
    if not plan.has_console(wanted):
        return Running(bus, address, ports, supervisor, token_file, None, None)
    url = f"http://{console.host}:{ports.console}"
    link = f"{url}/sign-in?token={token_store(wanted.data_dir).create_sign_in(owner())}"
    return Running(bus, address, ports, supervisor, token_file, url, link)
