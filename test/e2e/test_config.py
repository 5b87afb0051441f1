# SPDX-License-Identifier: Apache-2.0
"""Mistakes in httpd.conf are told at `httpd -t`; faults of the surroundings
are errors there alone, and no start dies of them."""

import os
import pwd
import re
import shutil
import subprocess

import pytest

import pairs
import waiting
from httpd import TOP, whom

NAME = "a.example.com"


def refused(httpd, *words):
    """-t refuses the configuration, naming all these words; so does a
    start, since it is a mistake of the text."""
    passed, said = httpd.configtest()
    assert not passed, said
    for word in words:
        assert word in said, said
    done = httpd.launch()
    assert done.returncode != 0
    httpd.tolerate(".")
    return said


VALUES = [
    # directive and value, words the message has to have
    ("CFOriginValidity 7300", ["7300", "5475", "1095"]),
    ("CFOriginValidity 0", ["\"0\"", "5475"]),
    ("CFOriginValidity 90d", ["90d", "5475"]),
    ("CFOriginValidity -7", ["-7", "5475"]),
    ("CFOriginRequestType origin-ed25519",
     ["origin-ed25519", "origin-ecc", "origin-rsa"]),
    ("CFOriginRequestType origin-ecc origin-ecc", ["origin-ecc"]),
    ("CFOriginRenewMode sometimes", ["sometimes", "auto", "manual"]),
    ("CFOriginRenewWindow 30", ["\"30\"", "30d"]),
    ("CFOriginRenewWindow 101%", ["101%", "33%"]),
    ("CFOriginWarnWindow soon", ["soon", "30d"]),
    ("CFOriginZoneID example.com", ["example.com", "32"]),
    ("CFOriginZoneID abc", ["\"abc\"", "32"]),
    ("CFOriginZoneID 0123456789abcdef0123456789abcde", ["32 hexadecimal"]),
    ("CFOriginZoneID 0123456789abcdef0123456789abcdef0", ["32 hexadecimal"]),
    ("CFOriginZoneID 0123456789abcdef0123456789abcdeg", ["32 hexadecimal"]),
    ("CFOriginStartupWait 10", ["\"10\"", "90s"]),
    ("CFOriginStartupWait 61s", ["61s", "60s"]),
    ("CFOriginStartupWait 2m", ["2m", "60s"]),
    ("CFOriginStartupWait -1s", ["-1s", "90s"]),
    ("CFOriginReload maybe", ["maybe", "auto", "off"]),
    ("CFOriginReloadInterval one", ["one", "90s"]),
    ("CFOriginRevoke all", ["all", "off", "superseded"]),
    ("CFOriginPack maybe", ["\"maybe\"", "on or off"]),
    ("CFOriginPack on off", ["takes one argument", "on|off"]),
    ("CFOriginAPI api.cloudflare.com", ["api.cloudflare.com", "https://"]),
    ("CFOriginAPI http://api.cloudflare.com/client/v4",
     ["http://api.cloudflare.com", "https://"]),
    ("CFOriginProxy proxy.example.net:3128",
     ["proxy.example.net:3128", "http://"]),
    ("CFOriginMaxConcurrent 0", ["\"0\"", "256"]),
    ("CFOriginMaxConcurrent many", ["many", "256"]),
    ("CFOriginUser nobody-of-that-name", ["nobody-of-that-name"]),
    ("CFOriginUser #0", ["#0", "must not be root"]),
    ("CFOriginUser #33x", ["#33x", "no such user"]),
    ("CFOriginUser #33 #", ["\"#\"", "no such group"]),
    ("CFOriginNotifyCommand notify.sh", ["notify.sh", "absolute"]),
]


@pytest.mark.parametrize("line, words", VALUES,
                         ids=[line for line, _ in VALUES])
def test_a_bad_value_is_named_with_what_is_allowed(httpd, line, words):
    httpd.managed(NAME)
    httpd.server(line)
    said = refused(httpd, line.split()[0], *words)
    assert "httpd.conf" in said


