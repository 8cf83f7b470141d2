"""Small plots as inline SVG: lines over positions, and a curve in the unit square (layer: faces).

Colours are classes of admin.css, so that they follow its light and dark themes; every plot stands beside a
table of the same numbers.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

WIDTH, HEIGHT = 420, 260
LEFT, TOP, RIGHT, BOTTOM = 44, 12, 12, 40
TICKS = 5
# More labels than this would lie on one another.
MOST_LABELS = 8


@dataclass(frozen=True)
class Series:
    """One line of a plot; None leaves a gap. `tone` is a class of admin.css: first, second, guide."""

    name: str
    tone: str
    points: Sequence[tuple[float, float | None]]


def line_plot(title: str, series: Sequence[Series], labels: Sequence[str]) -> SafeString:
    """Return lines over positions 0, 1, …; the vertical axis spans the values."""
    values = [y for line in series for _x, y in line.points if y is not None]
    low, high = _span(values)
    frame = _Frame(0.0, max(len(labels) - 1, 1), low, high)
    step = -(-len(labels) // MOST_LABELS) or 1
    below = [(frame.x(at), label) for at, label in enumerate(labels) if at % step == 0]
    return _svg(title, series, frame, below)


def unit_plot(title: str, series: Sequence[Series]) -> SafeString:
    """Return curves in the unit square with its diagonal, where what is said is what is seen."""
    frame = _Frame(0.0, 1.0, 0.0, 1.0)
    below = [(frame.x(tick / TICKS), f"{tick / TICKS:.1f}") for tick in range(TICKS + 1)]
    diagonal = Series("", "guide", [(0.0, 0.0), (1.0, 1.0)])
    return _svg(title, [diagonal, *series], frame, below)


@dataclass(frozen=True)
class _Frame:
    """Where numbers lie in the picture."""

    x_low: float
    x_high: float
    y_low: float
    y_high: float

    def x(self, value: float) -> float:
        share = (value - self.x_low) / (self.x_high - self.x_low)
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)

    def y(self, value: float) -> float:
        share = (value - self.y_low) / (self.y_high - self.y_low)
        return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 1)


def _span(values: Sequence[float]) -> tuple[float, float]:
    """Return a range around the values that is never empty."""
    if not values:
        return 0.0, 1.0
    low, high = min(values), max(values)
    room = max(0.05 * (high - low), 0.01)
    return low - room, high + room


def _svg(
    title: str, series: Sequence[Series], frame: _Frame, below: Sequence[tuple[float, str]]
) -> SafeString:
    ticks = [frame.y_low + (frame.y_high - frame.y_low) * n / TICKS for n in range(TICKS + 1)]
    rules = format_html_join(
        "",
        '<line class="rule" x1="{}" x2="{}" y1="{}" y2="{}"/><text x="{}" y="{}" text-anchor="end">{}</text>',
        [(LEFT, WIDTH - RIGHT, frame.y(t), frame.y(t), LEFT - 6, frame.y(t) + 4, f"{t:.2f}") for t in ticks],
    )
    words = format_html_join(
        "",
        '<text x="{}" y="{}" text-anchor="middle">{}</text>',
        [(x, HEIGHT - BOTTOM + 16, label) for x, label in below],
    )
    lines = format_html_join("", "{}", [(_line(line, frame),) for line in series])
    return format_html(
        '<svg class="plot" viewBox="0 0 {} {}" role="img" aria-label="{}">{}{}{}{}</svg>',
        WIDTH, HEIGHT, title, rules, words, lines, _legend(series),
    )  # fmt: skip


def _line(line: Series, frame: _Frame) -> SafeString:
    """Return one line with a dot at each number; a gap where there is none."""
    runs: list[list[str]] = [[]]
    for x, y in line.points:
        if y is None:
            runs.append([])
        else:
            runs[-1].append(f"{frame.x(x)},{frame.y(y)}")
    paths = format_html_join(
        "", '<polyline class="{}" points="{}"/>', [(line.tone, " ".join(run)) for run in runs if run]
    )
    if line.tone == "guide":
        return paths
    dots = [
        (line.tone, *at.split(","), f"{line.name} {y:.4f}")
        for at, y in zip(
            (at for run in runs for at in run), (y for _x, y in line.points if y is not None), strict=True
        )
    ]
    marks = format_html_join(
        "", '<circle class="{}" cx="{}" cy="{}" r="2.5"><title>{}</title></circle>', dots
    )
    return format_html("{}{}", paths, marks)


def _legend(series: Sequence[Series]) -> SafeString:
    named = [line for line in series if line.name]
    at = [LEFT + n * (WIDTH - LEFT - RIGHT) / max(len(named), 1) for n in range(len(named))]
    return format_html_join(
        "",
        '<line class="{}" x1="{}" x2="{}" y1="{}" y2="{}"/><text x="{}" y="{}">{}</text>',
        [
            (line.tone, x, x + 18, HEIGHT - 8, HEIGHT - 8, x + 24, HEIGHT - 4, line.name)
            for line, x in zip(named, at, strict=True)
        ],
    )
