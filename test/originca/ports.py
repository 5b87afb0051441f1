# SPDX-License-Identifier: Apache-2.0
"""Ports for servers that are told theirs and bind it a moment later.

Tests run side by side, so a port that was just seen free may be another
process's choice as well. Each process therefore owns whole blocks of them: it
holds the UDP port of a block's first number for as long as it lives, which the
kernel grants to one process only and takes back from a dead one. All lie below
the range that the kernel gives to outgoing connections.
"""
import os
import socket

FIRST, BLOCKS, BLOCK = 10000, 220, 100

_held = []
_left = iter(())


def free_port():
    """One that nobody listens at and that nobody else was given."""
    global _left
    while True:
        for port in _left:
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if _binds(probe, port):
                    return port
        _left = _another_block()


def _another_block():
    for step in range(BLOCKS):
        first = FIRST + (os.getpid() + step) % BLOCKS * BLOCK
        holder = socket.socket(type=socket.SOCK_DGRAM)
        if _binds(holder, first):
            _held.append(holder)
            return iter(range(first + 1, first + BLOCK))
        holder.close()
    if not _held:
        raise RuntimeError("all %d blocks of ports are other processes'"
                           % BLOCKS)
    # This process has gone once round: its first ports have rested longest.
    _held.append(_held.pop(0))
    first = _held[-1].getsockname()[1]
    return iter(range(first + 1, first + BLOCK))


def _binds(one, port):
    try:
        one.bind(("127.0.0.1", port))
    except OSError:
        return False
    return True
