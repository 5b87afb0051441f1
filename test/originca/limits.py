# SPDX-License-Identifier: Apache-2.0
"""The API's rate limit: a quota in a window for each token, then a block.

Off until it is given a quota; the headers are there all the same, with the
numbers that an idle account sees.
"""
import math
import time

QUOTA, WINDOW = 1200, 300


class Limits:
    def __init__(self):
        self.on = False
        self.quota, self.window, self.block = QUOTA, WINDOW, WINDOW
        self.per_second = 0
        self.forget()

    def set(self, quota=QUOTA, window=WINDOW, block=None, per_second=0):
        """Counting begins anew. block: seconds after the quota is passed,
        the window's by default; per_second: for the address, 0 is none."""
        self.on = quota > 0
        self.quota, self.window = quota or QUOTA, window
        self.block = window if block is None else block
        self.per_second = per_second
        self.forget()

    def forget(self):
        self.used, self.blocked, self.second = {}, {}, [0, 0]

    def take(self, name):
        """Count a call; False when it is one too many."""
        now = time.monotonic()
        if self.per_second and not self._second(int(now)):
            return False
        if not self.on:
            return True
        if now < self.blocked.get(name, 0):
            return False
        start, count = self.used.get(name, (now, 0))
        if now - start >= self.window:
            start, count = now, 0
        if count >= self.quota:
            self.blocked[name] = now + self.block
            self.used.pop(name, None)
            return False
        self.used[name] = (start, count + 1)
        return True

    def _second(self, second):
        if self.second[0] != second:
            self.second = [second, 0]
        self.second[1] += 1
        return self.second[1] <= self.per_second

    def state(self, name):
        """(calls left, seconds to the window's end) of a token."""
        if not self.on:
            return self.quota - 1, 1
        now = time.monotonic()
        start, count = self.used.get(name, (now, 0))
        left = math.ceil(start + self.window - now)
        return max(self.quota - count, 0), max(left, 1)

    def blocked_for(self, name):
        """Seconds until a token may come again, rounded up, at least 1."""
        left = self.blocked.get(name, 0) - time.monotonic()
        return max(1, math.ceil(left))
