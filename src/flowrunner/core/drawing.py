"""A graph as text, Mermaid, DOT or SVG; names are an author's, so every format escapes them."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence

from flowrunner.core.layout import Box, Layout, Spot, lay_out, layers_of

WIDTH, HEIGHT, GAP_X, GAP_Y, MARGIN = 180, 44, 56, 20, 16
_LETTERS = 22
_THEMES: Mapping[str, Mapping[str, str]] = {
    "light": {"box": "#ffffff", "line": "#57606a", "text": "#1f2328", "note": "#57606a"},
    "dark": {"box": "#161b22", "line": "#8b949e", "text": "#e6edf3", "note": "#8b949e"},
}
THEMES = tuple(_THEMES)
# Legible on both themes; the state is written in the box as well, for whoever sees no colours.
_STATES: Mapping[str, str] = {
    "running": "#0969da",
    "blocked": "#9a6700",
    "completed": "#1a7f37",
    "failed": "#cf222e",
    "cancelled": "#cf222e",
}


def as_text(boxes: Sequence[Box]) -> str:
    """One line where each step follows the one before, else a line per step with its needs."""
    chain = all(box.needs == ((boxes[at - 1].key,) if at else ()) for at, box in enumerate(boxes))
    if chain and boxes:
        return " → ".join(_told(box) for box in boxes)
    column = layers_of(boxes)
    ordered = sorted(boxes, key=lambda box: column[box.key])
    lines = [
        f"{'  ' * column[box.key]}{_told(box)}{' ← ' * bool(box.needs)}{', '.join(box.needs)}"
        for box in ordered
    ]
    return "\n".join(lines)


def as_mermaid(boxes: Sequence[Box]) -> str:
    """A Mermaid flowchart; phases are subgraphs."""
    names = {box.key: f"n{at}" for at, box in enumerate(boxes)}
    lines = ["flowchart LR"]
    for at, (phase, members) in enumerate(_phases(boxes)):
        inner = [f"  {names[box.key]}{_mermaid(box)}" for box in members]
        if phase is None:
            lines += inner
        else:
            lines += [f'  subgraph p{at}["{_quoted(phase)}"]', *(f"  {i}" for i in inner), "  end"]
    lines += [f"  {names[need]} --> {names[box.key]}" for need, box in _edges(boxes, names)]
    return "\n".join(lines)


def as_dot(boxes: Sequence[Box]) -> str:
    """A Graphviz digraph; phases are clusters."""
    names = {box.key: f"n{at}" for at, box in enumerate(boxes)}
    lines = ["digraph flow {", "  rankdir=LR;", "  node [shape=box];"]
    for at, (phase, members) in enumerate(_phases(boxes)):
        inner = [f"  {names[box.key]} [label={_dotted(_label(box))}];" for box in members]
        if phase is None:
            lines += inner
        else:
            head = f"  subgraph cluster_{at} {{ label={_dotted(phase)};"
            lines += [head, *(f"  {each}" for each in inner), "  }"]
    lines += [f"  {names[need]} -> {names[box.key]};" for need, box in _edges(boxes, names)]
    return "\n".join([*lines, "}"])


def as_svg(boxes: Sequence[Box], *, title: str, theme: str = "light") -> str:
    """An SVG without style or script, so that any page may hold it."""
    layout = lay_out(boxes)
    colours = _THEMES[theme]
    width = max(2 * MARGIN + layout.columns * (WIDTH + GAP_X) - GAP_X, 1)
    height = max(2 * MARGIN + layout.rows * (HEIGHT + GAP_Y) - GAP_Y, 1)
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    font = 'font-family="system-ui, sans-serif" font-size="13"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" {font}>',
        f"<title>{html.escape(title)}</title>",
        *(_edge(path, colours) for path in layout.edges),
        *(part for box in layout.boxes for part in _box(box, layout, colours)),
        "</svg>",
    ]
    return "\n".join(parts)


def _told(box: Box) -> str:
    return f"{box.key} ({box.note})" if box.note else box.key


def _label(box: Box) -> str:
    return f"{box.key}\n{box.note}" if box.note else box.key


def _phases(boxes: Sequence[Box]) -> list[tuple[str | None, list[Box]]]:
    found: dict[str | None, list[Box]] = {}
    for box in boxes:
        found.setdefault(box.phase, []).append(box)
    return list(found.items())


def _edges(boxes: Sequence[Box], known: Mapping[str, str]) -> Iterator[tuple[str, Box]]:
    return ((need, box) for box in boxes for need in box.needs if need in known)


def _mermaid(box: Box) -> str:
    label = "<br>".join(map(_quoted, _label(box).split("\n")))
    return f'[["{label}"]]' if box.stacked else f'["{label}"]'


def _quoted(text: str) -> str:
    return "".join(c if c.isalnum() or c in " -_.,()" else f"#{ord(c)};" for c in text)


def _dotted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _corner(spot: Spot) -> tuple[int, int]:
    return MARGIN + spot.column * (WIDTH + GAP_X), MARGIN + spot.row * (HEIGHT + GAP_Y)


def _edge(path: Sequence[Spot], colours: Mapping[str, str]) -> str:
    """Leave a box on its right, pass bends at their height, arrive on the left."""
    x, y = _corner(path[0])
    drawn = f"M{x + WIDTH} {y + HEIGHT // 2}"
    for at, spot in enumerate(path[1:], 1):
        left, top = _corner(spot)
        middle = top + HEIGHT // 2
        before = left - GAP_X // 2
        drawn += f" C{before} {_middle(path[at - 1])} {before} {middle} {left} {middle}"
        if at < len(path) - 1:
            drawn += f" H{left + WIDTH}"
    return f'<path d="{drawn}" fill="none" stroke="{colours["line"]}" stroke-width="1.5"/>'


def _middle(spot: Spot) -> int:
    return _corner(spot)[1] + HEIGHT // 2


def _box(box: Box, layout: Layout, colours: Mapping[str, str]) -> Iterator[str]:
    x, y = _corner(layout.spots[box.key])
    line = _STATES.get(box.state, colours["line"])
    width = ' stroke-width="2.5"' if box.state in _STATES else ""
    frame = f'rx="6" fill="{colours["box"]}" stroke="{line}"{width}'
    label = html.escape(_told(box))
    yield f"<g><title>{label}</title>"
    if box.stacked:
        yield f'<rect x="{x + 4}" y="{y - 4}" width="{WIDTH}" height="{HEIGHT}" {frame}/>'
    yield f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" {frame}/>'
    rows = [(box.key, colours["text"], 13), (box.note, colours["note"], 11)]
    shown = [row for row in rows if row[0]]
    for at, (text, colour, size) in enumerate(shown):
        height = y + (HEIGHT // 2 + 5 if len(shown) == 1 else 18 + 17 * at)
        yield (
            f'<text x="{x + 10}" y="{height}" font-size="{size}" fill="{colour}">'
            f"{html.escape(_fitted(text))}</text>"
        )
    yield "</g>"


def _fitted(text: str) -> str:
    return text if len(text) <= _LETTERS else f"{text[: _LETTERS - 1]}…"
