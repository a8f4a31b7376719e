"""A small SVG writer: two kinds of charts, log scales, readable in light and dark."""

import math
from html import escape

from harness import milliseconds

STYLE = """
text{font:13px system-ui,-apple-system,"Segoe UI",sans-serif;fill:#1f2328}
.page{fill:#fff}.title{font-size:16px;font-weight:600}.case{font-weight:600}.small{font-size:11px}
.muted{fill:#59636e}.grid{stroke:#d1d9e0}.ours{fill:#0969da}.other{fill:#bc4c00}.floor{fill:#59636e}
.bold{font-weight:600}.line{fill:none;stroke-width:2}
.line.ours{stroke:#0969da}.line.other{stroke:#bc4c00}.line.floor{stroke:#59636e;stroke-dasharray:4 3}
@media(prefers-color-scheme:dark){
text{fill:#e6edf3}.page{fill:#0d1117}.muted{fill:#9198a1}.grid{stroke:#30363d}
.ours{fill:#4493f8}.other{fill:#f0883e}.floor{fill:#9198a1}.line{fill:none}
.line.ours{stroke:#4493f8}.line.other{stroke:#f0883e}.line.floor{stroke:#9198a1}}
"""


class Svg:
    def __init__(self, width, height, title):
        self.parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">',
            f"<title>{escape(title)}</title><style>{STYLE}</style>",
            f'<rect class="page" width="{width}" height="{height}" rx="6"/>',
        ]

    def text(self, x, y, text, classes="", anchor="start"):
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" class="{classes}" text-anchor="{anchor}">{escape(text)}</text>')

    def rule(self, x1, y1, x2, y2):
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="grid"/>')

    def dot(self, x, y, classes, radius=4.5):
        self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" class="{classes}"/>')

    def path(self, points, classes):
        joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(f'<polyline points="{joined}" class="line {classes}"/>')

    def save(self, path):
        path.write_text("\n".join(self.parts + ["</svg>", ""]))


def decades(values):
    """The powers of ten that enclose all values."""
    low = math.floor(math.log10(min(values)))
    high = math.ceil(math.log10(max(values)))
    return [10.0**power for power in range(low, max(high, low + 1) + 1)]


def log_position(value, ticks, start, end):
    share = (math.log10(value) - math.log10(ticks[0])) / (math.log10(ticks[-1]) - math.log10(ticks[0]))
    return start + share * (end - start)


def tick_text(value):
    """A power of ten in milliseconds."""
    return f"{value / 1000:g} s" if value >= 1000 else f"{value:g} ms"


def dots(path, title, notes, blocks):
    """One block per case: [(case, [(tool, class, milliseconds or None, annotation)])]."""
    left, right, width, row = 150, 600, 760, 19
    height = 84 + sum(34 + row * len(rows) for _, rows in blocks) + 20 * len(notes)
    ticks = decades([value for _, rows in blocks for _, _, value, _ in rows if value])
    svg = Svg(width, height, title)
    svg.text(20, 30, title, "title")
    bottom = height - 20 * len(notes) - 28
    for tick in ticks:
        x = log_position(tick, ticks, left, right)
        svg.rule(x, 58, x, bottom)
        svg.text(x, 52, tick_text(tick), "small muted", "middle")
    y = 58
    for case, rows in blocks:
        y += 26
        svg.text(20, y, case, "case")
        y += 8
        for tool, kind, value, annotation in rows:
            y += row
            weight = "bold" if kind == "ours" else ""
            svg.text(left - 10, y, tool, weight, "end")
            if value is None:
                svg.text(left + 6, y, "✗", "muted")
                continue
            x = log_position(value, ticks, left, right)
            svg.dot(x, y - 4.5, kind)
            svg.text(x + 10, y, f"{milliseconds(value)}  {annotation}".rstrip(), f"small {weight}")
    for index, note in enumerate(notes):
        svg.text(20, bottom + 24 + 20 * index, note, "small muted")
    svg.save(path)


def panels(path, title, notes, legend, charts):
    """Small multiples, two a row, one scale of time: [(heading, x label, {class: [(x, milliseconds)]})]."""
    panel_width, panel_height = 380, 250
    rows = (len(charts) + 1) // 2
    height = 70 + rows * panel_height + 20 * len(notes) + 10
    svg = Svg(2 * panel_width, height, title)
    svg.text(20, 30, title, "title")
    x = 20
    for kind, name in legend:
        svg.path([(x, 48), (x + 24, 48)], kind)
        svg.text(x + 30, 52, name, "bold" if kind == "ours" else "")
        x += 52 + 8 * len(name)
    every = [value for _, _, series in charts for points in series.values() for _, value in points]
    y_ticks = decades(every)
    for index, (heading, x_label, series) in enumerate(charts):
        left = (index % 2) * panel_width + 60
        top = 70 + (index // 2) * panel_height + 28
        right, bottom = left + panel_width - 120, top + panel_height - 76
        svg.text(left, top - 10, heading, "case")
        positions = sorted({x for points in series.values() for x, _ in points})
        x_ticks = decades(positions)
        for tick in y_ticks:
            y = log_position(tick, y_ticks, bottom, top)
            svg.rule(left, y, right, y)
            svg.text(left - 6, y + 4, tick_text(tick), "small muted", "end")
        for tick in positions:
            svg.text(log_position(tick, x_ticks, left, right), bottom + 16, f"{tick:g}", "small muted", "middle")
        svg.text((left + right) / 2, bottom + 34, x_label, "small muted", "middle")
        labels = []
        for kind in ("floor", "other", "ours"):
            points = [
                (log_position(x, x_ticks, left, right), log_position(value, y_ticks, bottom, top))
                for x, value in series.get(kind, [])
            ]
            if points:
                svg.path(points, kind)
                labels.append((points[-1][1], milliseconds(series[kind][-1][1]), points[-1][0]))
            for x, y in points:
                svg.dot(x, y, kind, 3)
        lowest = top - 20
        for y, label, x in sorted(labels):
            lowest = max(y, lowest + 12)
            svg.text(x + 8, lowest + 4, label, "small")
    for index, note in enumerate(notes):
        svg.text(20, height - 20 * len(notes) + 20 * index + 4, note, "small muted")
    svg.save(path)
