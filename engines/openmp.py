"""How OpenMP's threads wait for each other. Read once, when an OpenMP library loads: to be set before that."""

from __future__ import annotations

import os

#: Turns of a waiting loop before a thread sleeps (GNU's OpenMP, which llama.cpp uses). None, and the 1.5B with its
#: adapter writes 14 tokens a second on two idle cores; 200, and it writes 25; 1,000, and 30. With two programs on the
#: two cores each writes 14, 14 and 9, and as little as one where threads never sleep.
#: `benchmarks/openmp_waiting.py` measures it.
SPINS = 200


def set_waiting_policy() -> None:
    """Waiting threads sleep soon: spinning, they take the cores from whoever has work. What the user has set stays."""
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("GOMP_SPINCOUNT", str(SPINS))
