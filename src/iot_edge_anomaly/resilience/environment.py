"""The environment that processes are started with. A module of its own: such a process imports it and little else."""

ONE_BLAS_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
"""Of processes that calculate: with one thread the same rows give the same model, to the bit."""

MEMORY_GIVEN_BACK = {
    "_RJEM_MALLOC_CONF": "background_thread:true,dirty_decay_ms:1000,muzzy_decay_ms:0,narenas:2",
}
"""Of processes with history: the jemalloc inside `deltalake` gives pages back, also while nobody calls it.

As it comes, it keeps what a call freed until a later call, and a console grew by a tenth within 20 minutes.
"""

FEW_HEAPS = {"MALLOC_ARENA_MAX": "2"}
"""Of processes that answer people for weeks: as it comes, glibc lets each of many threads leave a heap of its own."""
