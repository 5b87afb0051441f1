# SPDX-License-Identifier: Apache-2.0
"""What ended, froze or misled a real httpd when it was tried. One test each,
by the number it was found under."""

import os
import signal
import socket
import subprocess
import threading

import pytest

import pairs
import procs
import tls
import waiting
from conftest import MPMS
from httpd import BUILD
from test_targets import target_lines

every_mpm = pytest.mark.parametrize("mpm", MPMS)


def serves(httpd, name="a.example.com"):
    return httpd.get(name).status == 200


@every_mpm
def test_b01_a_fault_of_the_surroundings_ends_no_running_server(
        httpd, cloudflare):
    """check_config runs at a reload, a start and even a stop; an error there
    ended the server, or kept it from stopping."""
    httpd.managed("a.example.com")
    httpd.start()
    httpd.token_file.chmod(0o644)
    (httpd.root / "libexec/cforigin-issuer").unlink()
    httpd.tolerate("cforigin:")
    httpd.graceful()
    assert serves(httpd)
    httpd.restart()
    assert serves(httpd)
    assert httpd.run("-k", "stop").returncode == 0
    waiting.until(lambda: not httpd.is_running(), "stop", 5)


def test_b02_a_half_done_edit_is_not_loaded_by_our_own_restart(
        httpd, cloudflare):
    """-t passed, the unattended graceful ended the server: a Listen whose
    port was taken."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        cloudflare.delay(2)
        httpd.server("CFOriginStartupWait 0")
        httpd.managed("a.example.com")
        httpd.start()
        good = list(httpd.lines)
        httpd.server(f"Listen 127.0.0.1:{taken.getsockname()[1]}")
        httpd.configure()
        httpd.tolerate("cforigin:")
        waiting.until(lambda: httpd.log.matching(
            r"cforigin:.*(differ|changed).*"), "word of the edit", 30)
        assert httpd.generations() == 1
        assert httpd.is_running()
        httpd.lines = good
    httpd.graceful()
    assert serves(httpd)


@every_mpm
def test_b03_no_program_of_ours_holds_a_listener(httpd, cloudflare):
    """A forked keeper kept the port after a stop: Address already in use."""
    cloudflare.hang()
    httpd.server("CFOriginStartupWait 0")
    httpd.managed("a.example.com")
    httpd.start()
    waiting.until(lambda: httpd.issuers, "issuer", 8)
    if os.geteuid() == 0:  # nobody else is shown what they hold
        for program in httpd.keepers + httpd.issuers:
            assert "0A" not in program.connections()
    workers = set(p.pid for p in httpd.processes())
    httpd.signal(signal.SIGTERM)
    waiting.until(lambda: not any(procs.Process(p).is_alive()
                                  for p in workers), "stop", 3)
    cloudflare.release()
    httpd.start()
    httpd.await_certificate("a.example.com")


@every_mpm
@pytest.mark.parametrize("end", ["kill -9 $$", "kill -11 $$", "exit 1",
                                 "exit 0", "kill -15 $$", "echo rubbish",
                                 "echo '{\"event\":'", "kill -1 $$"])
def test_b04_however_a_keeper_ends_the_server_stays(httpd, end):
    """httpd asks a dead child's status before it asks whose child it was."""
    keeper = httpd.root / "libexec/cforigin-keeper"
    keeper.unlink()
    # without a sanitizer's library, which would have a word on signal 11
    keeper.write_text("#!/usr/bin/env -S -u LD_PRELOAD sh\n"
                      f"# {httpd.root}\n{end}\n")
    keeper.chmod(0o755)
    httpd.vhost("plain.example.com", tls=False, port=httpd.http_port)
    httpd.managed("a.example.com")
    httpd.tolerate("cforigin:")
    httpd.start()
    assert httpd.get("a.example.com", verify=False).status == 503
    httpd.graceful()
    assert httpd.get("a.example.com", verify=False).status == 503


