# SPDX-License-Identifier: Apache-2.0
"""A program to which the kernel refuses one system call, as an older one
does, or a container's list."""

# Before the program, in its process; inherited through the execution. The
# call's number and its errno are in argv. A descriptor that nobody asked for
# goes with it.
SCRIPT = """
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
def code(op, yes, no, k):
    return struct.pack("HBBI", op, yes, no, k)
program = (code(0x20, 0, 0, 0) + code(0x15, 0, 1, int(sys.argv[1]))
           + code(0x06, 0, 0, 0x00050000 + int(sys.argv[2]))
           + code(0x06, 0, 0, 0x7fff0000))
buffer = ctypes.create_string_buffer(program)
class Filter(ctypes.Structure):
    _fields_ = [("n", ctypes.c_ushort), ("code", ctypes.c_void_p)]
filter = Filter(len(program) // 8, ctypes.addressof(buffer))
os.set_inheritable(os.open("/dev/null", os.O_RDONLY), True)
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, ctypes.byref(filter)) == 0
os.execv(sys.argv[3], sys.argv[3:])
"""
CLOSE_RANGE = 436


def program(path, real, call, error, first=":"):
    """A script at that path which runs the real one so; `first` is a command
    that its shell runs before."""
    path.write_text(f"#!/bin/sh\n{first}\nexec /usr/bin/python3 -c '{SCRIPT}' "
                    f"{call} {error} {real} \"$@\"\n")
    path.chmod(0o755)
    return path
