"""Matrix products whose result does not depend on how rows were cut into calls, to the bit.

A BLAS may add in another order for another number of rows. So rows are laid into blocks of a fixed size, at the place
that the row's number since the start gives it, and each block is multiplied alike.
"""

from collections.abc import Iterator

import numpy as np

from iot_edge_anomaly.component.detector import Matrix

ROWS = 16
"""Rows a block: small enough for a call of one row, large enough to keep the BLAS busy."""


def matmul_by_block(rows: Matrix, weights: Matrix, first_row_number: int) -> Matrix:
    """Return `rows @ weights`; `first_row_number` says how many rows came before, in all calls.

    `rows` (n, k), or (n, w, k): the rows of w windows, each window laid into blocks of its own.
    """
    count, *windows, width = rows.shape
    lead = first_row_number % ROWS
    blocks = -(-(lead + count) // ROWS)
    laid = np.zeros((*windows, blocks * ROWS, width))
    laid[..., lead : lead + count, :] = rows.swapaxes(0, -2)
    products: Matrix = np.matmul(laid.reshape(-1, ROWS, width), weights)
    products = products.reshape(*windows, blocks * ROWS, weights.shape[1])
    return products[..., lead : lead + count, :].swapaxes(0, -2)


def block_slices(first_row_number: int, count: int) -> Iterator[slice]:
    """Yield the parts of `count` rows that lie in one block each; `first_row_number` says how many rows came before.

    >>> list(block_slices(14, 20))
    [slice(0, 2, None), slice(2, 18, None), slice(18, 20, None)]
    """
    begin = 0
    while begin < count:
        end = min(count, begin + ROWS - (first_row_number + begin) % ROWS)
        yield slice(begin, end)
        begin = end