@pytest.mark.parametrize("plan", [b"", b"rubbish\n", b"{}\n", b"\0" * 9999,
                                  b"{\"round\":{}}\n" * 3])
def test_b04_the_keeper_exits_with_0_or_1_and_nothing_else(plan, tmp_path):
    """Exit code 15 ends httpd, 7 counts as a sick worker."""
    (tmp_path / "plan").write_bytes(plan)
    with open(tmp_path / "plan", "rb") as stdin:
        done = subprocess.run([str(BUILD / "cforigin-keeper"), "--parent",
                               str(os.getpid())], stdin=stdin, check=False,
                              capture_output=True, timeout=10)
    assert done.returncode in (0, 1)


@every_mpm
def test_b05_another_child_that_ends_after_the_keeper_crashes_nothing(
        httpd, cloudflare):
    """A record that was not unregistered: the parent crashed when a piped
    logger ended later. (A keeper that a start waits for is not looked for by
    the MPM, one in the background is.)"""
    cloudflare.delay(0.5)
    httpd.server("CFOriginStartupWait 0", "CFOriginReload off")
    httpd.server(f"CustomLog \"|/usr/bin/rotatelogs {httpd.root}/logs/a 86400"
                 "\" common")
    httpd.managed("a.example.com")
    httpd.start()
    (keeper,) = waiting.until(lambda: httpd.keepers, "keeper", 5)
    waiting.until(lambda: not os.path.exists(f"/proc/{keeper.pid}"),
                  "end of the keeper, seen by its parent", 10)
    for _ in range(2):
        loggers = waiting.until(lambda: httpd.programs("rotatelogs"),
                                "logger", 5)
        for logger in loggers:
            os.kill(logger.pid, signal.SIGKILL)
        waiting.until(lambda: not any(p.is_alive() for p in loggers),
                      "end of the logger", 5)
        assert httpd.get("a.example.com", verify=False).status == 503
    httpd.tolerate("AH00106", "cforigin:warn.*reload is wanted")
    waiting.until(lambda: httpd.programs("rotatelogs"), "a new logger", 10)
    assert httpd.is_running()


def test_b06_a_switch_of_current_while_a_reload_reads_ends_nothing(
        httpd, cloudflare):
    """Certificate of one generation, key of the next: AH02565, server gone
    at the seventh graceful."""
    names = [f"n{i}.example.com" for i in range(12)]
    httpd.managed(*names)
    httpd.start()
    httpd.stop()
    httpd.forget_vhosts()
    for name in names:
        httpd.managed(name, aliases=[f"www.{name}"])
    httpd.start()
    over = threading.Event()

    def switch():
        number = 0
        while not over.is_set():
            number += 1
            for name in names:
                link = httpd.folder(name) / "next"
                link.symlink_to(str(number % 2 + 1))
                link.rename(httpd.folder(name) / "current")

    httpd.forget_vhosts()
    httpd.managed(*names)
    httpd.tolerate("cforigin:warn.*a reload is wanted")
    switcher = threading.Thread(target=switch)
    switcher.start()
    try:
        for _ in range(10):
            httpd.graceful()
    finally:
        over.set()
        switcher.join()
    for name in names:
        assert serves(httpd, name)
    assert len(cloudflare.creates()) == 24


@pytest.mark.parametrize("mpm", ["prefork", "event"])
def test_b07_a_restart_does_not_interrupt_a_post(httpd, cloudflare):
    """prefork sends HUP to its whole group at a restart: a keeper in it died
    between the POST and its answer."""
    cloudflare.delay(3)
    httpd.server("CFOriginStartupWait 0", "CFOriginReloadInterval 1s")
    httpd.managed("a.example.com")
    httpd.start()
    waiting.until(lambda: cloudflare.calls(), "the POST", 8)
    (keeper,) = httpd.keepers
    before = httpd.generations()
    httpd.signal(signal.SIGHUP)
    httpd.await_generations(before + 1)
    assert keeper.is_alive()
    httpd.await_certificate("a.example.com")
    assert len(cloudflare.creates()) == 1


