"""How processes that calculate are started. In a module of its own: such a process imports it and little else."""

ONE_BLAS_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
"""Environment of processes that calculate: with one thread the same rows give the same model, to the bit."""
