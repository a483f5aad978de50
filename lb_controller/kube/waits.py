"""How long a client of the API server waits after failures in a row: 0.5 s doubling to 30 s, half of it by chance."""

import random


def wait_after(failures: int) -> float:
    """Seconds to wait after that many failures in a row (1 or more); random, so that clients do not come in step."""
    whole = min(30.0, 0.5 * 2.0 ** min(failures - 1, 16))
    return random.uniform(whole / 2, whole)