PORT, HOST = "its port must be a number from 1 to 65535", "it names no host"
URLS = [("https://x:99999/", PORT), ("https://x:abc/", PORT),
        ("https://x:0/", PORT), ("https://x:/", PORT),
        ("https://[::1/", HOST), ("https:///x", HOST),
        ("https://:443/", HOST), ("https://", HOST), ("https://[::g]/", HOST),
        ("https://[::1]:99999/", PORT), ("https://[::1]:x/", PORT),
        ("https://[::1]x/", HOST), ("https://a..b/", HOST),
        ("https://a$b/", HOST), ("https://x y/", "no blank")]


@pytest.mark.parametrize("name", ["CFOriginAPI", "CFOriginProxy"])
@pytest.mark.parametrize("url, word", URLS, ids=[url for url, _ in URLS])
def test_a_url_that_is_none_is_told(httpd, name, url, word):
    httpd.managed(NAME)
    httpd.server(f'{name} "{url}"')
    refused(httpd, f'{name}: "{url}" is not allowed', word)


@pytest.mark.parametrize("line", [
    "CFOriginProxy socks5://me:geheim@proxy.example.net:1",
    "CFOriginProxy me:geheim@proxy.example.net:1",
    "CFOriginProxy me:geheim://@proxy.example.net:1",
    "CFOriginAPI https://me:geheim@api.example.net/client/v4",
    "CFOriginAPI http://me:geheim@api.example.net/client/v4"])
def test_a_password_in_a_bad_value_is_not_shown(httpd, line):
    httpd.managed(NAME)
    httpd.server(line)
    said = refused(httpd, line.split()[0], "***@", ".example.net")
    assert "geheim" not in said


@pytest.mark.parametrize("line, words", [
    ("CFOrigin maybe", ["CFOrigin: \"maybe\"", "on or off"]),
    ("CFOrigin", ["CFOrigin takes one argument", "on|off"]),
    ("CFOrigin on off", ["CFOrigin takes one argument", "on|off"])])
def test_a_switch_is_on_or_off(httpd, line, words):
    httpd.vhost(NAME, line)
    refused(httpd, *words)


HOSTNAMES = [
    ("192.0.2.7", "IP address"),
    ("2001:db8::7", "IP address"),
    ("*.*.example.com", "*.*.example.com"),
    ("www.*.example.com", "www.*.example.com"),
    ("w*.example.com", "w*.example.com"),
    ("*.com", "*.com"),
    ("localhost", "localhost"),
    ("exa$mple.example.com", "exa$mple.example.com"),
    ("a..example.com", "a..example.com"),
    ("x" * 64 + ".example.com", "63"),
]


@pytest.mark.parametrize("name, word", HOSTNAMES,
                         ids=[name[:20] for name, _ in HOSTNAMES])
@pytest.mark.parametrize("how", ["CFOriginHostnames", "CFOriginCertificate",
                                 "ServerName"])
def test_a_name_the_api_cannot_take_is_an_error(httpd, how, name, word):
    if how == "CFOriginHostnames":
        httpd.vhost(NAME, "CFOrigin on", f"CFOriginHostnames {name}")
    elif how == "CFOriginCertificate":
        httpd.server(f"CFOriginCertificate shared {name}")
        httpd.managed(NAME)
    else:
        httpd.vhost(None, f"ServerName {name}", "CFOrigin on")
        if ":" in name:  # httpd takes it for a port and says so itself
            how = word = "2001:db8::7"
    said = refused(httpd, how, word)
    assert "httpd.conf:" in said


def test_hostnames_are_judged_where_nothing_is_managed(httpd):
    httpd.vhost(NAME, "CFOriginHostnames *.com", tls=False)
    refused(httpd, "CFOriginHostnames", "*.com", "httpd.conf:")


def test_201_names_are_too_many(httpd):
    names = " ".join(f"n{i}.example.com" for i in range(201))
    httpd.vhost(NAME, "CFOrigin on", f"CFOriginHostnames {names}")
    refused(httpd, "CFOriginHostnames", "201", "200", "httpd.conf:")


def test_200_names_are_not(httpd):
    names = " ".join(f"n{i}.example.com" for i in range(200))
    httpd.vhost(NAME, "CFOrigin on", f"CFOriginHostnames {names}")
    passed, said = httpd.configtest()
    assert passed, said


def test_two_certificates_of_one_name(httpd):
    httpd.server("CFOriginCertificate apps *.apps.example.org",
                 "CFOriginCertificate apps *.more.example.org")
    httpd.managed(NAME)
    refused(httpd, "CFOriginCertificate", "apps", "httpd.conf:")


