# SPDX-License-Identifier: Apache-2.0
"""The manual page, the README's table and the directives themselves tell the
same; the README's commands do what it says."""

import html
import json
import re
import subprocess

import pytest

import waiting
from httpd import TOP
from test_package import where_things_go

README = (TOP / "README.md").read_text(encoding="utf-8")
PAGE = TOP / "debian/mod_cforigin.8"
CONTEXTS = {"S": "server", "V": "virtual host"}
DEBIANS = {"data": "/usr/share/apache2/cforigin",
           "store": "/var/lib/apache2/cforigin",
           "programs": "/usr/lib/apache2"}


def directives():
    """As directives.c registers them; what it only listens to left out."""
    text = (TOP / "mod_cforigin/directives.c").read_text(encoding="utf-8")
    return re.findall(r'AP_INIT_\w+\(\s*"(CFOrigin\w*)"', text)


def manual():
    """[(directive, Syntax, Default, Context, Example)], as written."""
    text = PAGE.read_text(encoding="utf-8").replace("\\-", "-")
    text = re.sub(r"\\f[BPI]", "", text).replace("\\e", "\\")
    found = []
    for name, body in re.findall(
            r"^\.SS (CFOrigin\w*)\n(.*?)(?=^\.S[HS] )", text, re.M | re.S):
        entry = re.findall(r"^(\w+):\t+(.*)$", body, re.M)
        assert [key for key, _ in entry] == ["Syntax", "Default", "Context",
                                             "Example"], name
        found.append((name, *[value for _, value in entry]))
    return found


def table():
    """The same of the README's table."""
    found = []
    for row in re.findall(r"^\| `CFOrigin.*$", README, re.M):
        syntax, context, default, meaning = (
            cell.strip().replace("\\|", "|")
            for cell in re.split(r"(?<!\\)\|", row)[1:5])
        syntax = syntax.strip("`").replace("…", "...")
        found.append((syntax.split()[0], syntax, default.strip("`"),
                      ", ".join(CONTEXTS[word] for word in context.split()),
                      re.match(r"`([^`]+)`", meaning)[1]))
    return found


def fetch(httpd, path):
    """A page of the test's httpd, without TLS."""
    return subprocess.run(
        ["curl", "-s", f"http://127.0.0.1:{httpd.http_port}/{path}"],
        text=True, capture_output=True, check=True, timeout=20).stdout


def known_to_httpd(httpd):
    """[(directive, syntax, default)] of the module that runs, by mod_info;
    with Debian's paths, which the texts have."""
    httpd.extra_modules.append("info")
    httpd.server('<Location "/server-info">', "    SetHandler server-info",
                 "</Location>")
    httpd.start()
    page = fetch(httpd, "server-info?mod_cforigin.c")
    here = where_things_go()
    found = []
    for name, text in re.findall(r"<tt>(CFOrigin\w*) - <i>(.*?)</i>", page):
        if text.startswith("not to be written"):
            continue
        syntax, default = re.match(r"(.*?) \(default (.*?)\): ",
                                   html.unescape(text)).groups()
        for place, path in DEBIANS.items():
            if default.startswith(here[place]):
                default = path + default[len(here[place]):]
                break
        found.append((name, f"{name} {syntax}", default))
    return found


def test_page_table_and_module_tell_the_same(httpd):
    """Syntax, default, context and example, of each directive once."""
    page = manual()
    assert len(page) > 20
    assert sorted(page) == sorted(table())
    assert sorted(entry[:3] for entry in page) \
        == sorted(known_to_httpd(httpd))


def test_the_shipped_file_shows_what_is_in_force():
    text = (TOP / "conf-examples/cforigin.conf").read_text(encoding="utf-8")
    text = text[text.index("# What is in force when nothing is said."):]
    defaults, _, examples = text.partition("# Examples of what is not")
    defaults, examples = (dict(re.findall(r"^#(CFOrigin\w*) (.*)$", part,
                                          re.M))
                          for part in (defaults, examples))
    there = {name: default for name, _, default, _, _ in manual()}
    assert defaults == {name: there[name] for name in defaults}
    assert len(defaults) >= 16
    left = set(there) - set(defaults) - set(examples)
    assert left == {"CFOriginTokenFile", "CFOriginHostnames"}


@pytest.mark.parametrize("name", directives())
def test_the_contexts_are_the_true_ones(httpd, name):
    """The example passes where it may stand, and is refused elsewhere."""
    context, line = next(entry[3:] for entry in manual() if entry[0] == name)
    line = line.replace("CFOriginUser cforigin", "CFOriginUser nobody")
    for place, allowed in (("server", "server" in context),
                           ("vhost", "virtual host" in context),
                           ("directory", False)):
        httpd.lines, httpd.vhosts = [], []
        if place == "vhost":
            httpd.vhost("a.example.com", line, tls=False)
        elif place == "directory":
            httpd.server(f'<Directory "{httpd.root}">', line, "</Directory>")
        else:
            httpd.server(line)
        passed, said = httpd.configtest()
        assert passed == allowed, (place, said)
        assert allowed or name in said


