import stat
from pathlib import Path

import pytest

from iot_edge_anomaly.core.errors import ConfigError, RejectedError
from iot_edge_anomaly.security.devices import create_device, devices, devices_file, remove_device


def test_devices_are_kept_in_order_until_removed(tmp_path: Path) -> None:
    assert devices(tmp_path) == ()
    first, second = create_device(tmp_path, "pump-1", "acme"), create_device(tmp_path, "pump-2", "acme gmbh")
    assert devices(tmp_path) == (first, second)
    assert first.password != second.password
    assert remove_device(tmp_path, "pump-1")
    assert not remove_device(tmp_path, "pump-1")
    assert devices(tmp_path) == (second,)


def test_only_the_owner_can_read_the_passwords(tmp_path: Path) -> None:
    create_device(tmp_path, "pump-1", "acme")
    assert stat.S_IMODE(devices_file(tmp_path).stat().st_mode) == 0o600


def test_a_name_is_given_once(tmp_path: Path) -> None:
    create_device(tmp_path, "pump-1", "acme")
    with pytest.raises(ConfigError, match="already"):
        create_device(tmp_path, "pump-1", "other")


@pytest.mark.parametrize("user", ["", "a b", "a.b", 'a"', "ä", "a" * 65, "a\nb"])
def test_names_that_a_server_configuration_could_misread_are_refused(tmp_path: Path, user: str) -> None:
    with pytest.raises(ConfigError, match="device name"):
        create_device(tmp_path, user, "acme")


@pytest.mark.parametrize("tenant", ["", " ", "a/b", "a\nb"])
def test_a_tenant_is_one_segment(tmp_path: Path, tenant: str) -> None:
    with pytest.raises((ConfigError, RejectedError)):
        create_device(tmp_path, "pump-1", tenant)
    assert devices(tmp_path) == ()