def test_b07_the_keeper_takes_default_signals(httpd, cloudflare):
    """SIGTERM was ignored, SIGPIPE inherited: a stop took five seconds."""
    cloudflare.hang()
    httpd.server("CFOriginStartupWait 0")
    httpd.managed("a.example.com")
    httpd.start()
    waiting.until(lambda: httpd.issuers, "issuer", 8)
    for program in httpd.keepers + httpd.issuers:
        ignored = int(program.status["SigIgn"], 16)
        assert not ignored & 1 << signal.SIGTERM - 1
        assert not ignored & 1 << signal.SIGHUP - 1
        assert int(program.status["SigBlk"], 16) == 0


def test_b08_a_certificate_of_the_server_scope_is_overridden(
        httpd, cloudflare):
    """It came back when the vhost's own lines were taken out: served 200
    with the server's certificate, its chain attached to our leaf."""
    root = httpd.root
    pairs.self_signed(root / "s.pem", root / "s.key", ["s.example.com"])
    httpd.server(f"SSLCertificateFile {root}/s.pem",
                 f"SSLCertificateKeyFile {root}/s.key",
                 f"SSLCertificateChainFile {root}/s.pem")
    httpd.managed("a.example.com")
    httpd.vhost("s.example.com")
    httpd.start()
    assert httpd.get("a.example.com").names == ["a.example.com"]
    assert httpd.get("s.example.com", verify=False).names == ["s.example.com"]
    chain = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{httpd.port}",
         "-servername", "a.example.com", "-showcerts"], text=True,
        stdin=subprocess.DEVNULL, capture_output=True, check=False).stdout
    assert chain.count("BEGIN CERTIFICATE") <= 2  # leaf shown once or twice
    assert "s.example.com" not in chain


def test_b08_nor_does_it_stand_in_while_there_is_none(httpd, cloudflare):
    """The fallback of mod_ssl would have answered 200 with it."""
    root = httpd.root
    pairs.self_signed(root / "s.pem", root / "s.key", ["s.example.com"])
    cloudflare.hang()
    httpd.server(f"SSLCertificateFile {root}/s.pem",
                 f"SSLCertificateKeyFile {root}/s.key",
                 "CFOriginStartupWait 0")
    httpd.managed("a.example.com")
    httpd.start()
    answer = httpd.get("a.example.com", verify=False)
    assert answer.is_fallback and answer.status == 503


def test_b09_a_server_left_out_of_the_plan_does_not_end_the_start(
        httpd, cloudflare):
    """SSLEngine on and CFOrigin on in the server's scope, nothing to ask
    for: AH02572, the start failed."""
    httpd.server("SSLEngine on", "CFOrigin on", "ServerName localhost")
    httpd.vhost("a.example.com")
    httpd.vhost(None, port=httpd.http_port)
    httpd.tolerate("cforigin:warn")
    httpd.start()
    assert serves(httpd)
    httpd.port = httpd.http_port
    assert httpd.get("x.example.com", verify=False).status == 503


def test_b10_the_fallback_needs_no_disk(httpd, cloudflare):
    """It was written by the parent; on a disk that can't be written there
    was none, and mod_ssl ended the start."""
    httpd.directives["CFOriginStoreDir"] = "/proc/cforigin-store"
    httpd.managed("a.example.com")
    httpd.expect(r"cforigin:(error|warn|crit).*/proc/cforigin-store")
    httpd.start()
    answer = httpd.get("a.example.com", verify=False)
    assert answer.is_fallback and answer.status == 503
    assert not cloudflare.creates()
    httpd.graceful()
    assert httpd.get("a.example.com", verify=False).status == 503


