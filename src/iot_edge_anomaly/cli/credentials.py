"""`token` and `device`: who may call the API, and which devices may publish."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from iot_edge_anomaly.bus.settings import read_address
from iot_edge_anomaly.cli import complete
from iot_edge_anomaly.cli.options import DATA_DIR, DataDir, existing
from iot_edge_anomaly.cli.tables import table
from iot_edge_anomaly.connectors.sign_in import until_let_in
from iot_edge_anomaly.core.errors import ConfigError
from iot_edge_anomaly.operations.durations import parse_duration
from iot_edge_anomaly.resilience.tether import is_owned
from iot_edge_anomaly.security import devices as device_file
from iot_edge_anomaly.security.principal import EVERY_TENANT, Permission, Principal
from iot_edge_anomaly.security.tokens import TokenRecord, token_store

token = typer.Typer(no_args_is_help=True, help="Bearer tokens of the API: create, list, revoke.")
device = typer.Typer(no_args_is_help=True, help="Credentials of MQTT devices: create, list, remove.")


def add_to(app: typer.Typer) -> None:
    """Add the verbs of this file."""
    app.add_typer(token, name="token")
    app.add_typer(device, name="device")


@token.command("create")
def create_token(
    name: Annotated[str, typer.Argument(help="Whom the token is for; shown in logs and in the list.")],
    tenant: Annotated[list[str] | None, typer.Option(help="Tenant it reaches; may be repeated. None: all.")] = None,
    permission: Annotated[
        list[Permission] | None, typer.Option(help="What it allows; may be repeated. None: readings:write.")
    ] = None,
    lifetime: Annotated[
        str | None, typer.Option(help="How long it is valid, such as 90d. None: until revoked.")
    ] = None,
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Make a token and print it: the only time it can be read.

    Example: iot-edge-anomaly token create plc-7 --tenant acme --lifetime 365d
    """
    principal = Principal(
        name,
        frozenset(tenant) if tenant else EVERY_TENANT,
        frozenset(permission or [Permission.WRITE_READINGS]),
    )
    for_long: timedelta | None = parse_duration(lifetime) if lifetime else None
    typer.echo(token_store(existing(data_dir)).create(principal, lifetime=for_long))


@token.command("list")
def list_tokens(data_dir: DataDir = DATA_DIR) -> None:
    """List the tokens that are valid; the secrets themselves are not kept anywhere.

    Example: iot-edge-anomaly token list
    """
    records = token_store(existing(data_dir)).records()
    Console().print(table(("id", "name", "kind", "tenants", "permissions"), map(_token_row, records)))


def _token_row(record: TokenRecord) -> tuple[str, ...]:
    tenants = record.tenants if record.tenants == EVERY_TENANT else ", ".join(sorted(record.tenants))
    return record.id, record.name, record.kind, tenants, ", ".join(sorted(record.permissions))


@token.command("revoke")
def revoke_token(
    token_id: Annotated[
        str, typer.Argument(help="The id, as `token list` shows it.", autocompletion=complete.token_ids)
    ],
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Make a token worthless, within a second, in every process.

    Example: iot-edge-anomaly token revoke 17ca1ae2f62f
    """
    if not token_store(existing(data_dir)).revoke(token_id):
        raise ConfigError(f"there is no token with the id {token_id!r}; see: iot-edge-anomaly token list")


@device.command("create")
def create_device(
    name: Annotated[str, typer.Argument(help="User name of the device: letters, digits, '_' and '-'.")],
    tenant: Annotated[str, typer.Option(help="It may publish below ingress/<tenant>/ and nothing else.")],
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Make MQTT credentials for a device. Returns once a running system lets it in.

    Example: iot-edge-anomaly device create pump-7 --tenant acme
    """
    made = device_file.create_device(existing(data_dir), name, tenant)
    typer.echo(f"user      {made.user}\npassword  {made.password}")
    typer.echo(f"topics    ingress/{made.tenant}/<site>/<area>/<line>/<asset>")
    if is_owned(data_dir) and not _is_taken(data_dir, made):
        typer.echo("the running system does not let it in yet; see: iot-edge-anomaly doctor", err=True)


def _is_taken(data_dir: Path, made: device_file.Device) -> bool:
    address = read_address(data_dir)
    if address.mqtt_host is None or address.mqtt_port is None:
        return True  # a server of somebody else's: its devices are not ours to look after
    return until_let_in(address.mqtt_host, address.mqtt_port, made.user, made.password)


@device.command("list")
def list_devices(data_dir: DataDir = DATA_DIR) -> None:
    """List the devices and their tenants.

    Example: iot-edge-anomaly device list
    """
    known = device_file.devices(existing(data_dir))
    Console().print(table(("user", "tenant"), ((one.user, one.tenant) for one in known)))


@device.command("remove")
def remove_device(
    name: Annotated[
        str, typer.Argument(help="The user name, as `device list` shows it.", autocompletion=complete.device_names)
    ],
    data_dir: DataDir = DATA_DIR,
) -> None:
    """Take a device's credentials away; a running system drops it within seconds.

    Example: iot-edge-anomaly device remove pump-7
    """
    if not device_file.remove_device(existing(data_dir), name):
        raise ConfigError(f"there is no device {name!r}; see: iot-edge-anomaly device list")