def test_the_readme_lists_every_example():
    for path in (TOP / "conf-examples").glob("*.conf"):
        if path.name != "cforigin.conf":
            assert f"(conf-examples/{path.name}) |" in README, path.name


def test_the_page_is_good_roff():
    done = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8",
                           "-Z", PAGE], text=True, capture_output=True,
                          env={"PATH": "/usr/bin:/bin", "MANWIDTH": "80",
                               "LC_ALL": "C.UTF-8"}, check=True)
    assert done.stderr == ""


# -- "Does it work?" ---------------------------------------------------------

def command(httpd, program):
    """The README's command, on this test's port and roots."""
    (line,) = re.findall(rf"^    ({program} .*)$",
                         README[README.index("## Does it work?"):
                                README.index("## Directives")], re.M)[:1]
    line = line.replace("/usr/share/apache2/cforigin/origin_ca_roots.pem",
                        str(httpd.cloudflare.roots))
    line = line.replace(":443", f":{httpd.port}")
    line = line.replace("https://www.example.com/",
                        f"https://www.example.com:{httpd.port}/")
    return subprocess.run(["sh", "-c", line.replace("localhost", "127.0.0.1")],
                          text=True, capture_output=True, check=False,
                          timeout=30)


def status(httpd):
    return json.loads(fetch(httpd, "cforigin-status?format=json"))


@pytest.fixture
def shown(httpd):
    httpd.server('<Location "/cforigin-status">',
                 "    SetHandler cforigin-status", "    Require local",
                 "</Location>")
    return httpd


def test_the_commands_show_that_it_works(shown):
    shown.managed("www.example.com")
    shown.start()
    seen = command(shown, "openssl s_client")
    assert "Verify return code: 0 (ok)" in seen.stdout, seen
    seen = command(shown, "curl --cacert")
    assert (seen.returncode, seen.stdout) == (0, "it works\n"), seen
    # A browser that gets past Cloudflare does not know the Origin CA.
    seen = subprocess.run(
        ["curl", "-sS", "--resolve",
         f"www.example.com:{shown.port}:127.0.0.1",
         f"https://www.example.com:{shown.port}/"], text=True,
        capture_output=True, check=False, timeout=20)
    assert seen.returncode == 60
    assert [c["state"] for c in status(shown)["certificates"]] == ["ok"]


def test_526_is_a_stand_in_and_the_status_has_the_advice(shown, cloudflare):
    cloudflare.refuse("www.example.com", 400, 1010, "not your zone")
    shown.managed("www.example.com")
    shown.expect("www.example.com.*1010")
    shown.start()
    assert "Verify return code: 0 (ok)" \
        not in command(shown, "openssl s_client").stdout
    assert command(shown, "curl --cacert").returncode == 60
    answer = shown.get("www.example.com", verify=False)
    assert answer.status == 503 and "retry-after" in answer.headers
    (certificate,) = waiting.until(
        lambda: [c for c in status(shown)["certificates"]
                 if c["state"] == "error"], "the status", 15, 0.2)
    assert certificate["last_error"]["code"] == 1010
    assert "zone" in certificate["last_error"]["advice"]
    assert certificate["last_error"]["advice"] in README


def test_526_is_a_name_that_is_not_on_it(shown):
    shown.managed("other.example.com")
    shown.start()
    assert command(shown, "curl --cacert").returncode == 60
    (certificate,) = status(shown)["certificates"]
    assert "www.example.com" not in certificate["hostnames"]


def test_525_is_a_vhost_without_ssl(shown):
    shown.vhost("www.example.com", "CFOrigin on", tls=False)
    shown.expect("SSLEngine")
    shown.start()
    assert command(shown, "curl --cacert").returncode == 35
    assert status(shown)["certificates"] == []
    assert "SSLEngine on is not said for it" in shown.dump()


def test_521_is_a_server_that_is_not_there(shown):
    shown.managed("www.example.com")
    shown.start()
    shown.stop()
    assert command(shown, "curl --cacert").returncode == 7


def test_the_dump_names_the_permissions(httpd):
    httpd.managed("www.example.com")
    edit, read = "Zone / SSL and Certificates / Edit", "Zone / Zone / Read"
    assert edit in README and read in README
    said = httpd.dump()
    assert edit in said and f"{read}, to find" in said
    httpd.server("CFOriginZoneID 0123456789abcdef0123456789abcdef")
    assert f"{read} is not needed" in httpd.dump()
