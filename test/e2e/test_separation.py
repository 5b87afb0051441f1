# SPDX-License-Identifier: Apache-2.0
"""What the programs keep from each other, shown from outside: by root, who
alone may look into all of them. Not collected for an ordinary user.

Each search has to find its canary where it belongs, or it would be blind."""

import json
import os
import re
import resource
import signal
import subprocess
import urllib.error
import urllib.request
import warnings
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

import procs
import waiting
from httpd import whom


def heap_samples(process):
    """Bytes on the heap that malloc grows; few or none where a sanitizer has
    one of its own."""
    samples = []
    for line in process.maps():
        if line.endswith("[heap]"):
            start, end = (int(edge, 16) for edge in
                          line.split()[0].split("-"))
            with open(f"/proc/{process.pid}/mem", "rb", 0) as memory:
                text = os.pread(memory.fileno(), end - start, start)
            pieces = (text[at:at + 16] for at in range(0, len(text), 16))
            pieces = [piece for piece in pieces if len(set(piece)) > 12]
            samples += pieces[::max(len(pieces) // 4, 1)][:4]
    return samples


def holds(process, needles, known):
    """Which of the needles stand in memory that the process can read. What
    is known to be there has to be found, too: a text in one of its pools,
    something on its heap."""
    for _ in range(3):  # it may work meanwhile
        samples = heap_samples(process)
        found = process.holding([*needles, *samples, str(known).encode()])
        if found >= set(samples):
            break
    assert str(known).encode() in found, f"blind for {process.cmdline}"
    assert found >= set(samples), f"blind for {process.cmdline}: the heap"
    return found & set(needles)


def parts_of(token):
    """Of a token: half of it would be bad enough."""
    assert len(token) > 48
    return [token[at:at + 16].encode() for at in (0, 16, 32)]


def as_httpds_user(argv, **kwargs):
    user = whom()
    return subprocess.run(["setpriv", "--reuid", user[0], "--regid", user[1],
                           "--clear-groups", *map(str, argv)], text=True,
                          capture_output=True, check=False, **kwargs)


def key_forms(path):
    """A private key as it may stand somewhere: a line of its PEM, and its
    secret number both ways round."""
    text = path.read_bytes()
    key = serialization.load_pem_private_key(text, None)
    secret = key.private_numbers().private_value
    # bignums are stored from their lowest word on
    return [text.splitlines()[1], secret.to_bytes(32, "big"),
            secret.to_bytes(32, "little")]


def of_httpd(httpd):
    """Parent and workers, without keeper and issuer."""
    ours = {p.pid for p in httpd.keepers + httpd.issuers}
    return [p for p in httpd.processes() if p.pid not in ours]


# ---- the token -------------------------------------------------------------

def test_no_httpd_process_knows_the_token(round_under_way, cloudflare):
    """Neither in memory (also what it can't write), nor in arguments or
    environment; nor does the keeper, who opened the file."""
    httpd, token = round_under_way, cloudflare.token.encode()
    processes, parts = of_httpd(httpd), parts_of(cloudflare.token)
    assert httpd.pid in {p.pid for p in processes} and len(processes) >= 2
    for process in processes + httpd.keepers:
        assert not holds(process, parts, httpd.token_file), process.cmdline
        assert not any(token in word for word in process.environ)
        assert not any(token.decode() in word for word in process.cmdline)
        assert str(httpd.token_file) not in process.descriptors().values()
    assert holds(httpd.issuers[0], parts, cloudflare.url) == set(parts)


def remote_ports(pid):
    """Of its TCP sockets, by what the kernel's tables say."""
    inodes = {link[8:-1] for link in
              procs.Process(pid).descriptors().values()
              if link.startswith("socket:[")}
    ports = set()
    for table in ("tcp", "tcp6"):
        with open(f"/proc/{pid}/net/{table}", encoding="ascii") as lines:
            for line in list(lines)[1:]:
                fields = line.split()
                if fields[9] in inodes:
                    ports.add(int(fields[2].rsplit(":", 1)[1], 16))
    return ports


def test_the_issuer_alone_has_a_socket_to_the_api(round_under_way,
                                                  cloudflare):
    httpd, port = round_under_way, cloudflare.server.port
    assert port in remote_ports(httpd.issuers[0].pid)
    for process in of_httpd(httpd) + httpd.keepers:
        assert port not in remote_ports(process.pid), process.cmdline


def test_the_issuer_alone_connects_to_the_api(httpd, cloudflare):
    """Traced from httpd's first instruction to its last."""
    trace = httpd.root / "logs/trace"
    if "ASAN_OPTIONS" in httpd.environment:  # it would trace itself
        httpd.environment["ASAN_OPTIONS"] = "detect_leaks=0"
    httpd.managed("a.example.com", "b.example.com")
    httpd.configure()
    tracer = subprocess.Popen(
        ["strace", "-f", "-qq", "-e", "trace=execve,connect", "-e",
         "signal=none", "-o", str(trace),
         *httpd.argv("-D", "FOREGROUND")], env=httpd.environment, cwd="/",
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL)
    try:
        httpd.await_certificate("b.example.com")
        httpd.stop()
    finally:
        httpd.stop()
        tracer.wait(20)
    executed, callers = {}, []
    for line in trace.read_text(errors="replace").splitlines():
        pid, _, call = line.partition(" ")
        match = re.search(r'execve\("([^"]*)"', call)
        if match:
            executed[pid] = os.path.basename(match[1])
        if f"htons({cloudflare.server.port})" in call:
            callers.append(executed.get(pid, "httpd"))
    assert "cforigin-keeper" in executed.values()
    assert callers and set(callers) == {"cforigin-issuer"}


# ---- the issuer ------------------------------------------------------------

ATTACH = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long] * 4
pid = int(sys.argv[1])
print("traced" if libc.ptrace(16, pid, 0, 0) == 0
      else os.strerror(ctypes.get_errno()))
for name in ("mem", "environ", "maps", "fd/0", "cwd", "exe", "auxv"):
    try:
        path = f"/proc/{pid}/{name}"
        os.readlink(path) if name in ("cwd", "exe") else open(path, "rb")
        print("opened", name)
    except PermissionError:
        pass
"""

# Lets itself be traced, also where only descendants may be.
WILLING = """
import ctypes, time
ctypes.CDLL(None).prctl(0x59616d61, -1)
print(flush=True)
time.sleep(60)
"""


def test_httpds_user_can_not_trace_the_issuer(round_under_way):
    (issuer,) = round_under_way.issuers
    assert len(set(issuer.uids)) == 1 and issuer.uids[0] != 0
    said = as_httpds_user(["/usr/bin/python3", "-c", ATTACH, issuer.pid])
    assert said.stdout == "Operation not permitted\n", said
    for name in ("environ", "mem", "maps", "auxv", "fd", "exe"):
        assert os.lstat(f"/proc/{issuer.pid}/{name}").st_uid == 0, name


def test_the_tracer_of_the_test_above_can_trace():
    user = whom()
    with subprocess.Popen(["setpriv", "--reuid", user[0], "--regid", user[1],
                           "--clear-groups", "/usr/bin/python3", "-c",
                           WILLING], stdout=subprocess.PIPE) as willing:
        willing.stdout.readline()
        said = as_httpds_user(["/usr/bin/python3", "-c", ATTACH, willing.pid])
        willing.kill()
    assert said.stdout.startswith("traced\n"), said
    assert "opened mem" in said.stdout


def test_what_each_of_the_issuers_descriptors_is(round_under_way,
                                                 cloudflare):
    """Three pipes, which the keeper alone has the other ends of, connections
    to the API, and what libcurl wakes itself with. No file."""
    httpd = round_under_way
    (issuer,), (keeper,) = httpd.issuers, httpd.keepers
    links = issuer.descriptors()
    pipes = {links.pop(number) for number in (0, 1, 2)}
    assert len(pipes) == 3 and all(p.startswith("pipe:[") for p in pipes)
    assert pipes <= set(keeper.descriptors().values())
    for process in of_httpd(httpd):
        assert not pipes & set(process.descriptors().values())
    with open(f"/proc/{issuer.pid}/net/unix", encoding="ascii") as table:
        local = {line.split()[6] for line in list(table)[1:]}
    calls = 0
    for number, link in links.items():
        inode = link[8:-1]
        if link.startswith("socket:[") and inode not in local:
            calls += 1
        else:
            assert link.startswith(("socket:[", "anon_inode:[event",
                                    "/dev/urandom")), (number, link)
    assert calls >= 1
    assert remote_ports(issuer.pid) == {cloudflare.server.port}


def test_the_issuer_is_locked_in(round_under_way):
    """Filtered, limited, without a capability."""
    (issuer,) = round_under_way.issuers
    status = issuer.status
    assert status["Seccomp"] == "2" and status["NoNewPrivs"] == "1"
    for caps in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert int(status[caps], 16) == 0, caps
    limits = {}
    for line in issuer._read("limits").decode().splitlines()[1:]:
        name, soft, hard = re.match(r"(.*?)  +(\S+) +(\S+)", line).groups()
        assert name.startswith("Max ")
        limits[name[4:]] = (soft, hard)
    for name in ("file size", "core file size", "locked memory",
                 "msgqueue size"):
        assert limits[name] == ("0", "0"), name
    for name in ("cpu time", "open files"):
        soft, hard = limits[name]
        assert soft == hard and 16 < int(soft) < 2000, (name, soft)


# ---- the workers -----------------------------------------------------------

def test_a_worker_can_neither_read_a_secret_nor_write_the_store(httpd):
    httpd.managed("a.example.com")
    httpd.start()
    httpd.await_certificate("a.example.com")
    waiting.until(lambda: not httpd.keepers, "the end of the round")
    secrets = [httpd.token_file, httpd.store / "journal.jsonl",
               *httpd.store.rglob("key.pem")]
    assert len(secrets) >= 3
    for path in secrets:
        assert as_httpds_user(["cat", path]).returncode != 0, path
    before = httpd.tree()
    for path in [httpd.store, *httpd.store.rglob("*")]:
        if path.is_dir() and not path.is_symlink():
            assert as_httpds_user(["touch", path / "new"]).returncode != 0
            assert as_httpds_user(["mkdir", path / "dir"]).returncode != 0
        elif path.is_file():
            assert as_httpds_user(["truncate", "-s", "0", path]) \
                .returncode != 0
            assert as_httpds_user(["rm", "-f", path]).returncode != 0
    assert httpd.tree() == before
    # the same user can read and write where it may
    assert as_httpds_user(["cat", httpd.root / "htdocs/index.html"]) \
        .returncode == 0
    for process in of_httpd(httpd):
        for link in process.descriptors().values():
            assert not link.startswith((str(httpd.store),
                                        str(httpd.token_file))), link


# ---- canaries --------------------------------------------------------------

# path: status and a word of it, so that no other page passes for it
STATUS = {
    "/cforigin-status": (200, "<title>"),
    "/cforigin-status?format=json": (200, '"certificates":['),
    "/cforigin-status?format=metrics": (200, "# EOF"),
    "/cforigin-status?auto": (200, "CFOriginCertificatesTotal: 3"),
    "/cforigin-status?check": (503, "error"),
    "/cforigin-status?state=error": (200, "no.example.com"),
    "/cforigin-status/a.example.com": (200, "a.example.com"),
    "/cforigin-status/a.example.com?format=json": (200, '"serial":'),
    "/cforigin-status/no.example.com": (200, "Bearer ****"),
    "/cforigin-status/no.example.com?format=json": (200, "Bearer ****"),
    "/server-status": (200, "cforigin"),
    "/server-status?auto": (200, "CFOrigin"),
}
INFO = {
    "/server-info": (200, "mod_cforigin.c"),
    "/server-info?config": (200, "CFOriginTokenFile"),
    "/server-info?server": (200, "Server Version"),
    "/server-info?list": (200, "mod_cforigin.c"),
    "/server-info?hooks": (200, "mod_cforigin.c"),
    "/server-info?mod_cforigin.c": (200, "CFOriginTokenFile"),
}


def page(httpd, path):
    """(status, text), whatever it says."""
    url = f"http://127.0.0.1:{httpd.http_port}{path}"
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as answer:
        return answer.code, answer.read()


def texts(httpd):
    """What can be had of it, {where: text}: every page, and what httpd says
    on a terminal."""
    said, wrong = {}, []
    for path, (status, word) in {**STATUS, **INFO}.items():
        got, said[path] = page(httpd, path)
        if got != status or word.encode() not in said[path]:
            wrong.append((path, got, said[path][:500]))
    assert not wrong, wrong
    for words, word in ((["-t"], "Syntax OK"),
                        (["-t", "-D", "DUMP_CFORIGIN"], "no.example.com")):
        done = httpd.run(*words)
        said[" ".join(words)] = (done.stdout + done.stderr).encode()
        assert done.returncode == 0 and word in done.stdout + done.stderr
    return said


def files_below(httpd, *without):
    for path in sorted(httpd.root.rglob("*")):
        if path.is_file() and not path.is_symlink() and path not in without:
            yield path


def core_files(here):
    """Where the kernel writes core files of a process that is here: a folder
    and the beginning of their names. None: it hands them to a program, or to
    nobody."""
    pattern = Path("/proc/sys/kernel/core_pattern").read_text().strip()
    if not pattern or pattern.startswith("|"):
        return None
    folder, name = os.path.split(pattern)
    return Path(here, folder), name.partition("%")[0]


def there(place):
    return {(path, path.stat().st_mtime_ns)
            for path in place[0].glob(place[1] + "*") if path.is_file()} \
        if place else set()


def crash(process, here=None):
    """End it in the way that leaves a core file. The new ones."""
    place = core_files(here or os.readlink(f"/proc/{process.pid}/cwd"))
    before = there(place)
    os.kill(process.pid, signal.SIGSEGV)
    os.kill(process.pid, signal.SIGCONT)
    waiting.until(lambda: not process.is_alive(), "its end")
    return [path for path, _ in there(place) - before]


def crash_both(issuer, keeper):
    """No core file comes of it, wherever the kernel writes them. Where it
    hands them to a program, which pays no heed to limits, there is nothing to
    see: then it is left to the tests of who owns /proc/PID. The keeper is
    held, or it would end with the issuer."""
    for process in (issuer, keeper):
        limit, = [line.split()[4:6] for line in
                  process._read("limits").decode().splitlines()
                  if line.startswith("Max core file size")]
        assert limit == ["0", "0"], process.cmdline
    os.kill(keeper.pid, signal.SIGSTOP)
    assert crash(issuer) + crash(keeper) == []


def cores_of_httpd(httpd):
    """It does leave one, which can be searched, unless the kernel hands it
    to a program. A sanitizer lets nobody dump its terabytes."""
    run = httpd.root / "run"  # its CoreDumpDirectory
    found = crash(procs.Process(httpd.pid), run)
    for process in httpd.processes():
        os.kill(process.pid, signal.SIGKILL)
    if core_files(run) is None:
        warnings.warn("core_pattern names no file: no core file was searched")
    else:
        assert found or os.environ.get("CFORIGIN_PRELOAD"), "blind"
    return found


@pytest.fixture
def with_core_files():
    """What is started from here on may leave them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))


