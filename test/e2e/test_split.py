# SPDX-License-Identifier: Apache-2.0
"""Four processes, each with what it needs and no more."""

import grp
import os
import pwd
import subprocess

import pytest
from cryptography import x509

import pairs
import procs
import waiting
from httpd import BUILD, whom
from test_targets import target_lines


@pytest.fixture
def round_under_way(httpd, cloudflare):
    """A server whose keeper and issuer wait for an API that hangs."""
    cloudflare.hang()
    httpd.server("CFOriginStartupWait 0")
    httpd.managed("a.example.com")
    httpd.start()
    waiting.until(lambda: cloudflare.calls() and httpd.issuers,
                  "a call that hangs", 8)
    return httpd


def test_the_issuer_runs_as_httpds_user_for_good(round_under_way):
    (issuer,) = round_under_way.issuers
    user = whom()
    if user is None:
        assert set(issuer.uids) == {os.geteuid()}
        return
    assert set(issuer.uids) == {pwd.getpwnam(user[0]).pw_uid}
    assert set(issuer.gids) == {grp.getgrnam(user[1]).gr_gid}
    assert issuer.status["Groups"].split() in ([], [str(issuer.gids[0])])
    assert int(issuer.status["CapEff"], 16) == 0
    assert int(issuer.status["CapPrm"], 16) == 0


def test_the_issuer_gains_nothing_and_dumps_nothing(round_under_way):
    (issuer,) = round_under_way.issuers
    assert issuer.status["NoNewPrivs"] == "1"
    limits = issuer._read("limits").decode()
    core = [line for line in limits.splitlines() if "core file" in line][0]
    assert core.split()[4:6] == ["0", "0"]
    if os.geteuid() == 0:
        # not dumpable: what /proc has of it belongs to root
        assert os.stat(f"/proc/{issuer.pid}/environ").st_uid == 0


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


def test_the_keeper_is_in_a_group_of_its_own(round_under_way):
    (keeper,) = round_under_way.keepers
    assert os.getpgid(keeper.pid) == keeper.pid
    assert os.getpgid(round_under_way.issuers[0].pid) == keeper.pid
    assert int(keeper.status["SigBlk"], 16) == 0


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
    if os.geteuid() == 0:
        assert httpd.issuers[0].memory_holds(token)


def test_the_token_is_in_no_file_but_its_own(httpd, cloudflare):
    """Not in the logs at the loudest level, not in the store."""
    httpd.server("LogLevel trace8")
    httpd.managed("a.example.com")
    cloudflare.refuse("b.example.com", 400, 10000, "Authentication error")
    httpd.managed("b.example.com")
    httpd.tolerate(r"b\.example\.com", "account")
    httpd.start()
    seen = 0
    for path in httpd.root.rglob("*"):
        if path.is_file() and path != httpd.token_file:
            assert cloudflare.token.encode() not in path.read_bytes(), path
            seen += 1
    assert seen > 10


def test_no_private_key_is_in_the_log_or_outside_the_store(httpd):
    httpd.server("LogLevel trace8")
    httpd.managed("a.example.com")
    httpd.start()
    key = (httpd.live("a.example.com") / "key.pem").read_bytes()
    middle = key.splitlines()[1]
    for path in httpd.root.rglob("*"):
        if path.is_file() and path.name != "key.pem":
            assert middle not in path.read_bytes(), path


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o007, 0o777])
def test_modes_do_not_depend_on_the_umask(httpd, umask):
    folder = httpd.root / "etc"
    folder.mkdir(mode=0o755)
    httpd.umask = umask
    httpd.server(f"CustomLog {httpd.root}/logs/access.log common")
    httpd.vhost("a.example.com", "CFOrigin on", *target_lines(folder))
    httpd.start()
    assert httpd.get("a.example.com").status == 200
    modes = {str(path.relative_to(httpd.store)): path.stat().st_mode & 0o777
             for path in httpd.store.rglob("*") if not path.is_symlink()}
    certs = "certs/a.example.com/origin-ecc"
    assert modes[certs] == 0o700
    assert modes[f"{certs}/1/key.pem"] == 0o600
    assert modes["journal.jsonl"] == 0o600
    assert modes["lock"] == 0o600
    assert httpd.store.stat().st_mode & 0o777 == 0o755
    assert (folder / "origin.pem").stat().st_mode & 0o777 == 0o644
    assert (folder / "origin.key").stat().st_mode & 0o777 == 0o600


def test_the_worker_processes_cannot_read_a_key(httpd):
    httpd.managed("a.example.com")
    httpd.start()
    key = httpd.live("a.example.com") / "key.pem"
    assert key.stat().st_uid == os.geteuid()
    assert key.parent.stat().st_mode & 0o077 == 0
    if whom():
        denied = subprocess.run(["setpriv", "--reuid", whom()[0],
                                 "--clear-groups", "cat", str(key)],
                                capture_output=True, check=False)
        assert denied.returncode != 0


def libraries(path):
    text = subprocess.run(["readelf", "-d", str(path)], text=True,
                          check=True, capture_output=True).stdout
    return [line.split("[")[1].rstrip("]") for line in text.splitlines()
            if "(NEEDED)" in line]


def test_libcurl_is_linked_by_the_issuer_alone():
    assert not any("curl" in lib
                   for lib in libraries(BUILD / "mod_cforigin.so"))
    assert not any("curl" in lib
                   for lib in libraries(BUILD / "cforigin-keeper"))
    assert any("curl" in lib for lib in libraries(BUILD / "cforigin-issuer"))


@pytest.mark.parametrize("program", ["cforigin-keeper", "cforigin-issuer"])
def test_a_program_run_by_hand_says_what_it_is_and_ends(program):
    done = subprocess.run([str(BUILD / program)], text=True,
                          stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=10, check=False)
    assert done.returncode in (0, 1)


def test_stray_environment_does_not_steer_the_issuer(httpd):
    """A proxy, a trust store of somebody's shell: none of it counts."""
    httpd.environment.update(https_proxy="http://127.0.0.1:9",
                             HTTPS_PROXY="http://127.0.0.1:9",
                             ALL_PROXY="http://127.0.0.1:9",
                             SSL_CERT_FILE="/dev/null",
                             CURL_CA_BUNDLE="/dev/null")
    httpd.managed("a.example.com")
    httpd.start()
    assert httpd.get("a.example.com").status == 200


def test_a_csr_is_signed_by_the_key_that_stays_here(httpd, cloudflare):
    httpd.managed("a.example.com")
    httpd.start()
    (create,) = cloudflare.creates()
    csr = x509.load_pem_x509_csr(create["body"]["csr"].encode())
    assert csr.is_signature_valid
    assert csr.public_key().public_numbers() == pairs.certificate(
        httpd.live("a.example.com") / "cert.pem").public_key() \
        .public_numbers()
