"""A fitted detector as one file (`.iea`): a zip of `manifest.json` and `.npy` arrays, no pickle.

The same detector and facts always give the same bytes, so the digest of an artefact is its name.
"""

import hashlib
import io
import zipfile
import zlib
from collections.abc import Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from iot_edge_anomaly.component.detector import Detector
from iot_edge_anomaly.core.errors import RejectedError
from iot_edge_anomaly.detection.catalog import DETECTORS
from iot_edge_anomaly.detection.usual import take_usual, to_arrays
from iot_edge_anomaly.detection.watched import WatchedDetector

FORMAT = 1
MANIFEST = "manifest.json"
MAX_BYTES = 256 * 1024 * 1024
"""Neither the file nor what it unpacks to may be larger."""

MAX_ARRAYS = 128
"""Twelve operating states of nine arrays each, and what is usual."""

_EPOCH = (1980, 1, 1, 0, 0, 0)


class TrainingFacts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the model was learned from and promised: rows, their interval, their span (ns UTC), the budget.

    `remarks`: what a person should know of those rows, in words.
    """

    rows: int
    interval_seconds: float
    false_alarms_per_week: float
    first_ns: int = 0
    last_ns: int = 0
    asset: str = ""
    remarks: str = ""


class Manifest(msgspec.Struct, frozen=True):
    """What stands in `manifest.json`; `arrays` names each array's sha256 digest."""

    format: int
    detector: str
    sensors: tuple[str, ...]
    parameters: dict[str, object]
    facts: TrainingFacts
    arrays: dict[str, str]


def digest(artefact: bytes) -> str:
    """Return the name of these bytes: `sha256:` and 64 hexadecimal digits."""
    return f"sha256:{hashlib.sha256(artefact).hexdigest()}"


def pack(detector: Detector, facts: TrainingFacts) -> bytes:
    """Write a detector of the catalog, and where it is watched for drift what is usual."""
    usual = to_arrays(detector.usual) if isinstance(detector, WatchedDetector) else {}
    inner = detector.detector if isinstance(detector, WatchedDetector) else detector
    arrays, parameters = DETECTORS[detector.name].to_arrays(inner)
    files = {name: _array_bytes(array) for name, array in sorted({**arrays, **usual}.items())}
    manifest = Manifest(
        FORMAT,
        detector.name,
        detector.sensors,
        dict(parameters),
        facts,
        {name: digest(data) for name, data in files.items()},
    )
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        _add(archive, MANIFEST, msgspec.json.encode(manifest, order="deterministic"))
        for name, data in files.items():
            _add(archive, f"{name}.npy", data)
    return target.getvalue()


def unpack(artefact: bytes) -> Detector:
    """Read a detector back, watched for drift if the file says what is usual. Raises RejectedError: what is wrong."""
    manifest, files = _open(artefact)
    spec = DETECTORS.get(manifest.detector)
    if spec is None:
        raise RejectedError(f"this version knows no detector {manifest.detector!r}; it has {', '.join(DETECTORS)}")
    try:
        arrays = _arrays(manifest, files)
        usual = take_usual(arrays, len(manifest.sensors))
        detector = spec.from_arrays(arrays, manifest.parameters)
    except ValueError as error:
        raise RejectedError(f"the model file does not fit together: {error}") from error
    if detector.sensors != manifest.sensors:
        raise RejectedError("the model file names its sensors in two ways")
    return detector if usual is None else WatchedDetector(detector, usual)


def read_manifest(artefact: bytes) -> Manifest:
    """Read what the file says of itself. Raises RejectedError."""
    return _open(artefact)[0]


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.compress_type = zipfile.ZIP_STORED  # a zlib of another version may compress differently
    entry.external_attr = 0o644 << 16
    archive.writestr(entry, data)


def _array_bytes(array: NDArray[np.generic]) -> bytes:
    target = io.BytesIO()
    np.lib.format.write_array(target, np.ascontiguousarray(array), version=(1, 0), allow_pickle=False)
    return target.getvalue()


def _open(artefact: bytes) -> tuple[Manifest, dict[str, bytes]]:
    if len(artefact) > MAX_BYTES:
        raise RejectedError(f"the model file has {len(artefact)} bytes, more than {MAX_BYTES}")
    try:
        with zipfile.ZipFile(io.BytesIO(artefact)) as archive:
            files = _read_all(archive)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, OSError, RuntimeError, ValueError) as error:
        raise RejectedError(f"this is no model file (.iea): {error}") from error
    try:
        manifest = msgspec.json.decode(files.pop(MANIFEST, b""), type=Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise RejectedError(f"the model file's {MANIFEST} cannot be read: {error}") from error
    if manifest.format != FORMAT:
        raise RejectedError(f"the model file has format {manifest.format}; this version reads {FORMAT}")
    return manifest, files


def _read_all(archive: zipfile.ZipFile) -> dict[str, bytes]:
    entries = archive.infolist()
    if len(entries) > MAX_ARRAYS or sum(entry.file_size for entry in entries) > MAX_BYTES:
        raise RejectedError(f"the model file unpacks to more than {MAX_ARRAYS} parts or {MAX_BYTES} bytes")
    if len({entry.filename for entry in entries}) != len(entries):
        raise RejectedError("the model file holds a part twice")
    return {entry.filename: archive.read(entry) for entry in entries}


def _arrays(manifest: Manifest, files: Mapping[str, bytes]) -> dict[str, NDArray[np.generic]]:
    if set(files) != {f"{name}.npy" for name in manifest.arrays}:
        raise RejectedError("the parts of the model file are not those its manifest names")
    arrays = {}
    for name, expected in manifest.arrays.items():
        data = files[f"{name}.npy"]
        if digest(data) != expected:
            raise RejectedError(f"array {name} of the model file was changed: its digest is not the manifest's")
        arrays[name] = _array(name, data)
    return arrays


def _array(name: str, data: bytes) -> NDArray[np.generic]:
    """Read an array. The header is checked first: it could claim more than the file holds."""
    source = io.BytesIO(data)
    try:
        if np.lib.format.read_magic(source) != (1, 0):
            raise RejectedError(f"array {name} has another .npy version than 1.0")
        shape, _, dtype = np.lib.format.read_array_header_1_0(source)
        count = 1
        for size in shape:
            count *= size
        if dtype.kind not in "fbiu" or count * dtype.itemsize != len(data) - source.tell():
            raise RejectedError(f"array {name} is {dtype} of shape {shape}, which its {len(data)} bytes do not hold")
        source.seek(0)
        return np.lib.format.read_array(source, allow_pickle=False)
    except (ValueError, TypeError, SyntaxError, OverflowError, MemoryError, EOFError) as error:
        raise RejectedError(f"array {name} cannot be read: {error}") from error
