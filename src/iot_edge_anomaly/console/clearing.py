"""Free the pages that people have left.

The elements of a page point at each other in circles, some 15,000 objects a page: only the garbage collector frees
them. By itself it looks at everything once a quarter of everything is new: with twenty people at the console its
memory grew by 30 MB within 20 minutes (benchmarks/viewers.py), for what is left between the new stays reserved.
"""

import gc

import anyio

CLEAR_SECONDS = 10.0


class Clearing:
    """Looks for garbage, but only after a page was left."""

    def __init__(self) -> None:
        self._is_due = False

    def page_left(self) -> None:
        """Note that there is a page to free."""
        self._is_due = True

    def clear(self) -> None:
        """Free the pages that were left since the last time."""
        if self._is_due:
            self._is_due = False
            gc.collect()

    async def keep_clear(self) -> None:
        """Clear now and then, until cancelled. What is there at the beginning stays and is looked at no more."""
        gc.collect()
        gc.freeze()
        while True:
            await anyio.sleep(CLEAR_SECONDS)
            self.clear()