def hold_download(httpd, name):
    """A client that asked for a large file and reads none of it."""
    conn = tls.connect(httpd.port, name, httpd.cloudflare.roots)
    conn.sendall(f"GET /large HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
    assert conn.recv(1)
    return conn


def test_b11_our_own_restart_waits_while_old_generations_linger(
        httpd, cloudflare):
    """A slow download a generation: after eight gracefuls no connection was
    answered any more."""
    (httpd.root / "htdocs/large").write_bytes(bytes(64 * 1024 * 1024))
    httpd.mpm_lines = ["StartServers 1", "ServerLimit 4",
                       "ThreadsPerChild 4", "MaxRequestWorkers 16",
                       "MinSpareThreads 1", "MaxSpareThreads 8"]
    httpd.managed("a.example.com")
    httpd.tolerate("AH03490", "AH00484", "AH10159", "cforigin:")
    httpd.start()
    held = []
    try:
        for _ in range(3):
            held.append(hold_download(httpd, "a.example.com"))
            httpd.graceful()
        httpd.managed("b.example.com")
        httpd.graceful()
        waiting.until(lambda: (httpd.folder("b.example.com")
                               / "current").is_symlink(), "certificate", 20)
        waiting.until(lambda: httpd.log.matching(
            r"cforigin:.*(older|previous|linger|scoreboard)"),
            "word of the wait", 30)
        assert httpd.generations() == 5
        assert serves(httpd)
    finally:
        for conn in held:
            conn.close()
    httpd.await_certificate("b.example.com", 90)


def test_b12_25_vhosts_with_one_hand_made_file_share_a_certificate(
        httpd, cloudflare):
    """Each would have got its own and written it over the others'."""
    folder = httpd.root / "etc"
    folder.mkdir()
    names = [f"n{i}.example.com" for i in range(25)]
    for name in names:
        httpd.vhost(name, "CFOrigin on", *target_lines(folder))
    httpd.start()
    (create,) = cloudflare.creates()
    assert sorted(create["body"]["hostnames"]) == sorted(names)
    assert {httpd.get(name).sha256 for name in names} \
        == {pairs.sha256(folder / "origin.pem")}


@pytest.mark.parametrize("rubbish", ["", "not a certificate\n", None])
def test_b13_a_target_that_is_garbage_does_not_end_a_start(httpd, rubbish):
    """mod_ssl loads every entry: a garbage file beside a good pair was
    AH02562, and the start failed."""
    folder = httpd.root / "etc"
    folder.mkdir()
    httpd.vhost("a.example.com", "CFOrigin on", *target_lines(folder))
    httpd.start()
    served = httpd.get("a.example.com").sha256
    httpd.stop()
    if rubbish is None:
        (folder / "origin.pem").unlink()
    else:
        (folder / "origin.pem").write_text(rubbish)
    httpd.tolerate("cforigin:")
    httpd.start()
    assert httpd.get("a.example.com").sha256 == served
    httpd.graceful()
    assert httpd.get("a.example.com").sha256 == served


def test_b14_a_template_included_twice_gives_each_vhost_its_own_lines(
        httpd, cloudflare):
    """Both server records have the same file and line."""
    root = httpd.root
    (root / "etc").mkdir()
    template = root / "conf/template.conf"
    template.write_text(
        f"<VirtualHost *:{httpd.port}>\nServerName ${{SITE}}\nSSLEngine on\n"
        "CFOrigin on\n"
        f"SSLCertificateFile {root}/etc/${{SITE}}.pem\n"
        f"SSLCertificateKeyFile {root}/etc/${{SITE}}.key\n"
        "</VirtualHost>\n")
    httpd.server("Define SITE a.example.com", f"Include {template}",
                 "Define SITE b.example.com", f"Include {template}")
    httpd.start()
    for name in ("a.example.com", "b.example.com"):
        assert httpd.get(name).sha256 \
            == pairs.sha256(root / f"etc/{name}.pem")


def test_b14_macros_and_nested_conditions_are_understood(httpd, cloudflare):
    """The tree is whole and expanded when the lines are looked for."""
    root = httpd.root
    (root / "etc").mkdir()
    httpd.extra_modules = ["macro"]
    httpd.server(f"<Macro Site $name>\n<VirtualHost *:{httpd.port}>\n"
                 "ServerName $name\n<IfModule ssl_module>\nSSLEngine on\n"
                 f"SSLCertificateFile {root}/etc/$name.pem\n"
                 f"SSLCertificateKeyFile {root}/etc/$name.key\n"
                 "</IfModule>\nCFOrigin on\n</VirtualHost>\n</Macro>",
                 "Use Site a.example.com", "Use Site b.example.com")
    httpd.start()
    for name in ("a.example.com", "b.example.com"):
        assert httpd.get(name).sha256 \
            == pairs.sha256(root / f"etc/{name}.pem")


@pytest.mark.parametrize("how", ["nothing", "optional", "off"])
def test_b15_managed_needs_sslengine_on_in_words(httpd, cloudflare, how):
    """mod_ssl turns TLS on by itself for a `Listen … https` with a
    certificate; with the lines taken out the port spoke plain HTTP."""
    root = httpd.root
    pairs.self_signed(root / "x.pem", root / "x.key", ["a.example.com"])
    port = httpd.http_port
    lines = [f"SSLCertificateFile {root}/x.pem",
             f"SSLCertificateKeyFile {root}/x.key"]
    if how != "nothing":
        lines.append(f"SSLEngine {how}")
    httpd.vhost("a.example.com", "CFOrigin on", *lines, tls=False, port=port)
    text = httpd.text().replace(f"Listen 127.0.0.1:{port}\n",
                                f"Listen 127.0.0.1:{port} https\n")
    text = text.replace(f"<VirtualHost *:{port}>",
                        f"<VirtualHost 127.0.0.1:{port}>")
    httpd.text = lambda: text
    httpd.expect(r"cforigin:warn.*SSLEngine")
    httpd.tolerate(r"ssl:")
    httpd.start()
    assert not cloudflare.creates()
    if how == "nothing":
        httpd.port = port
        assert httpd.get("a.example.com", verify=False).sha256 \
            == pairs.sha256(root / "x.pem")


@every_mpm
def test_b16_the_fallback_answers_503_to_every_request_over_tls(
        httpd, cloudflare):
    """mod_ssl's own 503 comes with a matching SNI alone: 200 with content
    for an unknown name or none."""
    cloudflare.hang()
    httpd.server("CFOriginStartupWait 0")
    httpd.managed("a.example.com")
    httpd.vhost("a.example.com", tls=False, port=httpd.http_port)
    httpd.start()
    for sni in (True, False):
        for name in ("a.example.com", "unknown.example.com"):
            for method in ("GET", "HEAD", "POST"):
                answer = httpd.get(name, verify=False, sni=sni,
                                   method=method)
                assert answer.status == 503
                assert int(answer.headers["retry-after"]) > 0
    with socket.create_connection(("127.0.0.1", httpd.http_port)) as plain:
        plain.sendall(b"GET / HTTP/1.0\r\nHost: a.example.com\r\n\r\n")
        assert b" 200 " in plain.recv(100)


@every_mpm
def test_b17_the_start_command_returns_before_the_wait_of_a_cold_start(
        httpd, cloudflare):
    """No pid file yet: `-k stop` says "not running". TERM to the process
    itself works, and the port is queueing meanwhile."""
    cloudflare.hang()
    httpd.server("CFOriginStartupWait 30s")
    httpd.managed("a.example.com")
    assert httpd.launch().returncode == 0
    waiting.until(lambda: httpd.issuers, "issuer", 8)
    assert httpd.pid is None
    with socket.create_connection(("127.0.0.1", httpd.port), timeout=2):
        pass
    os.kill(httpd.keepers[0].parent, signal.SIGTERM)
    waiting.until(lambda: not httpd.processes(), "end of everything", 3)