def test_a_certificate_without_hostnames(httpd):
    httpd.server("CFOriginCertificate apps")
    httpd.managed(NAME)
    refused(httpd, "CFOriginCertificate", "hostname")


def test_one_target_claimed_by_two_certificates(httpd):
    """One of several vhosts with the file keeps another key beside it."""
    root = httpd.root
    httpd.vhost("a.example.com", "CFOrigin on",
                f"SSLCertificateFile {root}/origin.pem",
                f"SSLCertificateKeyFile {root}/a.key")
    httpd.vhost("b.example.com", "CFOrigin on",
                f"SSLCertificateFile {root}/origin.pem",
                f"SSLCertificateKeyFile {root}/b.key")
    refused(httpd, "SSLCertificate", "origin.pem", "httpd.conf:")


def test_a_key_claimed_by_two_certificates(httpd):
    root = httpd.root
    for name in ("a", "b"):
        httpd.vhost(f"{name}.example.com", "CFOrigin on",
                    f"SSLCertificateFile {root}/{name}.pem",
                    f"SSLCertificateKeyFile {root}/origin.key")
    refused(httpd, "origin.key", "httpd.conf:")


def test_vhosts_that_share_have_to_agree(httpd):
    httpd.vhost(NAME, "CFOrigin on", "CFOriginValidity 90")
    httpd.vhost(NAME, "CFOrigin on", "CFOriginValidity 365",
                port=httpd.http_port)
    said = refused(httpd, "CFOriginValidity", "90", "365")
    assert said.count("httpd.conf:") >= 2


def test_a_vhost_that_says_cforigin_itself_needs_a_name(httpd):
    httpd.vhost(None, "CFOrigin on")
    refused(httpd, "ServerName", "httpd.conf:")


@pytest.mark.parametrize("line", ["CFOriginHostnames a.example.com"])
def test_hostnames_belong_in_a_vhost(httpd, line):
    httpd.managed(NAME)
    httpd.server(line)
    refused(httpd, "CFOriginHostnames", "VirtualHost")


SERVER_ONLY = ["CFOriginCertificate x *.example.com",
               "CFOriginStartupWait 5s", "CFOriginReload auto",
               "CFOriginReloadInterval 60s", "CFOriginStoreDir /tmp/x",
               "CFOriginNotifyCommand /bin/true", "CFOriginRevoke off",
               "CFOriginAPI https://api.cloudflare.com/client/v4",
               "CFOriginAPICAFile /tmp/x", "CFOriginProxy http://p:1",
               "CFOriginMaxConcurrent 4", "CFOriginCARootFile /tmp/x",
               "CFOriginLibexecDir /tmp/x", "CFOriginUser root"]


@pytest.mark.parametrize("line", SERVER_ONLY)
def test_the_servers_own_settings_are_refused_in_a_vhost(httpd, line):
    httpd.vhost(NAME, "CFOrigin on", line)
    refused(httpd, line.split()[0], "<VirtualHost>")


def test_a_user_and_a_group_may_be_numbers(httpd):
    httpd.server("CFOriginUser #65534 #65534")
    httpd.managed(NAME)
    httpd.start()
    assert httpd.get(NAME).status == 200


def test_a_directive_in_htaccess_is_a_500_with_httpds_own_line(httpd):
    httpd.managed(NAME)
    httpd.start()
    htaccess = httpd.root / "htdocs/.htaccess"
    htaccess.write_text("CFOrigin on\n")
    assert httpd.get(NAME).status == 500
    httpd.expect(r"htaccess: CFOrigin not allowed here")


def test_no_token_file_is_told(httpd):
    del httpd.directives["CFOriginTokenFile"]
    httpd.managed(NAME)
    passed, said = httpd.configtest()
    assert not passed
    assert "such as CFOriginTokenFile /etc/apache2/cforigin/token" in said


# -- faults of the surroundings ---------------------------------------------

def token_missing(httpd):
    httpd.directives["CFOriginTokenFile"] = httpd.root / "no-token"
    return "CFOriginTokenFile", "no-token"


def token_empty(httpd):
    httpd.token_file.write_text("")
    return "CFOriginTokenFile", "empty"


def token_group_readable(httpd):
    httpd.token_file.chmod(0o640)
    return "CFOriginTokenFile", "chmod"


