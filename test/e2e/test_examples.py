# SPDX-License-Identifier: Apache-2.0
"""Every file of conf-examples is started for real. Ports and folders are
those of the test; nothing else of an example is changed."""

import re
import shutil
import subprocess

import pytest

import pairs
import waiting
from httpd import TOP
from proxy import Proxy
from tls import ECDSA_ONLY, RSA_ONLY

EXAMPLES = TOP / "conf-examples"


def text_of(httpd, name):
    """An example on this test's ports and below its folder."""
    text = (EXAMPLES / name).read_text(encoding="utf-8")
    for there, here in (("*:443", f"*:{httpd.port}"),
                        ("*:80>", f"*:{httpd.http_port}>"),
                        ("/var/www/html", f"{httpd.root}/htdocs"),
                        (" /etc/", f" {httpd.root}/etc/"),
                        (" /srv/", f" {httpd.root}/srv/")):
        text = text.replace(there, here)
    return text


@pytest.fixture
def folders(httpd):
    """What Debian has, below the test's root."""
    for name in ("etc/apache2/cforigin", "etc/ssl/certs", "etc/ssl/private",
                 "srv"):
        (httpd.root / name).mkdir(parents=True)
    httpd.write_token("etc/apache2/cforigin/token", httpd.cloudflare.token)
    return httpd.root / "etc/apache2/cforigin"


@pytest.fixture
def example(httpd, folders):
    """Takes an example into the configuration; start() is left to the test."""
    def take(name):
        httpd.server(text_of(httpd, name))
        return httpd
    return take


def get_plain(httpd, path, host="localhost"):
    """(status, body) of a request to this server without TLS."""
    done = subprocess.run(
        ["curl", "-s", "-w", "\n%{http_code}", "-H", f"Host: {host}",
         f"http://127.0.0.1:{httpd.http_port}{path}"], text=True,
        capture_output=True, check=True, timeout=20)
    body, _, status = done.stdout.rpartition("\n")
    return int(status), body


def test_one_site(example, cloudflare):
    httpd = example("one-site.conf")
    httpd.start()
    answer = httpd.get("www.example.com")
    assert answer.status == 200
    assert sorted(answer.names) == ["example.com", "www.example.com"]
    assert len(cloudflare.creates()) == 1


def test_many_sites_share_one_wildcard(example, cloudflare):
    httpd = example("many-sites-one-wildcard.conf")
    httpd.start()
    assert len({httpd.get(f"{name}.apps.example.org").sha256
                for name in ("wiki", "mail")}) == 1
    (create,) = cloudflare.creates()
    assert sorted(create["body"]["hostnames"]) \
        == ["*.apps.example.org", "apps.example.org"]


def test_files_that_are_not_there_yet_are_made(example):
    httpd = example("hand-made-files.conf")
    httpd.start()
    assert httpd.get("www.example.com").sha256 \
        == pairs.sha256(httpd.root / "etc/ssl/certs/origin.pem")


def test_files_that_were_made_by_hand_are_taken_over(example, cloudflare):
    httpd = example("hand-made-files.conf")
    cloudflare.issue_by_hand(httpd.root / "etc/ssl/certs/origin.pem",
                             httpd.root / "etc/ssl/private/origin.key",
                             ["www.example.com"])
    mine = len(cloudflare.creates())
    httpd.start()
    assert httpd.get("www.example.com").sha256 \
        == pairs.sha256(httpd.root / "etc/ssl/certs/origin.pem")
    assert len(cloudflare.creates()) == mine
    assert "adopt" in httpd.dump()


def test_rsa_and_ecc_together(example):
    httpd = example("rsa-and-ecc.conf")
    httpd.start()
    for ciphers, key in ((ECDSA_ONLY, "EC secp256r1"),
                         (RSA_ONLY, "RSA 2048")):
        answer = httpd.get("shop.example.net", ciphers=ciphers)
        assert answer.key == key
        assert answer.days == 365


