# SPDX-License-Identifier: Apache-2.0
"""The neighbours: other servers on the files that the module wrote, and
another module that looks after certificates in the same httpd."""

import contextlib
import shutil
import subprocess

import pairs
import tls
import waiting
from httpd import free_port
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
