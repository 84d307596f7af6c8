"""Sparkplug's names - group, edge node, device, metric - become assets and sensors. Pure."""

import re
from functools import lru_cache

from iot_edge_anomaly.connectors.topics import UNASSIGNED, Place
from iot_edge_anomaly.core.errors import RejectedError
from iot_edge_anomaly.core.names import AssetKey, sensor_name

BY_DEVICE = "{group}/{node}/{device}"

_PART = re.compile(r"\{([^{}]*)\}")
_PARTS = ("group", "node", "device", "folder")
_FOLDER = "{folder}"


class Names:
    """Says which asset and sensor a metric is, by a pattern.

    `{folder}` is what stands before the last `/` of a metric's name: with it the sensor is the rest, without it the
    whole name. A level that has nothing to say, such as the device of a node's own metric, is left out.

    >>> Names("acme", "{group}/{node}/{device}").place("plant", "press-4", "plc", "Hall/Flow")
    Place(key=AssetKey(tenant='acme', asset='plant/press-4/plc'), sensor='Hall/Flow')
    >>> Names("acme", "{node}/{device}/{folder}").place("plant", "press-4", "", "Hall/Flow")
    Place(key=AssetKey(tenant='acme', asset='press-4/Hall'), sensor='Flow')
    """

    def __init__(self, tenant: str, pattern: str) -> None:
        self._tenant = tenant
        self._levels = pattern.split("/")
        self._by_folder = _FOLDER in pattern
        self._asset = lru_cache(maxsize=16_384)(self._read)
        for part in _PART.findall(pattern):
            if part not in _PARTS:
                known = ", ".join(f"{{{part}}}" for part in _PARTS)
                raise RejectedError(f"{{{part}}} is no part of a name; known are {known}")
        if not _PART.search(pattern):
            raise RejectedError(f"pattern {pattern!r} names no part of an asset; for example {BY_DEVICE}")
        if any("{" in _PART.sub("", level) or "}" in _PART.sub("", level) for level in self._levels):
            raise RejectedError(f"pattern {pattern!r} has a brace too many or too few")
        self._read("group", "node", "device", "folder")

    def place(self, group: str, node: str, device: str, metric: str) -> Place:
        """Return where a metric belongs. Raises RejectedError with the rule that its name breaks."""
        folder, _, last = metric.rpartition("/") if self._by_folder else ("", "", metric)
        return Place(self._asset(group, node, device, folder), sensor_name(last))

    def asset(self, group: str, node: str, device: str) -> AssetKey:
        """Return where it is kept what no metric can be told of: the asset, or `<tenant>/unassigned`."""
        try:
            return self._asset(group, node, device, "")
        except RejectedError:
            return self.unassigned

    @property
    def unassigned(self) -> AssetKey:
        """Where messages of strangers are kept."""
        return AssetKey(self._tenant, UNASSIGNED)

    def _read(self, group: str, node: str, device: str, folder: str) -> AssetKey:
        parts = {"group": group, "node": node, "device": device, "folder": folder}
        levels = [_PART.sub(lambda hit: parts[hit[1]], level) for level in self._levels]
        return AssetKey.parse("/".join([self._tenant, *(level for level in levels if level)]))
