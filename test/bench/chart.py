# SPDX-License-Identifier: Apache-2.0
"""The chart of starts against the number of virtual hosts, as an SVG for
light and dark pages: two panels with one scale, all of it wall time."""

import math

WIDTH, HEIGHT = 860, 500
LEFT, GAP, RIGHT, TOP, BOTTOM = 64, 24, 16, 132, 52
PANEL = (WIDTH - LEFT - GAP - RIGHT) / 2

STYLE = """
.page { fill: #ffffff } text { fill: #1f2328 } .grid { stroke: #d8dee4 }
.plain { --c: #6e7781 } .cforigin { --c: #bc4c00 } .at_once { --c: #e8863a }
.md { --c: #0969da }
.line { fill: none; stroke: var(--c); stroke-width: 2 }
.dashed { stroke-dasharray: 6 4 } .mark { fill: var(--c) }
@media (prefers-color-scheme: dark) {
.page { fill: #0d1117 } text { fill: #e6edf3 } .grid { stroke: #30363d }
.plain { --c: #9198a1 } .cforigin { --c: #f0883e }
.at_once { --c: #ffc38a } .md { --c: #58a6ff }
}"""

# key: a title, then its lines: key, label, dashed
PANELS = (
    ("steady", "Start with a good store", (
        ("md", "mod_md", False),
        ("cforigin", "mod_cforigin", False),
        ("plain", "plain mod_ssl", False))),
    ("cold", "Cold start, to the last site served", (
        ("md", "mod_md, pebble at 0 ms", False),
        ("cforigin", "mod_cforigin, API at 200 ms", False),
        ("at_once", "mod_cforigin, API at 0 ms", True),
        ("plain", "plain mod_ssl, nothing to ask for", False))),
)


def _ticks(values):
    """Powers of ten around all values, two at least."""
    first = math.floor(math.log10(min(values)))
    last = max(first + 1, math.ceil(math.log10(max(values))))
    return [10.0 ** i for i in range(first, last + 1)]


def _mark(key, x, y):
    """Told apart by form, too."""
    if key == "plain":
        return (f'<rect x="{x - 3:.1f}" y="{y - 3:.1f}" width="6" height="6" '
                'class="mark"/>')
    if key == "md":
        return (f'<path d="M{x:.1f} {y - 4:.1f}l4 7h-8z" class="mark"/>')
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" class="mark"/>'


class _Panel:
    def __init__(self, left, x_ticks, y_ticks):
        self.left, self.x_ticks, self.y_ticks = left, x_ticks, y_ticks

    def x_of(self, n):
        low, high = self.x_ticks[0], self.x_ticks[-1]
        return self.left + PANEL * math.log(n / low) / math.log(high / low)

    def y_of(self, seconds):
        low, high = self.y_ticks[0], self.y_ticks[-1]
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * math.log(
            seconds / low) / math.log(high / low)

    def grid(self, with_seconds):
        out = []
        for n in self.x_ticks:
            x = self.x_of(n)
            out.append(f'<path d="M{x:.1f} {TOP}V{HEIGHT - BOTTOM}" '
                       'class="grid"/>')
            anchor = "start" if n == self.x_ticks[0] else "end" \
                if n == self.x_ticks[-1] else "middle"
            out.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 18}" '
                       f'text-anchor="{anchor}">{n:,.0f}</text>')
        for s in self.y_ticks:
            y = self.y_of(s)
            out.append(f'<path d="M{self.left:.1f} {y:.1f}h{PANEL:.1f}" '
                       'class="grid"/>')
            if with_seconds:
                out.append(f'<text x="{self.left - 8:.1f}" y="{y + 4:.1f}" '
                           f'text-anchor="end">{s:g} s</text>')
        return out

    def line(self, key, dashed, points):
        places = [(self.x_of(n), self.y_of(s)) for n, s in points]
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
        return [f'<g class="{key}"><path d="M{path}" '
                f'class="line{" dashed" if dashed else ""}"/>',
                *[_mark(key, x, y) for x, y in places], "</g>"]

    def legend(self, lines):
        """Above the panel, where no line comes."""
        out = []
        for number, (key, label, dashed) in enumerate(lines):
            x, y = self.left, 54 + 20 * number
            out += [f'<g class="{key}"><path d="M{x} {y}h28" '
                    f'class="line{" dashed" if dashed else ""}"/>',
                    _mark(key, x + 14, y), "</g>",
                    f'<text x="{x + 38}" y="{y + 4}">{label}</text>']
        return out


def draw(found):
    """found: {panel: {line: {n: seconds}}}, some of those above."""
    points = [point for lines in found.values() for line in lines.values()
              for point in line.items()]
    x_ticks, y_ticks = (_ticks(values) for values in zip(*points))
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" '
           f'height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" '
           'font-family="sans-serif" font-size="13">',
           "<title>Seconds of a start, by virtual hosts</title>",
           f"<style>{STYLE}</style>",
           f'<rect width="{WIDTH}" height="{HEIGHT}" class="page"/>']
    for number, (name, title, lines) in enumerate(PANELS):
        panel = _Panel(LEFT + number * (PANEL + GAP), x_ticks, y_ticks)
        out.append(f'<text x="{panel.left:.1f}" y="28" '
                   f'font-size="16">{title}</text>')
        out += panel.grid(number == 0)
        here = [line for line in lines if found.get(name, {}).get(line[0])]
        for key, _, dashed in reversed(here):
            out += panel.line(key, dashed, sorted(found[name][key].items()))
        out += panel.legend(here)
        out.append(f'<text x="{panel.left + PANEL / 2:.1f}" '
                   f'y="{HEIGHT - 12}" text-anchor="middle">virtual hosts '
                   '(wall time)</text>')
    return "\n".join(out + ["</svg>"]) + "\n"
