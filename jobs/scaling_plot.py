# SPDX-License-Identifier: Apache-2.0
"""Four plots of a scaling table as one SVG: time, speed-up, efficiency, shares. Measured: dots and lines; predicted: dashes."""
import math

COLOURS = {"precompute": "#1b6ca8", "train": "#c0392b", "sample": "#2e8b57"}
WIDE, HIGH, EDGE = 330, 230, 50


def panel(left, top, title, series, log_y, scale_x=math.log2):
    """series: (colour, dash, [(x, value)])"""
    xs = [x for _, _, line in series for x, _ in line]
    ys = [y for _, _, line in series for _, y in line if y > 0 or not log_y]
    low, high = (min(ys), max(ys)) if log_y else (0, max(ys + [1e-9]))
    if log_y:
        low, high = math.log10(low) - 0.05, math.log10(high) + 0.05
    first, last = scale_x(min(xs)), scale_x(max(xs))

    def place(x, y):
        across = (scale_x(x) - first) / (last - first) if last > first else 0.5
        y = math.log10(max(y, 1e-12)) if log_y else y
        return left + EDGE + across * (WIDE - EDGE - 15), top + HIGH - 35 - (y - low) / (high - low or 1) * (HIGH - 65)

    out = [f'<text x="{left + WIDE / 2}" y="{top + 16}" text-anchor="middle" font-weight="bold">{title}</text>']
    before = -math.inf
    for x in sorted(set(xs)):
        px, py = place(x, 10**low if log_y else low)
        if px - before > 20:  # room for a label
            out.append(f'<text x="{px:.1f}" y="{py + 16:.1f}" text-anchor="middle">{x:g}</text>')
            before = px
    for i in range(5):
        value = low + (high - low) * i / 4
        value = 10**value if log_y else value
        _, py = place(min(xs), value)
        out.append(f'<line x1="{left + EDGE}" x2="{left + WIDE - 15}" y1="{py:.1f}" y2="{py:.1f}" stroke="#ddd"/>'
                   f'<text x="{left + EDGE - 5}" y="{py + 4:.1f}" text-anchor="end">{value:.3g}</text>')
    for colour, dash, line in series:
        points = [place(x, y) for x, y in line]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        dots = "" if dash else "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points)
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" {f"stroke-dasharray={chr(34)}{dash}{chr(34)}" if dash else ""}/>{dots}')
    return "".join(out)


def plot(kind, rows):
    def series(columns):
        lines = []
        for stage, colour in COLOURS.items():
            own = [r for r in rows if r["stage"] == stage]
            for column, dash in columns:
                if own:
                    lines.append((colour, dash, [(r["ranks"], r[column]) for r in own]))
        return lines

    panels = [
        panel(0, 30, "time (training: ms a step; others: s)", series((("measured", ""), ("predicted", "5 4"))), True),
        panel(WIDE, 30, "speed-up", series((("speed-up", ""), ("predicted speed-up", "5 4"))), False),
        panel(0, 30 + HIGH, "efficiency", series((("efficiency", ""), ("predicted efficiency", "5 4"))), False),
        panel(WIDE, 30 + HIGH, "share of time: communication (dots), files (dotted)",
              series((("communication", ""), ("files", "1 3"), ("predicted communication", "5 4"))), False),
    ]
    keys = "".join(f'<tspan fill="{colour}">{stage}&#160;&#160;&#160;</tspan>' for stage, colour in COLOURS.items())
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{2 * WIDE}" height="{2 * HIGH + 40}" font-family="sans-serif" '
            f'font-size="11"><rect width="100%" height="100%" fill="white"/><text x="10" y="18">{kind} scaling over ranks: {keys}'
            f'dots measured, dashes predicted; across: ranks</text>{"".join(panels)}</svg>\n')
