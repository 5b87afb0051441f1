# SPDX-License-Identifier: Apache-2.0
"""Who is who, and what a process holds: as only root can see it, of programs
that show themselves to nobody else. Not collected for an ordinary user."""

import grp
import os
import pwd
import shutil
import subprocess
import tempfile

import pytest

import issuer_client
import procs
import waiting
from conftest import MPMS
from httpd import BUILD, whom
from test_split import modes_with_umask


def test_the_issuer_has_an_empty_environment(round_under_way):
    (issuer,) = round_under_way.issuers
    assert issuer.environ == []


def test_the_issuer_holds_three_pipes_and_its_connections(round_under_way):
    """No listener, no log, no store, no token file any more."""
    (issuer,) = round_under_way.issuers
    links = issuer.descriptors()
    for number in (0, 1, 2):
        assert links[number].startswith(("pipe:", "socket:", "/dev/null"))
    for number, link in links.items():
        assert link.startswith(("pipe:", "socket:", "anon_inode:",
                                "/dev/null", "/dev/urandom")), (number, link)
    assert "0A" not in issuer.connections()


def test_the_keeper_and_the_parent_have_no_connection(round_under_way):
    httpd = round_under_way
    (keeper,) = httpd.keepers
    assert keeper.connections() == []
    assert set(procs.Process(httpd.pid).connections()) <= {"0A"}


@pytest.mark.parametrize("mpm", MPMS)
def test_no_worker_holds_the_pipe_that_the_keeper_tells_through(
        round_under_way):
    """What one process reads the others don't see: the parent alone has that
    end, whatever is forked while a keeper runs, and takes it over."""
    httpd = round_under_way
    (keeper,) = httpd.keepers
    pipe = keeper.descriptors()[1]
    assert pipe.startswith("pipe:")
    old = workers_of(httpd)
    assert old, "nobody serves"
    for generation in range(3):
        waiting.until(lambda: holders_of(httpd, pipe)
                      == {httpd.pid, keeper.pid},
                      lambda: f"the end of all but the parent and the keeper, "
                      f"{holders_of(httpd, pipe)}")
        if generation < 2:
            httpd.graceful()
            waiting.until(lambda: workers_of(httpd) - old, "a new worker")
            old |= workers_of(httpd)
    assert [k.pid for k in httpd.keepers] == [keeper.pid]


def holders_of(httpd, pipe):
    found = set()
    for process in httpd.processes():
        try:
            if pipe in process.descriptors().values():
                found.add(process.pid)
        except FileNotFoundError:
            continue
    return found


def workers_of(httpd):
    """Their pids: children that run the parent's program."""
    program = procs.Process(httpd.pid).exe
    found = set()
    for process in httpd.processes():
        try:
            if process.parent == httpd.pid and process.exe == program:
                found.add(process.pid)
        except OSError:
            continue
    return found


def test_nothing_secret_is_in_any_argv_or_environment(
        round_under_way, cloudflare):
    for process in round_under_way.processes():
        assert not any(cloudflare.token in word for word in process.cmdline)
        assert not any(cloudflare.token.encode() in word
                       for word in process.environ)


def test_the_tokens_text_is_in_the_issuers_memory_alone(
        round_under_way, cloudflare):
    """The canary is found where it has to be, or the search is blind."""
    httpd = round_under_way
    token = cloudflare.token.encode()
    others = [p for p in httpd.processes()
              if p.pid != httpd.issuers[0].pid]
    assert len(others) >= 3
    for process in others:
        assert not process.memory_holds(token), process.cmdline
    assert httpd.issuers[0].memory_holds(token)


def test_the_issuer_runs_as_httpds_user_for_good(round_under_way):
    (issuer,) = round_under_way.issuers
    user = whom()
    assert set(issuer.uids) == {pwd.getpwnam(user[0]).pw_uid}
    assert set(issuer.gids) == {grp.getgrnam(user[1]).gr_gid}
    assert issuer.status["Groups"].split() in ([], [str(issuer.gids[0])])
    assert int(issuer.status["CapEff"], 16) == 0
    assert int(issuer.status["CapPrm"], 16) == 0


