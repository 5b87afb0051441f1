# SPDX-License-Identifier: Apache-2.0
"""Servers of tests that run side by side get ports of their own."""

import subprocess
import sys
from pathlib import Path

ORIGINCA = Path(__file__).resolve().parents[1] / "originca"
TAKE = """
import sys
from ports import free_port
print(*(free_port() for _ in range(150)), flush=True)
sys.stdin.read()
"""


def test_no_port_is_given_to_two_processes_that_live():
    started = [subprocess.Popen([sys.executable, "-B", "-c", TAKE], text=True,
                                env={"PYTHONPATH": str(ORIGINCA)},
                                stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE) for _ in range(6)]
    given = [port for process in started
             for port in process.stdout.readline().split()]
    for process in started:
        process.communicate()
    assert len(given) == len(set(given)) == 6 * 150