def test_two_accounts(example, cloudflare):
    httpd = example("two-accounts.conf")
    httpd.write_token("etc/apache2/cforigin/token-shop",
                      cloudflare.other_token)
    httpd.start()
    assert httpd.get("www.example.com").status == 200
    assert httpd.get("shop.example.net").status == 200
    assert {create["body"]["hostnames"][0]: create["token"]
            for create in cloudflare.creates()} \
        == {"www.example.com": cloudflare.tag(cloudflare.token),
            "shop.example.net": cloudflare.tag(cloudflare.other_token)}
    assert httpd.dump().count("Zone / SSL and Certificates / Edit") == 2


def test_a_mass_of_vhosts_by_mod_macro(example, cloudflare):
    httpd = example("mass-vhosts-by-macro.conf")
    httpd.extra_modules.append("macro")
    httpd.start()
    names = [f"{word}.shops.example.net" for word in ("one", "two", "three")]
    for name in names:
        assert httpd.get(name).names == [name]
    assert len(cloudflare.creates()) == 3


def test_a_mass_of_vhosts_shares_a_wildcard_where_wanted(example, cloudflare):
    httpd = example("mass-vhosts-by-macro.conf")
    httpd.extra_modules.append("macro")
    httpd.lines[-1] = httpd.lines[-1].replace("#CFOriginCert", "CFOriginCert")
    httpd.start()
    (create,) = cloudflare.creates()
    assert create["body"]["hostnames"] == ["*.shops.example.net"]
    assert httpd.get("two.shops.example.net").status == 200


def test_behind_an_outgoing_proxy(example, cloudflare):
    with Proxy() as proxy:
        httpd = example("outgoing-proxy.conf")
        httpd.lines[-1] = httpd.lines[-1].replace(
            "proxy.example.net:3128", f"127.0.0.1:{proxy.port}")
        httpd.start()
        assert httpd.get("www.example.com").status == 200
    assert len(cloudflare.creates()) == 1
    assert proxy.requests
    for head in proxy.requests:
        assert head[0].split()[0] == "CONNECT"
        assert head[0].split()[1] == cloudflare.url.split("/")[2]
        assert cloudflare.token not in "\n".join(head)


def test_several_servers_on_one_store(make_httpd, cloudflare, tmp_path):
    tmp_path.chmod(0o755)
    servers = [make_httpd() for _ in range(2)]
    for httpd in servers:
        httpd.server(text_of(httpd, "shared-store.conf").replace(
            f"{httpd.root}/srv/", f"{tmp_path}/"))
    for httpd in servers:
        assert httpd.launch().returncode == 0
    for httpd in servers:
        httpd.await_certificate("www.example.com")
    assert len({httpd.get("www.example.com").sha256
                for httpd in servers}) == 1
    assert len(cloudflare.creates()) == 1
    assert (tmp_path / "cforigin/certs/www.example.com").exists()


def client_ca(folder):
    """A CA of our own in place of Cloudflare's, and a client of it."""
    for line in (
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
            "-subj /CN=origin-pull -days 30 -keyout ca.key -out ca.pem",
            "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
            "-subj /CN=edge -keyout edge.key -out edge.csr",
            "x509 -req -in edge.csr -CA ca.pem -CAkey ca.key -days 30 "
            "-CAcreateserial -out edge.pem"):
        subprocess.run(["openssl", *line.split()], cwd=folder, check=True,
                       capture_output=True)
    return folder / "ca.pem", folder / "edge.pem", folder / "edge.key"


def test_authenticated_origin_pulls_let_nobody_else_in(
        example, folders, tmp_path):
    authority, edge, key = client_ca(tmp_path)
    httpd = example("authenticated-origin-pulls.conf")
    shutil.copy(authority, folders / "authenticated_origin_pull_ca.pem")
    httpd.tolerate("AH02039", "AH02261", "AH02008")  # who has none is refused
    httpd.start()
    command = ["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}",
               "--cacert", httpd.cloudflare.roots, "--resolve",
               f"www.example.com:{httpd.port}:127.0.0.1",
               f"https://www.example.com:{httpd.port}/"]
    let_in = subprocess.run([*command, "--cert", edge, "--key", key],
                            text=True, capture_output=True, check=False)
    assert (let_in.stdout, let_in.stderr) == ("200", "")
    refused = subprocess.run(command, text=True, capture_output=True,
                             check=False)
    assert refused.returncode != 0 and refused.stdout == "000"


