# SPDX-License-Identifier: Apache-2.0
"""Wait for a thing by looking, with a deadline."""

import os
import time

# Sanitizers and busy machines are slow; nothing waits longer than it has to.
PATIENCE = float(os.environ.get("CFORIGIN_PATIENCE", "1"))


class TimedOut(AssertionError):
    pass


def until(look, what, seconds=10.0, step=0.02):
    """Look until it is truthy and return that; fail when time is up. `what`
    may be a function, which is asked at the end."""
    deadline = time.monotonic() + seconds * PATIENCE
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise TimedOut(f"{what() if callable(what) else what}: "
                           f"not within {seconds * PATIENCE:g} s")
        time.sleep(step)
