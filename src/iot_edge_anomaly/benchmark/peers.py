"""The peers that the benchmark compares with: the trivial ones, and those of the libraries of the extra `bench`.

Settings are the libraries' own defaults but for the seed, and what is said here. River's trees learn as they go: they
score each row before they learn from it, through training and test rows alike.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np

from iot_edge_anomaly.benchmark.baselines import Baseline, Fitted, Vector, last_value, moving_zscore, run_in
from iot_edge_anomaly.benchmark.yardsticks import averaged_autoregression, averaged_views
from iot_edge_anomaly.component.detector import Matrix
from iot_edge_anomaly.core.errors import ConfigError

SEED = 0

LEAST_SHARE = 1e-9
"""Principal components with less of the variance are rounding, and would be divided by."""

TREES_WINDOW = 250
PROFILE_WINDOW = 50
PROFILE_ROWS = 4096
"""The matrix profile looks for the nearest of so many training rows, the last ones: its cost is their number times
the rows to score."""


class Peer(NamedTuple):
    """How to fit a peer, and the package it needs, if any. A yardstick of our own is no peer to be ahead of."""

    fit: Baseline
    package: str | None = None
    is_yardstick: bool = False


def pyod_iforest(train: Matrix) -> Fitted:
    """Fit PyOD's isolation forest (Liu et al. 2008)."""
    return _pyod("iforest", "IForest", train, random_state=SEED, n_jobs=1)


def pyod_pca(train: Matrix) -> Fitted:
    """Fit PyOD's principal components (Shyu et al. 2003) on all components that are more than rounding."""
    variances = np.linalg.svd(train - train.mean(axis=0), compute_uv=False) ** 2
    components = max(int((variances > LEAST_SHARE * variances.sum()).sum()), 1)
    return _pyod("pca", "PCA", train, n_components=components, random_state=SEED)


def pyod_hbos(train: Matrix) -> Fitted:
    """Fit PyOD's histograms (Goldstein & Dengel 2012)."""
    return _pyod("hbos", "HBOS", train)


def pyod_copod(train: Matrix) -> Fitted:
    """Fit PyOD's copula tails (Li et al. 2020). Not causal: it ranks each row among all rows to score."""
    return _pyod("copod", "COPOD", train)


def river_hst(train: Matrix) -> Fitted:
    """Fit River's half-space trees (Tan et al. 2011) within the limits of the training rows."""
    low, high = train.min(axis=0), train.max(axis=0)
    high = np.where(high > low, high, low + 1.0)
    limits = dict(enumerate(zip(low.tolist(), high.tolist(), strict=True)))
    window = min(TREES_WINDOW, max(len(train) // 2, 1))
    trees = import_module("river.anomaly").HalfSpaceTrees(seed=SEED, limits=limits, window_size=window)

    def step(row: list[float]) -> float:
        named = dict(enumerate(row))
        score = float(trees.score_one(named))
        trees.learn_one(named)
        return score

    return Fitted(run_in(_in_turn(step, train), window), partial(_in_turn, step))


def stumpy_profile(train: Matrix) -> Fitted:
    """Fit STUMPY's matrix profile (Yeh et al. 2016): the distance of the last 50 rows to the nearest training rows.

    Of each sensor alone; the score is the mean over sensors. At most 4,096 training rows are looked at, the last ones.
    """
    stump = import_module("stumpy").stump
    known = train[-PROFILE_ROWS:]
    window = max(min(PROFILE_WINDOW, len(known) // 4), 3)

    def score(rows: Matrix) -> Vector:
        longer = np.concatenate((train[1 - window :], rows))
        return _mean_profile(stump(a, window, b, ignore_trivial=False) for a, b in zip(longer.T, known.T, strict=True))

    return Fitted(_mean_profile(stump(one, window) for one in known.T), score)


PEERS: Mapping[str, Peer] = {
    "moving-zscore": Peer(moving_zscore),
    "last-value": Peer(last_value),
    "averaged-autoregression": Peer(averaged_autoregression, is_yardstick=True),
    "averaged-views": Peer(averaged_views, is_yardstick=True),
    "pyod-iforest": Peer(pyod_iforest, "pyod"),
    "pyod-pca": Peer(pyod_pca, "pyod"),
    "pyod-hbos": Peer(pyod_hbos, "pyod"),
    "pyod-copod": Peer(pyod_copod, "pyod"),
    "river-hst": Peer(river_hst, "river"),
    "stumpy": Peer(stumpy_profile, "stumpy"),
}


def not_installed(names: Sequence[str]) -> dict[str, str]:
    """Return, of these methods, the peers whose package is not here, each with the reason in words."""
    packages = {name: PEERS[name].package for name in names if name in PEERS}
    return {
        name: f"the package {package} is not installed: pip install 'iot-edge-anomaly[bench]'"
        for name, package in packages.items()
        if package is not None and find_spec(package) is None
    }


@cache
def prepare(name: str) -> None:
    """Import a peer's library and let it compile what it compiles, once a process: that is not part of any timing."""
    if PEERS[name].package is None:
        return
    rows = np.random.default_rng(SEED).normal(size=(300, 2))
    try:
        PEERS[name].fit(rows).score(rows[:50])
    except ImportError as error:
        raise ConfigError(f"{name} needs the extra `bench`: pip install 'iot-edge-anomaly[bench]' ({error})") from error


def _pyod(module: str, kind: str, train: Matrix, **options: object) -> Fitted:
    model = getattr(import_module(f"pyod.models.{module}"), kind)(**options)
    model.fit(train)
    return Fitted(np.asarray(model.decision_scores_, np.float64), model.decision_function)


def _in_turn(step: Callable[[list[float]], float], rows: Matrix) -> Vector:
    return np.fromiter((step(row) for row in rows.tolist()), np.float64, len(rows))


def _mean_profile(profiles: Any) -> Vector:
    distances = [np.asarray(profile[:, 0], np.float64) for profile in profiles]
    return np.asarray(np.mean(distances, axis=0), np.float64)
