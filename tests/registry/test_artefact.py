"""Model files: the same bytes for the same model, and a clear refusal for everything that is none."""

import io
import zipfile

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iot_edge_anomaly.component.detector import DetectorSpec
from iot_edge_anomaly.core.errors import RejectedError
from iot_edge_anomaly.detection.catalog import DETECTORS
from iot_edge_anomaly.registry.artefact import MANIFEST, TrainingFacts, digest, pack, read_manifest, unpack

FACTS = TrainingFacts(rows=200, interval_seconds=1.0, false_alarms_per_week=1.0, first_ns=5, last_ns=9, asset="t/a")
ROWS = np.random.default_rng(0).normal(size=(200, 3)).cumsum(axis=0)
SENSORS = ("flow", "druck ö", "💧")


def packed(spec: DetectorSpec = DETECTORS["linear"]) -> bytes:
    return pack(spec.fit(ROWS, SENSORS, rows_per_week=1e5, false_alarms_per_week=1.0), FACTS)


def changed(artefact: bytes, **parts: bytes | None) -> bytes:
    """Write the file anew with some parts replaced or, where None, left out; `__` in a name stands for a dot."""
    source, target = zipfile.ZipFile(io.BytesIO(artefact)), io.BytesIO()
    files: dict[str, bytes | None] = {entry: source.read(entry) for entry in source.namelist()}
    files |= {name.replace("__", "."): data for name, data in parts.items()}
    with zipfile.ZipFile(target, "w") as archive:
        for name, data in files.items():
            if data is not None:
                archive.writestr(name, data)
    return target.getvalue()


def manifest_with(artefact: bytes, **fields: object) -> bytes:
    manifest = msgspec.json.decode(zipfile.ZipFile(io.BytesIO(artefact)).read(MANIFEST))
    return changed(artefact, manifest__json=msgspec.json.encode(manifest | fields))


@pytest.mark.parametrize("spec", DETECTORS.values(), ids=DETECTORS)
def test_round_trip_and_same_bytes(spec: DetectorSpec) -> None:
    artefact = packed(spec)
    assert packed(spec) == artefact
    detector = unpack(artefact)
    assert pack(detector, FACTS) == artefact
    assert (detector.name, detector.sensors) == (spec.name, SENSORS)
    assert read_manifest(artefact).facts == FACTS
    assert digest(artefact).startswith("sha256:")


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_flipped_bytes_are_refused_or_harmless(data: st.DataObject) -> None:
    artefact = bytearray(packed())
    for _ in range(data.draw(st.integers(1, 4))):
        artefact[data.draw(st.integers(0, len(artefact) - 1))] = data.draw(st.integers(0, 255))
    try:
        detector = unpack(bytes(artefact))
    except RejectedError:
        return
    assert np.isfinite(detector.score(detector.start(), ROWS)[1].score).all()


@settings(max_examples=60, deadline=None)
@given(length=st.integers(0, 4000), tail=st.binary(max_size=50))
def test_cut_files_and_noise_are_refused(length: int, tail: bytes) -> None:
    for junk in (tail, packed()[: length % len(packed())]):
        with pytest.raises(RejectedError, match="model file"):
            unpack(junk)


@settings(max_examples=80, deadline=None)
@given(array=st.binary(max_size=200))
def test_foreign_arrays_are_refused_even_with_the_right_digest(array: bytes) -> None:
    artefact = packed()
    arrays = read_manifest(artefact).arrays | {"mean": digest(array)}
    with pytest.raises(RejectedError):
        unpack(changed(manifest_with(artefact, arrays=arrays), mean__npy=array))


def _npy(header: str, body: bytes = b"") -> bytes:
    text = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + body


@pytest.mark.parametrize(
    "array",
    [
        _npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }"),
        _npy("{'descr': '<f8', 'fortran_order': False, 'shape': (-3,), }"),
        _npy("{'descr': '|O', 'fortran_order': False, 'shape': (3,), }", b"\x80\x04N." * 6),
        _npy("{'descr': '<f8', 'fortran_order': False, 'shape': (3,), }", np.full(3, np.nan).tobytes()),
        _npy("{'descr': '<f8', 'fortran_order': False, 'shape': (4,), }", np.zeros(4).tobytes()),
        _npy("__import__('os')"),
    ],
    ids=["huge", "negative", "pickle", "nan", "shape", "code"],
)
def test_treacherous_arrays_are_refused(array: bytes) -> None:
    artefact = packed()
    arrays = read_manifest(artefact).arrays | {"mean": digest(array)}
    with pytest.raises(RejectedError):
        unpack(changed(manifest_with(artefact, arrays=arrays), mean__npy=array))


@pytest.mark.parametrize(
    ("artefact", "reason"),
    [
        (changed(packed(), manifest__json=None), "cannot be read"),
        (changed(packed(), manifest__json=b"[" * 100_000), "cannot be read"),
        (changed(packed(), mean__npy=None), "not those its manifest names"),
        (changed(packed(), other__npy=b""), "not those its manifest names"),
        (manifest_with(packed(), format=2), "format 2"),
        (manifest_with(packed(), detector="magic"), "no detector 'magic'"),
        (manifest_with(packed(), sensors=["a", "b", "c"]), "two ways"),
        (manifest_with(packed(), parameters={"sensors": list(SENSORS), "level": 0}), "level"),
        (manifest_with(packed(), parameters={"sensors": list(SENSORS), "level": True}), "level"),
        (manifest_with(packed(), parameters={}), "sensors"),
    ],
)
def test_the_reason_is_said(artefact: bytes, reason: str) -> None:
    with pytest.raises(RejectedError, match=reason):
        unpack(artefact)


def test_a_zip_bomb_is_not_unpacked() -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a.npy", "w") as part:
        for _ in range(300):
            part.write(bytes(1024 * 1024))
    with pytest.raises(RejectedError, match="unpacks to more"):
        unpack(target.getvalue())