def token_of_httpds_user(httpd):
    user = whom()[0]
    shutil.chown(httpd.token_file, user)
    return ("CFOriginTokenFile", str(httpd.token_file),
            f"belongs to user {pwd.getpwnam(user).pw_uid}, as whom httpd",
            f"chown root {httpd.token_file}")


def token_of_the_issuers_user(httpd):
    httpd.server("CFOriginUser nobody")
    shutil.chown(httpd.token_file, "nobody")
    return (f"belongs to user {pwd.getpwnam('nobody').pw_uid}, whom "
            "cforigin-issuer", "chown root")


def token_is_a_directory(httpd):
    (httpd.root / "folder").mkdir(mode=0o700)
    httpd.directives["CFOriginTokenFile"] = httpd.root / "folder"
    return "CFOriginTokenFile", "folder"


def issuer_missing(httpd):
    (httpd.root / "libexec/cforigin-issuer").unlink()
    return "CFOriginLibexecDir", "cforigin-issuer"


def keeper_missing(httpd):
    (httpd.root / "libexec/cforigin-keeper").unlink()
    return "CFOriginLibexecDir", "cforigin-keeper"


def issuer_not_executable(httpd):
    (httpd.root / "libexec/cforigin-issuer").chmod(0o644)
    return "CFOriginLibexecDir", "cforigin-issuer"


def roots_missing(httpd):
    httpd.directives["CFOriginCARootFile"] = httpd.root / "no-roots.pem"
    return "CFOriginCARootFile", "no-roots.pem"


def roots_are_rubbish(httpd):
    (httpd.root / "rubbish.pem").write_text("rubbish\n")
    httpd.directives["CFOriginCARootFile"] = httpd.root / "rubbish.pem"
    return "CFOriginCARootFile", "rubbish.pem"


def api_ca_missing(httpd):
    httpd.directives["CFOriginAPICAFile"] = httpd.root / "no-ca.pem"
    return "CFOriginAPICAFile", "no-ca.pem"


def api_ca_is_a_folder(httpd):
    httpd.directives["CFOriginAPICAFile"] = httpd.root / "htdocs"
    return "CFOriginAPICAFile", "htdocs", "no regular file"


def api_ca_is_a_device(httpd):
    httpd.directives["CFOriginAPICAFile"] = "/dev/null"
    return "CFOriginAPICAFile", "/dev/null", "no regular file"


def api_ca_is_empty(httpd):
    (httpd.root / "empty.pem").write_text("")
    httpd.directives["CFOriginAPICAFile"] = httpd.root / "empty.pem"
    return "CFOriginAPICAFile", "empty.pem", "no certificate"


def api_ca_is_rubbish(httpd):
    httpd.directives["CFOriginAPICAFile"] = "/etc/passwd"
    return "CFOriginAPICAFile", "/etc/passwd", "no certificate"


def test_a_trust_file_of_trusted_certificates_is_one(httpd, cloudflare):
    """As on RHEL: blocks that say what a root is trusted for."""
    path = httpd.root / "trusted.pem"
    path.write_text(subprocess.run(
        ["openssl", "x509", "-in", cloudflare.api_ca, "-trustout",
         "-addtrust", "serverAuth"], check=True, capture_output=True,
        text=True).stdout)
    assert "BEGIN TRUSTED CERTIFICATE" in path.read_text()
    path.chmod(0o644)
    httpd.directives["CFOriginAPICAFile"] = path
    httpd.managed(NAME)
    httpd.start()
    assert httpd.get(NAME).status == 200
    assert httpd.configtest()[0]


def store_is_a_file(httpd):
    httpd.store.write_text("a file\n")
    return "CFOriginStoreDir", "store"


def store_open_to_all(httpd):
    httpd.store.mkdir()
    httpd.store.chmod(0o777)
    return "CFOriginStoreDir", "has mode 0777", "chmod"


FAULTS = [token_missing, token_empty, token_group_readable,
          token_is_a_directory, issuer_missing, keeper_missing,
          issuer_not_executable, roots_missing,
          roots_are_rubbish, api_ca_missing, api_ca_is_a_folder,
          api_ca_is_a_device, api_ca_is_empty, api_ca_is_rubbish,
          store_is_a_file, store_open_to_all]
