# SPDX-License-Identifier: Apache-2.0
"""What only root can arrange or see: workers in an empty jail still have the
whole status, since nothing of it is read from a file; who can write the memory
that it is in, and who believes what is there."""

import re
import subprocess

import pytest

import test_status
import waiting
from conftest import MPMS
from test_status import PAGE, as_json, look, samples


def records(pid):
    """Rights and place of the status' records in a process."""
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps:
        (line,) = [line for line in maps if "memfd:cforigin-status" in line]
    first, last, rights = re.match(r"(\w+)-(\w+) (\S+)", line).groups()
    return rights, int(first, 16), int(last, 16) - int(first, 16)


def scribble(pid):
    _, place, size = records(pid)
    with open(f"/proc/{pid}/mem", "rb+", buffering=0) as memory:
        memory.seek(place)
        memory.write(b"\xff" * size)


def workers(httpd):
    """pid -> rights; what ends or begins just now is left out."""
    found = {}
    for process in httpd.processes():
        try:
            if process.parent == httpd.pid and process.uids[1] != 0 \
                    and "cforigin" not in process.name:
                found[process.pid] = records(process.pid)[0]
        except (OSError, ValueError):
            continue
    return found


@pytest.mark.parametrize("mpm", MPMS)
def test_a_worker_reads_the_status_and_can_not_write_it(httpd):
    httpd.server(*test_status.LOCATIONS)
    httpd.managed("a.example.com")
    httpd.start()
    for _ in range(2):
        # one that was made a moment ago gives the right up in its first lines
        waiting.until(lambda: set(workers(httpd).values()) == {"r--s"},
                      lambda: f"workers that only read: {workers(httpd)}")
        before = set(workers(httpd))
        for pid in before:
            with pytest.raises(OSError):
                scribble(pid)
        assert records(httpd.pid)[0] == "rw-s"
        assert as_json(httpd)["totals"]["ok"] == 1
        httpd.graceful()
        waiting.until(lambda: not before & set(workers(httpd)),
                      "the end of the old workers", 30)


def test_the_parent_believes_nothing_that_is_in_the_status_memory(httpd):
    """As if a worker could write it: what the parent does and says is by what
    it knows itself, and takes no longer."""
    names = [f"h{i}.example.com" for i in range(30)]
    httpd.server("CFOriginReloadInterval 1s", *test_status.LOCATIONS)
    httpd.managed(*names)
    httpd.start()
    scribble(httpd.pid)
    (httpd.folder(names[0]) / "renew").touch()
    waiting.until(lambda: httpd.generation(names[0]) == 2, "a renewal", 25)
    httpd.graceful(8)
    assert as_json(httpd)["totals"]["ok"] == len(names)


def test_the_status_works_in_a_jail(httpd, cloudflare):
    cloudflare.refuse("bad.example.com", 400, 1010, "No such zone here")
    jail = httpd.root / "jail"
    jail.mkdir(mode=0o755)
    # A thread's end loads this library, and the jail has none.
    libgcc = subprocess.run(["gcc", "-print-file-name=libgcc_s.so.1"],
                            check=True, capture_output=True,
                            text=True).stdout.strip()
    httpd.before_modules.append(f"LoadFile \"{libgcc}\"")
    httpd.server(*test_status.LOCATIONS, f"ChrootDir \"{jail}\"")
    httpd.managed("good.example.com", "bad.example.com")
    httpd.expect(r"bad.example.com \(origin-ecc\): 1010")
    httpd.start()
    doc = as_json(httpd)
    assert (doc["totals"]["ok"], doc["totals"]["error"]) == (1, 1)
    assert "No such zone here" in look(httpd).text
    assert samples(httpd) and look(httpd, "/server-status").status == 200
    assert look(httpd, PAGE + "/good.example.com?check").status == 200
    assert list(jail.iterdir()) == []
