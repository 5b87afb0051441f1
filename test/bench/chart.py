# SPDX-License-Identifier: Apache-2.0
"""The chart of starts against the number of virtual hosts, as an SVG."""

import math

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 420, 70, 190, 50, 60
COLOURS = {"plain": "#777777", "cforigin": "#d9730d", "md": "#2563a8"}


def _ticks(low, high):
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    return [10.0 ** i for i in range(first, last + 1)]


def draw(lines, title):
    """lines: (label, colour key, dashed, [(n, seconds)])."""
    points = [p for line in lines for p in line[3]]
    xs, ys = [p[0] for p in points], [p[1] for p in points]
    xt, yt = _ticks(min(xs), max(xs)), _ticks(min(ys), max(ys))

    def x_of(n):
        span = math.log10(xt[-1] / xt[0]) or 1
        return LEFT + (WIDTH - LEFT - RIGHT) * math.log10(n / xt[0]) / span

    def y_of(s):
        span = math.log10(yt[-1] / yt[0]) or 1
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * math.log10(
            s / yt[0]) / span

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" '
           f'height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" '
           'font-family="sans-serif" font-size="12" fill="#222">',
           f"<title>{title}</title>",
           f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
           f'<text x="{LEFT}" y="24" font-size="15">{title}</text>']
    for t in xt:
        out.append(f'<path d="M{x_of(t):.1f} {TOP}V{HEIGHT - BOTTOM}" '
                   'stroke="#dddddd"/>')
        out.append(f'<text x="{x_of(t):.1f}" y="{HEIGHT - BOTTOM + 18}" '
                   f'text-anchor="middle">{t:,.0f}</text>')
    for t in yt:
        out.append(f'<path d="M{LEFT} {y_of(t):.1f}H{WIDTH - RIGHT}" '
                   'stroke="#dddddd"/>')
        out.append(f'<text x="{LEFT - 8}" y="{y_of(t) + 4:.1f}" '
                   f'text-anchor="end">{t:g} s</text>')
    out.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2:.0f}" '
               f'y="{HEIGHT - 16}" text-anchor="middle">virtual hosts</text>')
    taken = []
    for label, key, dashed, line in sorted(lines, key=lambda l: l[3][-1][1]):
        path = "M" + "L".join(f"{x_of(n):.1f} {y_of(s):.1f}"
                              for n, s in line)
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        out.append(f'<path d="{path}" fill="none" stroke="{COLOURS[key]}" '
                   f'stroke-width="2"{dash}/>')
        out += [f'<circle cx="{x_of(n):.1f}" cy="{y_of(s):.1f}" r="3" '
                f'fill="{COLOURS[key]}"/>' for n, s in line]
        y = y_of(line[-1][1]) + 4
        while any(abs(y - other) < 14 for other in taken):
            y -= 1
        taken.append(y)
        out.append(f'<text x="{WIDTH - RIGHT + 10}" y="{y:.1f}" '
                   f'fill="{COLOURS[key]}">{label}</text>')
    return "\n".join(out + ["</svg>"]) + "\n"