if os.geteuid() == 0:  # else all is one user
    FAULTS += [token_of_httpds_user, token_of_the_issuers_user]


@pytest.mark.parametrize("fault", FAULTS, ids=[f.__name__ for f in FAULTS])
def test_a_fault_of_the_surroundings_is_an_error_at_configtest_alone(
        httpd, cloudflare, fault):
    httpd.managed(NAME)
    httpd.vhost("plain.example.com", tls=False, port=httpd.http_port)
    words = fault(httpd)
    passed, said = httpd.configtest()
    assert not passed
    for word in words:
        assert word in said, said
    # a start survives: 503 there, and the log says why
    httpd.start()
    assert httpd.get(NAME, verify=False).status == 503
    httpd.graceful()
    assert httpd.get(NAME, verify=False).status == 503
    assert not cloudflare.creates()
    httpd.expect(r"cforigin:(error|warn|crit)")
    assert not httpd.log.matching(r"\\x"), "a path is cut"


if os.geteuid() == 0:  # only root can give folders away
    def test_a_store_that_others_could_replace_is_a_warning(httpd):
        above = httpd.root / "above"
        above.mkdir()
        shutil.chown(above, whom()[0])
        httpd.directives["CFOriginStoreDir"] = above / "store"
        httpd.managed(NAME)
        passed, said = httpd.configtest()
        assert passed
        words = f"the directory {above} belongs to another user"
        assert words in said and "chown it to root" in said
        httpd.expect(rf"cforigin:warn.*{words}")
        httpd.start()
        assert httpd.get(NAME).status == 200


def test_a_notify_command_that_is_not_there_is_a_warning(httpd):
    """The first event may be years away, and it keeps nothing from working."""
    program = httpd.root / "tell-me"
    httpd.server(f"CFOriginNotifyCommand {program}")
    httpd.managed(NAME)
    for mode, words in ((None, "No such file"), (0o644, "Permission denied"),
                        (0o755, None)):
        if mode:
            program.write_text("#!/bin/sh\n")
            program.chmod(mode)
        passed, said = httpd.configtest()
        assert passed
        assert ("CFOriginNotifyCommand" in said) == bool(words), said
        assert f"{program} can't be run: {words}" in said or not words, said


def test_a_store_whose_parents_are_missing_is_made(httpd):
    httpd.directives["CFOriginStoreDir"] = httpd.root / "deep/er/store"
    httpd.managed(NAME)
    passed, said = httpd.configtest()
    assert passed, said
    assert not (httpd.root / "deep").exists()
    httpd.start()
    assert httpd.get(NAME).status == 200
    assert (httpd.root / "deep/er/store/certs" / NAME).is_dir()


@pytest.mark.parametrize("text, word", [
    ("v1.0-" + "0123456789abcdef" * 9, "2026-09-30"), (" \n\t\n", "no token"),
    ("two words", "token"), ("x" * 100000, "token")],
    ids=["an Origin CA key", "white space", "two words", "far too long"])
def test_a_token_files_content_is_told_by_the_first_who_reads_it(
        httpd, cloudflare, text, word):
    """-t does not: the parent never has a token in its memory."""
    httpd.write_token("token", text)
    httpd.managed(NAME)
    httpd.expect(rf"cforigin:error.*{word}")
    httpd.start()
    assert httpd.get(NAME, verify=False).status == 503
    assert not cloudflare.creates()
    assert not any(text.strip() and text[:40] in line
                   for line in httpd.log.lines() if text.strip())


def test_a_fault_of_the_surroundings_does_not_hinder_a_stop(httpd):
    httpd.managed(NAME)
    httpd.start()
    httpd.token_file.chmod(0o644)
    httpd.tolerate("cforigin:")
    done = httpd.run("-k", "stop")
    assert done.returncode == 0, done.stderr
    waiting.until(lambda: not httpd.is_running(), "stop", 5)


def test_an_api_ca_file_that_the_issuers_user_cannot_read_is_told(
        httpd, cloudflare):
    copy = httpd.root / "private-ca.pem"
    shutil.copy(cloudflare.api_ca, copy)
    copy.chmod(0o600 if os.geteuid() == 0 else 0)
    httpd.directives["CFOriginAPICAFile"] = copy
    httpd.managed(NAME)
    passed, said = httpd.configtest()
    assert not passed
    assert "CFOriginAPICAFile" in said and "private-ca.pem" in said


