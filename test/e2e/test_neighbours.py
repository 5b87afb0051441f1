# SPDX-License-Identifier: Apache-2.0
"""The neighbours: other servers on the files that the module wrote, and
another module that looks after certificates in the same httpd."""

import contextlib
import os
import re
import shutil
import subprocess
import tempfile

import pytest

import pairs
import tls
import waiting
from pebble import Pebble
from ports import free_port
from test_examples import EXAMPLES, text_of

HAPROXY = """
global
    log stderr format raw local0
defaults
    mode http
    timeout connect 5s
    timeout client 5s
    timeout server 5s
frontend tls
    bind 127.0.0.1:%(port)d ssl crt %(pem)s
    http-request return status 200 content-type text/plain string "haproxy"
"""
NGINX = """
daemon off;
pid %(folder)s/nginx.pid;
error_log stderr;
events { }
http {
    access_log off;
    client_body_temp_path %(folder)s/b; proxy_temp_path %(folder)s/p;
    fastcgi_temp_path %(folder)s/f; uwsgi_temp_path %(folder)s/u;
    scgi_temp_path %(folder)s/s;
    server {
        listen 127.0.0.1:%(port)d ssl;
        ssl_certificate %(certificate)s;
        ssl_certificate_key %(key)s;
        location / { return 200 "nginx"; }
    }
}
"""

CADDY = """
{
    admin off
    auto_https off
    storage file_system %(folder)s/caddy
}
https://www.example.com:%(port)d {
    bind 127.0.0.1
    tls %(certificate)s %(key)s
    respond "caddy"
}
"""


