# SPDX-License-Identifier: Apache-2.0
"""The error log accounts for every test: a line of level warn or worse that
the test did not announce is a failure, and so is an announced one that never
came."""

import re

LINE = re.compile(r"^\[[^\]]+\] \[(?P<module>[^:\]]*):(?P<level>\w+)\]")
LOUD = {"warn", "error", "crit", "alert", "emerg"}

# What mod_ssl says of the machine, at each of its starts: a httpd installed
# just now beside an OpenSSL of last month's.
OF_THE_MACHINE = [r"\[ssl:warn\] .* AH01882: Init: this version of mod_ssl was "
                  r"compiled against a newer library"]


class ErrorLog:
    def __init__(self, path):
        self.path = path
        self.announced = []
        self.tolerated = []

    def lines(self):
        try:
            with open(self.path, encoding="utf-8", errors="replace") as file:
                return file.read().splitlines()
        except FileNotFoundError:
            return []

    def loud(self):
        """Lines that need an explanation: loud ones, and what a program
        wrote past the log, as a sanitizer's report is."""
        found = []
        for line in self.lines():
            match = LINE.match(line)
            if not line.strip():
                continue
            if match is None or match["level"] in LOUD:
                found.append(line)
        return found

    def matching(self, pattern):
        return [line for line in self.lines() if re.search(pattern, line)]

    def complaints(self):
        """What is wrong with the log, as sentences; empty when all is well."""
        patterns = self.announced + self.tolerated + OF_THE_MACHINE
        wrong = [f"not announced: {line}" for line in self.loud()
                 if not any(re.search(p, line) for p in patterns)]
        wrong += [f"announced, but never came: {pattern}"
                  for pattern in self.announced if not self.matching(pattern)]
        return wrong