# -- what is good stays good ------------------------------------------------

GOOD = ["CFOriginValidity 7", "CFOriginRequestType origin-rsa",
        "CFOriginRequestType origin-rsa origin-ecc",
        "CFOriginRenewMode manual", "CFOriginRenewWindow 33%",
        "CFOriginRenewWindow 12h", "CFOriginWarnWindow 0",
        "CFOriginZoneID 0123456789abcdef0123456789abcdef",
        "CFOriginStartupWait 0", "CFOriginStartupWait 60s",
        "CFOriginReload off", "CFOriginReloadInterval 90s",
        "CFOriginNotifyCommand \"/bin/true with words\"",
        "CFOriginRevoke superseded", "CFOriginProxy http://127.0.0.1:3128",
        "CFOriginProxy http://me:geheim@proxy_1.example.net:65535/",
        "CFOriginProxy http://[2001:db8::1]", "CFOriginProxy https://10.0.0.1:1",
        "CFOriginAPI https://[::1]:8443/client/v4/",
        "CFOriginAPI http://[::1]:8080/", "CFOriginAPI http://localhost",
        "CFOriginMaxConcurrent 256", "CFOrigin ON", "CFOriginPack Off"]


@pytest.mark.parametrize("line", GOOD)
def test_a_good_value_passes(httpd, line):
    httpd.managed(NAME)
    httpd.server(line)
    passed, said = httpd.configtest()
    assert passed, said


def test_a_vhost_overrides_what_it_inherits(httpd, cloudflare):
    httpd.server("CFOriginValidity 90", "CFOriginRequestType origin-rsa")
    httpd.managed("a.example.com")
    httpd.vhost("b.example.com", "CFOrigin on", "CFOriginValidity 365",
                "CFOriginRequestType origin-ecc")
    httpd.start()
    asked = {c["body"]["hostnames"][0]:
             (c["body"]["requested_validity"], c["body"]["request_type"])
             for c in cloudflare.creates()}
    assert asked == {"a.example.com": (90, "origin-rsa"),
                     "b.example.com": (365, "origin-ecc")}


def test_cforigin_off_in_a_vhost_switches_off_what_it_inherits(
        httpd, cloudflare):
    httpd.server("CFOrigin on")
    httpd.vhost("a.example.com")
    pairs.self_signed(httpd.root / "b.pem", httpd.root / "b.key",
                      ["b.example.com"])
    httpd.vhost("b.example.com", "CFOrigin off",
                f"SSLCertificateFile {httpd.root}/b.pem",
                f"SSLCertificateKeyFile {httpd.root}/b.key")
    httpd.start()
    assert [c["body"]["hostnames"] for c in cloudflare.creates()] \
        == [["a.example.com"]]
    assert httpd.get("b.example.com", verify=False).sha256 \
        == pairs.sha256(httpd.root / "b.pem")


@pytest.mark.parametrize("lines, told", [
    (["CFOriginValidity 90"], "90 days, renewed 30d before its end"),
    (["CFOriginValidity 7"], "7 days, renewed 56h before its end, a third"),
    (["CFOriginValidity 30", "CFOriginRenewWindow 50%"],
     "30 days, renewed 10d before its end, a third of its life, as "
     "CFOriginRenewWindow 50% is more"),
    (["CFOriginValidity 7", "CFOriginRenewWindow 33%"],
     "7 days, renewed 33% before its end\n"),
    (["CFOriginValidity 7", "CFOriginRenewMode manual"],
     "7 days, never renewed by itself (CFOriginRenewMode manual)")])
def test_the_dump_tells_the_window_that_holds(httpd, lines, told):
    httpd.vhost(NAME, "CFOrigin on", *lines)
    assert told in httpd.dump()


def without(httpd):
    """What the dump says of a httpd without the module, and how such a one
    fares: {vhost: why it would not start}, whether it starts."""
    section = httpd.dump().partition("\nwithout mod_cforigin\n")[2]
    found = dict(re.findall(
        r"^  (\S+) \(.*\): httpd would not start, (.*)$",
        re.split(r"^\S", section, flags=re.M)[0], re.M))
    httpd.with_module = False
    starts = httpd.configtest()[0] and httpd.launch().returncode == 0
    if starts:
        waiting.until(lambda: httpd.pid, "httpd without the module", 10)
        httpd.stop()
    httpd.with_module = True
    return found, starts


