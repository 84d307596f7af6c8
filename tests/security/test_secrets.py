from pathlib import Path

import msgspec
import pytest

from iot_edge_anomaly.core.errors import ConfigError
from iot_edge_anomaly.security.secrets import Secret


def test_a_secret_comes_from_where_the_reference_points(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret").write_text("s3cr3t\n")
    monkeypatch.setenv("PLANT_PASSWORD", "from-env")
    assert Secret(file=str(tmp_path / "secret")).resolve() == "s3cr3t"
    assert Secret(env="PLANT_PASSWORD").resolve() == "from-env"


@pytest.mark.parametrize("given", [{}, {"env": "A", "file": "b"}, {"value": "plain"}, "plain"])
def test_anything_but_one_reference_is_refused(given: object) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(given, Secret)


def test_what_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PLANT_PASSWORD", raising=False)
    with pytest.raises(ConfigError, match="PLANT_PASSWORD"):
        Secret(env="PLANT_PASSWORD").resolve()
    with pytest.raises(ConfigError, match="nowhere"):
        Secret(file=str(tmp_path / "nowhere")).resolve()
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(ConfigError, match="empty"):
        Secret(file=str(tmp_path / "empty")).resolve()
