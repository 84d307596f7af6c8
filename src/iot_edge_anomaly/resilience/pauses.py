"""How long to wait between attempts."""


def longest_pause(failures: int, first_seconds: float, longest_seconds: float) -> float:
    """Return how long to wait at most after so many failures in a row; how long exactly is drawn (full jitter).

    After "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.

    >>> [longest_pause(failures, 0.5, 30.0) for failures in (1, 2, 3, 100)]
    [0.5, 1.0, 2.0, 30.0]
    """
    return float(min(longest_seconds, first_seconds * 2 ** min(failures - 1, 16)))