def test_the_dump_names_the_vhosts_httpd_would_not_start_without(httpd):
    """With no certificate lines, with files that are still missing, with
    files that are there, with lines of the server's own scope."""
    httpd.expect("AH02572", "no certificate assigned", "AH02312", "AH00016")
    nothing = "no SSLCertificateFile is written for it"
    httpd.managed("a.example.com")
    httpd.vhost("plain.example.com", tls=False, port=httpd.http_port)
    assert without(httpd) == ({f"a.example.com:{httpd.port}": nothing}, False)
    httpd.start()
    httpd.forget_vhosts()
    for name in ("a", "b"):
        httpd.vhost(f"{name}.example.com", "CFOrigin on",
                    f"SSLCertificateFile {httpd.root}/{name}.pem",
                    f"SSLCertificateKeyFile {httpd.root}/{name}.key")
    assert without(httpd) == (
        {f"{name}.example.com:{httpd.port}":
         f"{httpd.root}/{name}.pem is not there" for name in ("a", "b")},
        False)
    httpd.graceful()
    waiting.until(lambda: "without mod_cforigin" not in httpd.dump(),
                  "the files, written after a reload", 20)
    httpd.stop()
    assert without(httpd) == ({}, True)


def test_certificate_lines_of_the_server_count_for_its_vhosts(httpd):
    pairs.self_signed(httpd.root / "own.pem", httpd.root / "own.key",
                      ["a.example.com"])
    httpd.server(f"SSLCertificateFile {httpd.root}/own.pem",
                 f"SSLCertificateKeyFile {httpd.root}/own.key")
    httpd.managed("a.example.com")
    assert without(httpd) == ({}, True)


def test_without_mod_ssl_its_directives_stay_unknown(httpd):
    """Our note of SSLEngine must not hide that nobody acts on it."""
    httpd.managed(NAME)
    text = "\n".join(line for line in httpd.text().splitlines()
                     if "ssl_module" not in line
                     and "SSLSessionCache" not in line
                     and "socache" not in line)
    httpd.config.write_text(text)
    done = httpd.run("-t", configure=False)
    assert done.returncode != 0
    assert "SSLEngine" in done.stderr


def test_the_load_file_loads_the_module(httpd):
    line = (TOP / "conf-examples/cforigin.load").read_text()
    assert "LoadModule cforigin_module" in line
    assert line.strip().endswith("/mod_cforigin.so")


def test_a_key_in_a_token_is_mod_ssls_alone(httpd):
    """pkcs11: is no file: nothing is written there, and mod_ssl says itself
    what it thinks of it."""
    httpd.vhost(NAME, "CFOrigin on",
                "SSLCertificateFile pkcs11:token=x;object=y",
                "SSLCertificateKeyFile pkcs11:token=x;object=y")
    said = httpd.dump()
    assert "vhost a.example.com" in said and "foreign" in said
    assert "\n  files " not in said


@pytest.mark.parametrize("line", ["CFOriginTargetCertificate /x.pem",
                                  "CFOriginTargetKey /x.key"])
def test_the_names_of_taken_lines_are_no_directives(httpd, line):
    httpd.vhost(NAME, "CFOrigin on", line)
    refused(httpd, "Invalid command", line.split()[0], "SSLCertificate")


def hash_of(httpd):
    """What a restart of our own goes by."""
    said = httpd.run("-t", "-D", "CFORIGIN_RELOADCHECK").stdout
    return [line for line in said.splitlines() if "tree-hash" in line]


def test_another_module_is_another_configuration(httpd):
    """LoadModule is not in the tree."""
    httpd.managed(NAME)
    before = hash_of(httpd)
    assert len(before) == 1 and hash_of(httpd) == before
    httpd.extra_modules = ["rewrite"]
    assert hash_of(httpd) != before


@pytest.mark.parametrize("line", ["ServerRoot", "DefaultRuntimeDir"])
def test_another_root_is_another_configuration(httpd, line):
    """Neither are these, where relative paths begin."""
    (httpd.root / "other").mkdir()
    httpd.managed(NAME)
    before = hash_of(httpd)
    httpd.server(f"{line} {httpd.root}/other")
    assert len(before) == 1 and hash_of(httpd) != before