@contextlib.contextmanager
def neighbour(program, text, folder, *before):
    """A server of another kind, run until the block ends."""
    config = folder / f"{program}.conf"
    config.write_text(text)
    path = shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin")
    with subprocess.Popen([path, *before, str(config)], text=True,
                          stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.wait(10)


def served(process, port, name, roots):
    """What it answers to a client that verifies."""
    def look():
        assert process.poll() is None, process.stdout.read()
        try:
            return tls.fetch(port, name, roots=roots)
        except ConnectionRefusedError:
            return None
    return waiting.until(look, "the neighbour's answer", 10)


def test_haproxy_serves_a_target_that_holds_both(httpd, tmp_path):
    """One SSLCertificateFile and no key file: both are in it."""
    httpd.vhost("a.example.com", "CFOrigin on",
                f"SSLCertificateFile {tmp_path}/both.pem")
    httpd.start()
    port = free_port()
    text = HAPROXY % {"port": port, "pem": tmp_path / "both.pem"}
    with neighbour("haproxy", text, tmp_path, "-db", "-f") as process:
        answer = served(process, port, "a.example.com",
                        httpd.cloudflare.roots)
    assert answer.body == b"haproxy"
    assert answer.sha256 == httpd.get("a.example.com").sha256


def test_haproxy_serves_what_the_notify_command_joined(httpd):
    """The example of a folder for HAProxy, both types in it; nginx and Caddy
    on the files beside."""
    for name in ("etc/ssl/certs", "etc/ssl/private", "etc/haproxy/certs"):
        (httpd.root / name).mkdir(parents=True)
    shutil.copy2(EXAMPLES / "join-for-haproxy", httpd.root)
    text = text_of(httpd, "shared-with-others.conf")
    httpd.server(text.replace("/usr/local/sbin", str(httpd.root)))
    httpd.start()
    served_here = httpd.get("www.example.com").sha256
    joined = httpd.root / "etc/haproxy/certs/www.example.com.origin-ecc.pem"
    waiting.until(joined.exists, "the notify command", 15)
    assert joined.stat().st_mode & 0o777 == 0o600
    for program, text, before in (
            ("haproxy", HAPROXY, ["-db", "-f"]), ("nginx", NGINX, ["-c"]),
            ("caddy", CADDY, ["run", "--adapter", "caddyfile", "--config"])):
        port = free_port()
        text %= {"port": port, "pem": joined.parent, "folder": httpd.root,
                 "certificate": httpd.root / "etc/ssl/certs/origin.pem",
                 "key": httpd.root / "etc/ssl/private/origin.key"}
        with neighbour(program, text, httpd.root, *before) as process:
            assert served(process, port, "www.example.com",
                          httpd.cloudflare.roots).sha256 == served_here


def commands(httpd, of):
    """What the comment of an example tells an administrator to run, below
    the test's folder."""
    text = (EXAMPLES / of).read_text(encoding="utf-8")
    for there, here in (("/usr/local/sbin", httpd.root / "sbin"),
                        ("/etc/haproxy", httpd.root / "etc/haproxy"),
                        ("/var/lib/apache2/cforigin", httpd.store)):
        text = text.replace(there, str(here))
    lines = re.findall(r"^#   ((?:install|CFORIGIN_STORE=)(?:.*\\\n)?.*)$",
                       text, re.M)
    return [line.replace("\n#", "\n") for line in lines]


def test_haproxys_folder_is_filled_by_hand_for_what_was_there_before(
        httpd, cloudflare):
    """A pair that was taken over tells no event. A request type whose folder
    is broken is left out, and nothing else."""
    for name in ("etc/ssl/certs", "etc/ssl/private", "sbin"):
        (httpd.root / name).mkdir(parents=True)
    cloudflare.issue_by_hand(httpd.root / "etc/ssl/certs/origin.pem",
                             httpd.root / "etc/ssl/private/origin.key",
                             ["www.example.com"])
    *before, by_hand = commands(httpd, "shared-with-others.conf")
    assert len(before) == 2
    for line in before:
        subprocess.run(["sh", "-c", line], cwd=EXAMPLES, check=True)
    httpd.server(text_of(httpd, "shared-with-others.conf").replace(
        "/usr/local/sbin", f"{httpd.root}/sbin"))
    httpd.start()
    served = httpd.get("www.example.com").sha256
    waiting.until(lambda: httpd.live("www.example.com").exists()
                  and not httpd.keepers, "the pair in the store", 10)
    folder = httpd.root / "etc/haproxy/certs"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert not list(folder.iterdir())
    broken = httpd.folder("www.example.com", "a-type")
    broken.mkdir()
    (broken / "current").symlink_to("7")
    for _ in range(2):
        done = subprocess.run(["sh", "-c", by_hand], check=True, text=True,
                              capture_output=True)
        assert "a-type/current does not lead to" in done.stderr
        (joined,) = folder.iterdir()
        assert joined.name == "www.example.com.origin-ecc.pem"
        assert joined.stat().st_mode & 0o777 == 0o600
        assert pairs.sha256(joined) == served
    shutil.rmtree(httpd.live("www.example.com"))
    done = subprocess.run(["sh", "-c", by_hand], check=False,
                          capture_output=True)
    assert done.returncode == 1 and list(folder.iterdir()) == [joined]


def test_nginx_is_reloaded_as_the_example_says(httpd):
    (line,) = re.findall(r"^#   (CFOriginNotifyCommand .*nginx.*)$",
                         (EXAMPLES / "shared-with-others.conf").read_text(),
                         re.M)
    nginx = httpd.root / "nginx"
    nginx.write_text(f'#!/bin/sh\necho "$*" >> {httpd.root}/told\n')
    nginx.chmod(0o755)
    httpd.server(line.replace("nginx", str(nginx)))
    httpd.managed("a.example.com")
    httpd.start()
    told = httpd.root / "told"
    waiting.until(lambda: told.exists() and told.read_text(),
                  "the notify command", 15)
    assert told.read_text() == "-s reload\n"


def beside_mod_md(httpd, *more):
    """mod_md with a CA that nobody answers for."""
    httpd.extra_modules += ["watchdog", "md"]
    httpd.server(f"MDCertificateAuthority https://127.0.0.1:{free_port()}/",
                 f"MDStoreDir {httpd.root}/md", *more)
    httpd.tolerate(r"\[md:", "AH10085")
    return httpd


def asked_for(cloudflare):
    return [create["body"]["hostnames"] for create in cloudflare.creates()]


def test_what_mod_md_waits_for_is_left_to_it(httpd, cloudflare):
    """Over a start, reloads and another start."""
    beside_mod_md(httpd, text_of(httpd, "beside-mod_md.conf"))
    httpd.start()

    def look():
        assert httpd.get("www.example.com").status == 200
        theirs = httpd.get("direct.example.org", verify=False)
        assert theirs.status == 503 and not theirs.is_fallback
        assert asked_for(cloudflare) == [["www.example.com"]]

    look()
    httpd.graceful()
    look()
    httpd.server("MDomain later.example.org")
    httpd.managed("new.example.com", "later.example.org")
    httpd.graceful()
    httpd.await_certificate("new.example.com")
    assert asked_for(cloudflare) == [["www.example.com"],
                                     ["new.example.com"]]
    assert not httpd.get("later.example.org", verify=False).is_fallback
    httpd.restart()
    assert httpd.get("www.example.com").status == 200
    assert len(asked_for(cloudflare)) == 2
    assert "mod_md is loaded" in httpd.dump()


def test_what_mod_md_serves_is_left_to_it(httpd, cloudflare):
    pairs.self_signed(httpd.root / "md.pem", httpd.root / "md.key",
                      ["direct.example.org"])
    beside_mod_md(httpd, "<MDomainSet direct.example.org>",
                  f"    MDCertificateFile {httpd.root}/md.pem",
                  f"    MDCertificateKeyFile {httpd.root}/md.key",
                  "</MDomainSet>")
    httpd.managed("direct.example.org", "www.example.com")
    httpd.start()
    for _ in range(2):
        assert httpd.get("www.example.com").status == 200
        theirs = httpd.get("direct.example.org", verify=False)
        assert theirs.status == 200
        assert theirs.sha256 == pairs.sha256(httpd.root / "md.pem")
        assert asked_for(cloudflare) == [["www.example.com"]]
        httpd.graceful()


@pytest.fixture
def pebble(httpd):
    with tempfile.TemporaryDirectory(prefix="cforigin-acme-") as folder:
        os.chmod(folder, 0o755)  # for httpd's User, who asks it
        with Pebble(folder, httpd.http_port, httpd.port) as acme:
            yield acme
            httpd.stop()  # first, or mod_md misses its CA


@pytest.mark.parametrize("challenge, inherited", [("http-01", False),
                                                  ("tls-alpn-01", True)])
def test_mod_md_gets_its_own_by_acme_beside_us(httpd, cloudflare, pebble,
                                               challenge, inherited):
    """Before its certificate is there, when it is, and ever after."""
    httpd.extra_modules += ["watchdog", "md"]
    httpd.server("Protocols http/1.1 acme-tls/1",
                 f"MDStoreDir {httpd.root}/md", "MDContactEmail a@b.org",
                 f"MDCertificateAuthority {pebble.url}",
                 f"MDCACertificateFile {pebble.api_ca}",
                 "MDCertificateAgreement accepted",
                 f"MDCAChallenges {challenge}",
                 f"MDPortMap http:{httpd.http_port} https:{httpd.port}",
                 "MDomain direct.example.org",
                 # Else a thread of each new child asks its CA when to renew,
                 # and a child that ends meanwhile may crash at its exit.
                 "<IfDirective MDRenewViaARI>", "MDRenewViaARI off",
                 "</IfDirective>",
                 "CFOrigin on" if inherited else "CFOrigin off")
    httpd.vhost("www.example.com", "" if inherited else "CFOrigin on")
    httpd.vhost("direct.example.org")
    httpd.expect("AH10085: Init: direct.example.org:443 will respond with")
    httpd.start()
    ours = httpd.get("www.example.com")
    theirs = httpd.get("direct.example.org", verify=False)
    assert (ours.status, theirs.status) == (200, 503)
    assert not theirs.is_fallback
    waiting.until(lambda: httpd.log.matching("AH10059.* direct.example.org "),
                  lambda: httpd.story("mod_md's certificate"), 20)
    httpd.graceful()

    def look():
        try:
            return httpd.get("direct.example.org", roots=pebble.roots)
        except OSError:  # a worker of the generation before
            return None

    first = waiting.until(look, "mod_md's certificate", 10)
    assert (first.status, first.names) == (200, ["direct.example.org"])
    for again in (httpd.graceful, httpd.restart, httpd.graceful):
        again()
        theirs = httpd.get("direct.example.org", roots=pebble.roots)
        assert (theirs.status, theirs.sha256) == (200, first.sha256)
        mine = httpd.get("www.example.com")
        assert (mine.status, mine.sha256) == (200, ours.sha256)
    assert len(httpd.log.matching("AH10085")) == 2  # both of the first start
    assert asked_for(cloudflare) == [["www.example.com"]]
    assert [path.name for path in httpd.store.glob("certs/*")] \
        == ["www.example.com"]
    assert [path.name for path in (httpd.root / "md/domains").iterdir()] \
        == ["direct.example.org"]
