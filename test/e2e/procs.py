# SPDX-License-Identifier: Apache-2.0
"""What runs on this machine, read from /proc: whose process is whose, what
it holds open, what it knows."""

import os

CHUNK = 1 << 20
PAGE = os.sysconf("SC_PAGE_SIZE")
SHADOW = 1 << 36  # a mapping larger than this is a sanitizer's own book


def untouched(pages, start, end):
    """True when the next CHUNK of anonymous memory was never written to: a
    sanitizer sets aside gigabytes that it never uses."""
    entries = os.pread(pages.fileno(), min(CHUNK, end - start) // PAGE * 8,
                       start // PAGE * 8)
    return bool(entries) and max(entries[7::8]) < 0x40  # present, or swapped


class Process:
    """One process, as /proc tells of it now. What environ, exe, descriptors
    and memory are is root's alone to know of one that is not dumpable."""

    def __init__(self, pid):
        self.pid = pid

    def _read(self, name):
        with open(f"/proc/{self.pid}/{name}", "rb") as file:
            return file.read()

    @property
    def cmdline(self):
        return [part.decode("utf-8", "replace")
                for part in self._read("cmdline").rstrip(b"\0").split(b"\0")]

    @property
    def environ(self):
        return [part for part in self._read("environ").split(b"\0") if part]

    @property
    def status(self):
        lines = self._read("status").decode().splitlines()
        return dict(line.split(":\t", 1) for line in lines if ":\t" in line)

    @property
    def uids(self):
        return [int(uid) for uid in self.status["Uid"].split()]

    @property
    def gids(self):
        return [int(gid) for gid in self.status["Gid"].split()]

    @property
    def parent(self):
        return int(self.status["PPid"])

    @property
    def age(self):
        """In seconds, whatever any clock says."""
        fields = self._read("stat").decode().rpartition(")")[2].split()
        with open("/proc/uptime", encoding="ascii") as file:
            now = float(file.read().split()[0])
        return now - int(fields[19]) / os.sysconf("SC_CLK_TCK")

    @property
    def exe(self):
        return os.readlink(f"/proc/{self.pid}/exe")

    @property
    def name(self):
        return os.path.basename(self.cmdline[0])

    def descriptors(self):
        """{number: what it leads to}"""
        found = {}
        for number in os.listdir(f"/proc/{self.pid}/fd"):
            try:
                found[int(number)] = os.readlink(
                    f"/proc/{self.pid}/fd/{number}")
            except FileNotFoundError:
                pass
        return found

    def maps(self):
        """What is mapped into its memory, a line a mapping."""
        return self._read("maps").decode().splitlines()

    def connections(self):
        """States of the process's TCP sockets, '0A' is a listener."""
        mine = {link[8:-1] for link in self.descriptors().values()
                if link.startswith("socket:[")}
        states = []
        for table in ("tcp", "tcp6"):
            for line in self._read(f"net/{table}").decode().splitlines()[1:]:
                fields = line.split()
                if fields[9] in mine:
                    states.append(fields[3])
        return states

    def is_listening(self):
        try:
            return "0A" in self.connections()
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            return False

    def memory_holds(self, needle):
        """True when the bytes stand in memory the process can write."""
        return bool(self.holding([needle], "rw"))

    def holding(self, needles, mode="r"):
        """Which of the needles stand in its memory of that mode."""
        found, reach = set(), max(map(len, needles)) - 1
        with open(f"/proc/{self.pid}/mem", "rb", 0) as memory, \
                open(f"/proc/{self.pid}/pagemap", "rb", 0) as pages:
            for line in self.maps():
                span, allowed, _, _, inode = line.split()[:5]
                start, end = (int(edge, 16) for edge in span.split("-"))
                if not allowed.startswith(mode) or "[v" in line \
                        or end - start > SHADOW:
                    continue
                rest = b""
                while start < end and len(found) < len(needles):
                    if inode == "0" and untouched(pages, start, end):
                        start, rest = start + CHUNK, b""
                        continue
                    try:
                        piece = os.pread(memory.fileno(),
                                         min(CHUNK, end - start), start)
                    except OSError:
                        break
                    if not piece:
                        break
                    start += len(piece)
                    piece = rest + piece
                    found |= {n for n in needles if n in piece}
                    rest = piece[-reach:]
        return found

    def is_alive(self):
        try:
            return self.status["State"][0] not in "ZX"
        except (FileNotFoundError, ProcessLookupError, KeyError):
            return False


def of(marker):
    """All processes whose program or arguments name the marker, a path that
    only one test uses. Zombies have neither and don't count."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        process = Process(int(entry))
        try:
            if any(marker in word for word in process.cmdline):
                found.append(process)
                continue
            if marker in process.exe:
                found.append(process)
        except (OSError, ValueError):
            continue
    return sorted(found, key=lambda process: process.pid)


def children(pid):
    """{pid: state} of a process's children, zombies included."""
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                status = Process(int(entry)).status
            except OSError:
                continue
            if status.get("PPid") == str(pid):
                found[int(entry)] = status["State"][0]
    return found