@pytest.fixture
def everything(with_core_files, httpd, cloudflare):
    """A live certificate, one that was refused by an answer that quotes the
    token, one that is being asked for; the loudest log; every page; core
    files wherever the system lets one be written."""
    httpd.extra_modules.append("info")
    httpd.server("LogLevel trace8", "CFOriginStartupWait 5s",
                 f"CoreDumpDirectory {httpd.root}/run",
                 "<Location /server-info>", "SetHandler server-info",
                 "</Location>", "<Location /cforigin-status>",
                 "SetHandler cforigin-status", "</Location>",
                 "<Location /server-status>", "SetHandler server-status",
                 "</Location>", "ExtendedStatus on")
    quoted = f"Authentication error: Bearer {cloudflare.token}"
    cloudflare.refuse("no.example.com", 400, 10000, quoted)
    httpd.tolerate("no.example.com", "hang.example.com", "account",
                   "keeper", "cforigin-issuer", "AH00051", "AH00052",
                   "exit signal", "seg fault")
    httpd.managed("a.example.com", "no.example.com")
    httpd.start()
    cloudflare.release()
    cloudflare.fault({"op": "create", "hostname": "hang.example.com"},
                     {"hang": True})
    cloudflare.refuse("no.example.com", 400, 10000, quoted)
    httpd.managed("hang.example.com")
    httpd.graceful()
    waiting.until(lambda: httpd.issuers and any(
        "hang.example.com" in (call["body"] or {}).get("hostnames", ())
        for call in cloudflare.creates()), "a call that hangs")
    return httpd