def test_remoteip_believes_cloudflare_alone(example, folders):
    httpd = example("remoteip.conf")
    httpd.extra_modules.append("remoteip")
    ranges = (EXAMPLES / "cloudflare-ips").read_text(encoding="utf-8")
    (folders / "cloudflare-ips").write_text(ranges)
    httpd.server('Header always set X-Client "expr=%{REMOTE_ADDR}"',
                 '<Location "/cforigin-status">',
                 "    SetHandler cforigin-status", "    Require local",
                 "</Location>")

    def seen_as(path="/"):
        done = subprocess.run(
            ["curl", "-sS", "-D", "-", "-o", "/dev/null", "--cacert",
             httpd.cloudflare.roots, "-H", "CF-Connecting-IP: 203.0.113.7",
             "--resolve", f"www.example.com:{httpd.port}:127.0.0.1",
             f"https://www.example.com:{httpd.port}{path}"],
            text=True, capture_output=True, check=True)
        return (int(done.stdout.split()[1]),
                re.search(r"(?i)x-client: (\S+)", done.stdout)[1])

    httpd.start()
    assert seen_as() == (200, "127.0.0.1")
    (folders / "cloudflare-ips").write_text(ranges + "127.0.0.1\n")
    httpd.graceful()
    assert seen_as() == (200, "203.0.113.7")
    httpd.tolerate("AH01630")  # client denied
    assert seen_as("/cforigin-status") == (403, "203.0.113.7")


CURL = """#!/bin/sh
for url; do :; done
case "$url" in
*v4 | *rsa*) ;;
*) [ ! -e {folder}/offline ] || exit 6 ;;
esac
echo "$url"
"""


@pytest.mark.parametrize("text, name", [
    ("conf-examples/remoteip.conf", "cloudflare-ips"),
    ("README.md", "origin_ca_roots.pem"),
    ("debian/mod_cforigin.8", "origin_ca_roots.pem")])
def test_a_file_of_cloudflares_is_replaced_by_a_whole_one_alone(
        tmp_path, text, name):
    """As the text says, with a curl that may fail at the second half."""
    (tmp_path / "new").mkdir()
    (command,) = re.findall(
        r"^\W*(cd /etc/apache2/cforigin && \(\n.*?\n[ #]*\) > .*?)$",
        (TOP / text).read_text(encoding="utf-8").replace("\\-", "-"),
        re.M | re.S)
    command = command.replace("\n#", "\n").replace(
        "/etc/apache2/cforigin", str(tmp_path / "new"))
    for program, lines in (("curl", CURL.format(folder=tmp_path)),
                           ("apache2ctl", "#!/bin/sh\n")):
        (tmp_path / program).write_text(lines)
        (tmp_path / program).chmod(0o755)

    def run():
        return subprocess.run(
            ["sh", "-c", command], check=False,
            env={"PATH": f"{tmp_path}:/usr/bin:/bin"}).returncode

    there = tmp_path / "new" / name
    there.write_text("what was there\n")
    (tmp_path / "offline").touch()
    assert run() != 0
    assert there.read_text() == "what was there\n"
    (tmp_path / "offline").unlink()
    assert run() == 0
    first, _, second = there.read_text().splitlines()
    assert first != second
    assert all(line.startswith("https://") for line in (first, second))


def test_prometheus_reads_the_status(example):
    httpd = example("monitoring.conf")
    httpd.start()
    text = (EXAMPLES / "prometheus.yml").read_text(encoding="utf-8")
    path = re.search(r"metrics_path: (\S+)", text)[1]
    wanted = re.search(r"format: \[(\w+)\]", text)[1]
    host = re.search(r'targets: \["([^:"]+):80"\]', text)[1]
    status, body = get_plain(httpd, f"{path}?format={wanted}", host)
    assert status == 200
    assert body.endswith("# EOF\n") or body.endswith("# EOF")
    assert re.search(r'^cforigin_\w+\{[^}]*www\.example\.com[^}]*\} ', body,
                     re.M)