def test_the_worker_processes_cannot_read_a_key(httpd):
    httpd.managed("a.example.com")
    httpd.start()
    key = httpd.live("a.example.com") / "key.pem"
    assert key.stat().st_uid == os.geteuid()
    assert key.parent.stat().st_mode & 0o077 == 0
    denied = subprocess.run(["setpriv", "--reuid", whom()[0],
                             "--clear-groups", "cat", str(key)],
                            capture_output=True, check=False)
    assert denied.returncode != 0


def test_the_issuer_gains_nothing_and_dumps_nothing(round_under_way):
    (issuer,) = round_under_way.issuers
    assert issuer.status["NoNewPrivs"] == "1"
    limits = issuer._read("limits").decode()
    core = [line for line in limits.splitlines() if "core file" in line][0]
    assert core.split()[4:6] == ["0", "0"]
    # not dumpable: what /proc has of it belongs to root
    assert os.stat(f"/proc/{issuer.pid}/environ").st_uid == 0


def owner_of(pid):
    return {os.lstat(f"/proc/{pid}/{name}").st_uid
            for name in ("environ", "mem", "maps")}


BECOME = ["/usr/bin/setpriv", "--reuid", "65534", "--regid", "65534",
          "--clear-groups"]


@pytest.fixture
def readable():
    """A folder that every user can read, with the two programs."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        for name in ("cforigin-issuer", "cforigin-keeper"):
            shutil.copy(BUILD / name, folder)
        yield folder


def test_what_was_never_root_is_not_dumpable_either(monkeypatch, readable):
    """To become another user takes away dumpability, but only until the next
    execution; this one is that user from its first instruction."""
    monkeypatch.setattr(issuer_client, "PROGRAM",
                        f"{readable}/cforigin-issuer")
    with issuer_client.Issuer(readable, "token", whom=BECOME) as issuer:
        # answered, so that it is past its start
        assert issuer.ask("get", serial="1")["kind"] == "local"
        assert set(procs.Process(issuer.pid).uids) == {65534}
        assert owner_of(issuer.pid) == {0}
    with subprocess.Popen([*BECOME, "/bin/cat"], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as plain:
        plain.stdin.write(b"x")
        plain.stdin.flush()
        plain.stdout.read(1)
        assert owner_of(plain.pid) == {65534}, "the look is blind"
        plain.stdin.close()


def test_a_keeper_that_was_never_root_is_not_dumpable_either(readable):
    with subprocess.Popen([*BECOME, f"{readable}/cforigin-keeper", "--parent",
                           str(os.getpid())], stdin=subprocess.PIPE,
                          stdout=subprocess.DEVNULL) as keeper:
        # a group of its own: the keeper, and no longer who became it
        waiting.until(lambda: os.getpgid(keeper.pid) == keeper.pid
                      and owner_of(keeper.pid) == {0}, "not dumpable", 5)
        assert set(procs.Process(keeper.pid).uids) == {65534}
        keeper.kill()


@pytest.mark.parametrize("what", ["environ", "fd/0", "maps"])
def test_the_issuer_shows_itself_to_root_alone(round_under_way, what):
    """Not even to other processes of the user that it runs as."""
    (issuer,) = round_under_way.issuers
    path = f"/proc/{issuer.pid}/{what}"
    denied = subprocess.run(
        ["setpriv", "--reuid", str(issuer.uids[0]), "--regid",
         str(issuer.gids[0]), "--clear-groups", "cat", path],
        capture_output=True, check=False)
    assert b"Permission denied" in denied.stderr


def test_modes_do_not_depend_on_the_strangest_umask(httpd):
    modes_with_umask(httpd, 0o777)