def test_a_canary_token_is_nowhere_but_in_the_issuer(everything, cloudflare):
    httpd, parts = everything, parts_of(cloudflare.token)
    for process in of_httpd(httpd) + httpd.keepers:
        assert not holds(process, parts, httpd.token_file), process.cmdline
    (keeper,), (issuer,) = httpd.keepers, httpd.issuers
    assert holds(issuer, parts, cloudflare.url) == set(parts)
    for where, text in texts(httpd).items():
        assert not any(part in text for part in parts), where
    crash_both(issuer, keeper)
    cores = cores_of_httpd(httpd)
    searched = 0
    for path in {*files_below(httpd, httpd.token_file), *cores}:
        text = path.read_bytes()
        assert not any(part in text for part in parts), path
        searched += 1
    assert searched > 10
    assert b"Bearer ****" in (httpd.store / "journal.jsonl").read_bytes()
    assert parts[0] in httpd.token_file.read_bytes()
    for path in cores:
        path.unlink()


def test_a_canary_key_is_nowhere_but_in_httpd_and_the_keeper(everything,
                                                             cloudflare):
    """Two keys: one that is served and one that is pending, which httpd has
    not even seen."""
    httpd = everything
    live = key_forms(httpd.live("a.example.com") / "key.pem")
    pending = key_forms(httpd.folder("hang.example.com") / "pending/key.pem")
    (issuer,), (keeper,) = httpd.issuers, httpd.keepers
    assert not holds(issuer, live + pending, cloudflare.url)
    parent = procs.Process(httpd.pid)
    assert holds(parent, live, httpd.token_file), "the search is blind"
    assert holds(keeper, pending, httpd.token_file), "the search is blind"
    for process in of_httpd(httpd):
        assert not holds(process, pending, httpd.token_file), process.cmdline
    for where, text in texts(httpd).items():
        assert not any(form in text for form in live + pending), where
    crash_both(issuer, keeper)
    keys = 0
    for path in files_below(httpd):
        if path.name == "key.pem":
            keys += 1
            continue
        text = path.read_bytes()
        assert not any(form in text for form in live + pending), path
    assert keys >= 2


def test_the_status_names_no_path_of_a_secret(everything):
    httpd = everything
    said = texts(httpd)
    for path in STATUS:
        for word in (str(httpd.token_file), str(httpd.store), "key.pem"):
            assert word.encode() not in said[path], (path, word)
    assert json.loads(said["/cforigin-status?format=json"])["certificates"]
