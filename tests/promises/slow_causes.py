"""A plant of ten sensors that follow three slow causes."""

import numpy as np


def plant(rows: int, seed: int) -> np.ndarray:
    """Return so many rows (n, 10); the causes and the noise are of the seed, the sensors are always the same."""
    random = np.random.default_rng(seed)
    causes = random.normal(size=(rows, 3))
    for row in range(1, rows):
        causes[row] += 0.9 * causes[row - 1]
    mixing = np.random.default_rng(0).normal(size=(3, 10))
    return np.asarray(causes @ mixing + 0.3 * random.normal(size=(rows, 10)))
