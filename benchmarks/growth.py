"""What a whole town costs as it grows: the stages of a re-match at 1, 2, 4 and 8 times the anchors.

    python -m benchmarks.growth --stalls 5000 --anchors 6250 --repeats 1 --write docs

Prints one JSON object: seconds of the clock and of the processor by stage and size. `--write FOLDER` also
puts the table between the marks in FOLDER/performance.md and draws FOLDER/growth.svg. Both axes of the plot
are logarithmic, so a cost that grows as the town does is parallel to the dashed line.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.synthetic_town import make_town
from benchmarks.town import Town
from matching.engine import pipeline
from matching.engine.model import Encoded

TIMES = (1, 2, 4, 8)
STAGES = ("encode", "score_topk", "market", "lists")
BEGIN, END = "<!-- growth: begin -->", "<!-- growth: end -->"


@dataclass(frozen=True)
class Size:
    """One size of town: median seconds of each stage, by the clock and of the processor."""

    anchors: int
    seconds: Mapping[str, float]
    cpu_seconds: Mapping[str, float]
    fit_seconds: float
    rss_mb: int
    load: float

    @property
    def total(self) -> float:
        return sum(self.seconds.values())

    @property
    def cpu_total(self) -> float:
        return sum(self.cpu_seconds.values())


def measure(stalls: int, anchors: int, *, repeats: int, seed: int) -> Size:
    """The stages of one town, one round after the other."""
    snapshot = make_town(stalls, anchors, seed)
    start = time.perf_counter()
    model = pipeline.fit(snapshot)
    fitted = time.perf_counter() - start
    clock: dict[str, list[float]] = {name: [] for name in STAGES}
    cpu: dict[str, list[float]] = {name: [] for name in STAGES}
    for _ in range(repeats):
        encoded: list[Encoded] = []

        def encode(into: list[Encoded] = encoded) -> None:
            into.extend(pipeline.encode(model, side) for side in (snapshot.stalls, snapshot.anchors))

        _timed("encode", encode, clock, cpu)
        town = Town(model, encoded[0], encoded[1], snapshot)
        for name, work in (
            ("score_topk", town.find_pools),
            ("market", town.decide),
            ("lists", town.make_lists),
        ):
            _timed(name, work, clock, cpu)
    return Size(
        anchors,
        {name: round(statistics.median(values), 2) for name, values in clock.items()},
        {name: round(statistics.median(values), 2) for name, values in cpu.items()},
        round(fitted, 2),
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        round(os.getloadavg()[0], 1),
    )


def _timed(
    name: str, work: Callable[[], object], clock: dict[str, list[float]], cpu: dict[str, list[float]]
) -> None:
    start, computed = time.perf_counter(), time.process_time()
    work()
    clock[name].append(time.perf_counter() - start)
    cpu[name].append(time.process_time() - computed)
    print(f"  {name}: {clock[name][-1]:.2f} s, {cpu[name][-1]:.2f} s of CPU", file=sys.stderr)


# --- the page ---------------------------------------------------------------------------------------------


def table(stalls: int, sizes: Sequence[Size]) -> str:
    """The sizes as a Markdown table: CPU seconds by stage, and how both totals grow."""
    lines = [
        f"| {stalls:,} stalls × | encode | top 50 of both sides | market | lists | CPU s together "
        "| by the clock | peak MB | load |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    first = sizes[0]
    for size in sizes:
        times = f"{size.anchors:,} ({size.anchors / first.anchors:g}×)"
        stages = " | ".join(f"{size.cpu_seconds[name]:.1f}" for name in STAGES)
        cpu = f"{size.cpu_total:.1f} ({size.cpu_total / first.cpu_total:.1f}×)"
        wall = f"{size.total:.1f} ({size.total / first.total:.1f}×)"
        lines.append(f"| {times} | {stages} | {cpu} | {wall} | {size.rss_mb:,} | {size.load} |")
    return "\n".join(lines)


def written_into(page: str, made: str) -> str:
    """The page with `made` between the marks."""
    before, _begin, rest = page.partition(BEGIN)
    _old, end, after = rest.partition(END)
    if not end:
        raise SystemExit(f"The page needs the marks {BEGIN} and {END}.")
    return f"{before}{BEGIN}\n{made}\n{END}{after}"


# --- the plot ---------------------------------------------------------------------------------------------

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 400, 64, 150, 24, 48
COLOURS = {
    "together": "#111111",
    "score_topk": "#0072b2",
    "lists": "#d55e00",
    "encode": "#009e73",
    "market": "#cc79a7",
}


def plot(stalls: int, sizes: Sequence[Size]) -> str:
    """An SVG of CPU seconds over anchors, both logarithmic, with a dashed line of cost ∝ anchors."""
    xs = [float(size.anchors) for size in sizes]
    curves = {"together": [size.cpu_total for size in sizes]}
    curves |= {name: [max(size.cpu_seconds[name], 0.01) for size in sizes] for name in STAGES}
    low = 10 ** math.floor(math.log10(min(min(ys) for ys in curves.values())))
    high = 10 ** math.ceil(math.log10(max(max(ys) for ys in curves.values())))

    def x_of(value: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * math.log(value / xs[0]) / math.log(xs[-1] / xs[0])

    def y_of(value: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * math.log(value / low) / math.log(high / low)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        'font-size="12">',
        f"<title>CPU seconds of a re-match of {stalls:,} stalls by the number of anchors</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
    ]
    for power in range(round(math.log10(low)), round(math.log10(high)) + 1):
        y = y_of(10.0**power)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#dddddd"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{10.0**power:g}</text>')
    for x in xs:
        parts.append(
            f'<text x="{x_of(x):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{x:,.0f}</text>'
        )
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{HEIGHT - 10}" text-anchor="middle">anchors</text>')
    parts.append(f'<text x="{LEFT}" y="{TOP - 8}">CPU seconds, {stalls:,} stalls</text>')
    start = curves["together"][0]
    straight = [start * x / xs[0] for x in xs]
    parts.append(_line(xs, straight, x_of, y_of, "#999999", ' stroke-dasharray="5 4"'))
    for name, ys in curves.items():
        parts.append(_line(xs, ys, x_of, y_of, COLOURS[name]))
        parts += [
            f'<circle cx="{x_of(x):.1f}" cy="{y_of(y):.1f}" r="3" fill="{COLOURS[name]}"/>'
            for x, y in zip(xs, ys, strict=True)
        ]
    names = {name: y_of(ys[-1]) for name, ys in curves.items()} | {"∝ anchors": y_of(straight[-1])}
    parts += _labels(names)
    return "\n".join([*parts, "</svg>", ""])


def _line(
    xs: Sequence[float],
    ys: Sequence[float],
    x_of: Callable[[float], float],
    y_of: Callable[[float], float],
    colour: str,
    dashes: str = "",
) -> str:
    points = " ".join(f"{x_of(x):.1f},{y_of(y):.1f}" for x, y in zip(xs, ys, strict=True))
    return f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"{dashes}/>'


def _labels(heights: Mapping[str, float]) -> list[str]:
    """The names at the right ends of the lines, pushed apart so that none lies on another."""
    labels, above = [], 0.0
    for name, height in sorted(heights.items(), key=lambda pair: pair[1]):
        y = max(height + 4, above + 15)
        above = y
        colour = COLOURS.get(name, "#777777")
        labels.append(f'<text x="{WIDTH - RIGHT + 10}" y="{y:.1f}" fill="{colour}">{name}</text>')
    return labels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--stalls", type=int, default=5000)
    parser.add_argument("--anchors", type=int, default=6250, help="of the smallest town")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--write", type=Path, help="folder with performance.md")
    options = parser.parse_args()
    sizes = []
    for times in TIMES:
        print(f"{options.stalls} x {options.anchors * times}", file=sys.stderr)
        size = measure(options.stalls, options.anchors * times, repeats=options.repeats, seed=options.seed)
        sizes.append(size)
    if options.write is not None:
        page = options.write / "performance.md"
        page.write_text(written_into(page.read_text(), table(options.stalls, sizes)))
        (options.write / "growth.svg").write_text(plot(options.stalls, sizes))
    print(json.dumps({"stalls": options.stalls, "sizes": [asdict(size) for size in sizes]}))


if __name__ == "__main__":
    main()
