"""What a demo device remembers over a restart: where the plant was, and the epoch of its numbering."""

from pathlib import Path

import msgspec

from iot_edge_anomaly.core.errors import ConfigError
from iot_edge_anomaly.demo.plant import PlantState
from iot_edge_anomaly.security.private_file import write_private


class Memory(msgspec.Struct, frozen=True):
    """A device between two rows. Sequence numbers start anew in each epoch, so only the epoch is kept."""

    plant: PlantState = PlantState()
    epoch: int = 0


def memory_file(data_dir: Path, name: str) -> Path:
    """Return where a device's memory stands."""
    return data_dir / "demo" / f"{name}.json"


def wake(data_dir: Path, name: str) -> Memory:
    """Read what was remembered and begin a new epoch, on disk before any message bears it. Raises ConfigError."""
    path = memory_file(data_dir, name)
    try:
        before = msgspec.json.decode(path.read_bytes(), type=Memory)
    except FileNotFoundError:
        before = Memory()
    except (OSError, msgspec.MsgspecError) as error:
        raise ConfigError(f"cannot read the demo device's memory {path}: {error}; move it away") from error
    memory = Memory(before.plant, before.epoch + 1)
    keep(data_dir, name, memory)
    return memory


def keep(data_dir: Path, name: str, memory: Memory) -> None:
    """Write a device's memory, all at once."""
    write_private(memory_file(data_dir, name), msgspec.json.encode(memory))