def test_a_monitor_checks_the_status(example, cloudflare):
    httpd = example("monitoring.conf")

    def check():
        done = subprocess.run(
            [EXAMPLES / "check_cforigin",
             f"http://127.0.0.1:{httpd.http_port}/cforigin-status"],
            text=True, capture_output=True, check=False, timeout=20)
        return done.returncode, done.stdout

    code, line = check()
    assert (code, line[:10]) == (3, "UNKNOWN - ")
    cloudflare.refuse("b.example.com", 400, 1010, "not your zone")
    httpd.start()
    code, line = check()
    assert (code, line[:5]) == (0, "OK - ")
    httpd.managed("b.example.com")
    httpd.expect("b.example.com")
    httpd.graceful()
    code, line = waiting.until(
        lambda: (check() if check()[0] != 0 else None), "CRITICAL", 15, 0.2)
    assert code == 2
    assert line.startswith("CRITICAL - 1 of 2") and "b.example.com" in line


def shipped(httpd):
    """cforigin.conf, with nothing but the token's path changed."""
    httpd.directives = {key: value for key, value in httpd.directives.items()
                        if key != "CFOriginTokenFile"}
    httpd.server(text_of(httpd, "cforigin.conf"))


def test_cforigin_conf_and_two_lines_are_enough(httpd, folders):
    shipped(httpd)
    httpd.vhost("a.example.com", "CFOrigin on")  # and SSLEngine on
    httpd.start()
    assert httpd.get("a.example.com").status == 200
    status, body = get_plain(httpd, "/cforigin-status?check")
    assert (status, body.strip()) == (200, "OK - 1 certificate")


def test_cforigin_conf_without_a_token_file_and_without_managed_vhosts(
        httpd, folders, cloudflare):
    (folders / "token").unlink()
    shipped(httpd)
    httpd.vhost("a.example.com", f"SSLCertificateFile {httpd.root}/a.pem",
                f"SSLCertificateKeyFile {httpd.root}/a.key")
    pairs.self_signed(httpd.root / "a.pem", httpd.root / "a.key",
                      ["a.example.com"])
    passed, said = httpd.configtest()
    assert passed, said
    httpd.start()
    httpd.graceful()
    assert httpd.get("a.example.com", verify=False).status == 200
    assert not cloudflare.calls()


def test_each_line_of_cforigin_conf_is_good_when_it_is_used(httpd, folders):
    text = (EXAMPLES / "cforigin.conf").read_text(encoding="utf-8")
    lines = re.findall(r"^#(CFOrigin.*)$", text, re.M)
    assert len(lines) > 15
    for line in lines:
        httpd.lines = [line]
        passed, said = httpd.configtest()
        assert passed, (line, said)


def test_cforigin_load_names_what_it_needs():
    text = (EXAMPLES / "cforigin.load").read_text(encoding="utf-8")
    assert text.splitlines() == [
        "# Depends: ssl", "LoadModule cforigin_module "
        "/usr/lib/apache2/modules/mod_cforigin.so"]


def test_the_roots_are_cloudflares():
    for kind, digest in (
            ("rsa", "d3c7e85c91707fc0a12abc5d88266747"
                    "aa4fa8e7b162f633ffb3c9d989947620"),
            ("ecc", "aa63697a22764b67b2134ce14cb5690e"
                    "a336940b93986113f49545917832d80d")):
        root = EXAMPLES / f"origin_ca_{kind}_root.pem"
        assert pairs.sha256(root) == digest
        assert pairs.certificate(root).not_valid_after.isoformat() \
            == "2029-08-15T17:00:00"


def test_every_example_is_tested():
    here = (TOP / "test/e2e/test_examples.py").read_text(encoding="utf-8")
    here += (TOP / "test/e2e/test_neighbours.py").read_text(encoding="utf-8")
    for path in EXAMPLES.iterdir():
        if path.suffix != ".pem":
            assert f'"{path.name}"' in here, path.name
