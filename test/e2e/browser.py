# SPDX-License-Identifier: Apache-2.0
"""A real browser, headless: what it makes of a page. Scripts are on, so that
one that should not be there would run."""

import html.parser
import shutil
import subprocess
import tempfile

import waiting


def dump(url, width=1280):
    """The document as it stands after loading, as HTML again."""
    folder = tempfile.mkdtemp(prefix="cforigin-browser-")
    try:
        done = subprocess.run(
            ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu",
             "--disable-dev-shm-usage", "--no-first-run",
             "--disable-background-networking", f"--window-size={width},900",
             f"--user-data-dir={folder}", "--dump-dom", url],
            capture_output=True, text=True, check=False,
            timeout=60 * waiting.PATIENCE)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    assert done.returncode == 0 and done.stdout, done.stderr[-2000:]
    return Page(done.stdout)


class Page(html.parser.HTMLParser):
    """Elements, attributes and texts of a dumped document."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.source = text
        self.tags, self.attributes = set(), set()
        self.title, self.texts, self.rows = "", [], 0
        self.quiet = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.rows += tag == "tr"
        if tag in ("style", "title"):
            self.quiet.append(tag)

    def handle_endtag(self, tag):
        if self.quiet and self.quiet[-1] == tag:
            self.quiet.pop()
        if tag in ("dt", "dd", "td", "th", "p", "li", "h1", "h2", "h3"):
            self.texts.append(" ")

    def handle_data(self, data):
        if not self.quiet:
            self.texts.append(data)
        elif self.quiet[-1] == "title":
            self.title += data

    @property
    def text(self):
        return " ".join("".join(self.texts).split())
