"""Pictures of graphs: no box on another, no edge through a box, names that cannot break out."""

import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrunner.core import drawing
from flowrunner.core.layout import MOST, Box, lay_out

DIAMOND = [
    Box("scan", "agent"),
    Box("left", "agent", ("scan",), stacked=True),
    Box("right", "approval", ("scan",), phase="ask"),
    Box("end", "", ("left", "right", "scan")),
]


@st.composite
def graphs(draw: st.DrawFn) -> list[Box]:
    """Steps that need some of those before them."""
    count = draw(st.integers(0, 12))
    boxes: list[Box] = []
    for at in range(count):
        needs = draw(st.lists(st.integers(0, at - 1), unique=True, max_size=4)) if at else []
        boxes.append(Box(f"s{at}", needs=tuple(f"s{n}" for n in needs)))
    return boxes


@given(graphs())
def test_every_edge_goes_right_and_nothing_overlaps(boxes: list[Box]) -> None:
    """U7: a need stands left of its dependents; an edge passes columns where no box stands."""
    layout = lay_out(boxes)

    spots = list(layout.spots.values())
    assert len(set(spots)) == len(boxes)
    for edge in layout.edges:
        assert [spot.column for spot in edge] == list(range(edge[0].column, edge[-1].column + 1))
        assert not set(edge[1:-1]) & set(spots)
    wanted = sum(len(box.needs) for box in boxes)
    assert len(layout.edges) == wanted


def test_crossings_are_avoided() -> None:
    """U7: two lines side by side stay side by side, in whatever order they are written."""
    boxes = [Box("a"), Box("b"), Box("bb", "", ("b",)), Box("aa", "", ("a",))]

    spots = lay_out(boxes).spots

    assert (spots["a"].row < spots["b"].row) == (spots["aa"].row < spots["bb"].row)


def test_a_chain_is_one_line() -> None:
    """U7: what can be read in a line is one."""
    boxes = [Box("a"), Box("b", "each", ("a",)), Box("c", "approval", ("b",))]

    assert drawing.as_text(boxes) == "a → b (each) → c (approval)"


def test_a_graph_is_a_line_per_step() -> None:
    """U7: as text, a step stands under what it needs, and names it."""
    assert drawing.as_text(DIAMOND) == (
        "scan (agent)\n  left (agent) ← scan\n  right (approval) ← scan\n    end ← left, right, scan"
    )


def test_mermaid_has_phases_and_edges() -> None:
    """U7: phases are groups; a step with `each` looks like many."""
    assert drawing.as_mermaid(DIAMOND).splitlines() == [
        "flowchart LR",
        '  n0["scan<br>agent"]',
        '  n1[["left<br>agent"]]',
        '  n3["end"]',
        '  subgraph p1["ask"]',
        '    n2["right<br>approval"]',
        "  end",
        "  n0 --> n1", "  n0 --> n2", "  n1 --> n3", "  n2 --> n3", "  n0 --> n3",
    ]  # fmt: skip


def test_dot_has_phases_and_edges() -> None:
    """U7: the same for Graphviz."""
    text = drawing.as_dot(DIAMOND)

    assert text.startswith("digraph flow {\n  rankdir=LR;")
    assert '  n0 [label="scan\\nagent"];' in text
    assert '  subgraph cluster_1 { label="ask";' in text
    assert text.count(" -> ") == 5
    assert text.endswith("}")


@pytest.mark.parametrize("theme", drawing.THEMES)
def test_svg_is_xml_without_style_or_script(theme: str) -> None:
    """U7: a page with a strict policy may hold it: no style, no script, no link."""
    root = ET.fromstring(drawing.as_svg(DIAMOND, title="a <b>", theme=theme))  # noqa: S314  # our own

    tags = {element.tag.rpartition("}")[2] for element in root.iter()}
    names = {name for element in root.iter() for name in element.attrib}
    assert tags <= {"svg", "title", "path", "g", "rect", "text"}
    assert not names & {"style", "href", "onload", "class"}
    assert len(root.findall(".//{*}rect")) == 5


def test_names_cannot_break_out() -> None:
    """U7: an author's text is text in every format."""
    evil = '"]; x --> y <script>\\'
    boxes = [Box("a", evil, phase=evil)]

    ET.fromstring(drawing.as_svg(boxes, title=evil))  # noqa: S314  # our own
    assert "<script" not in drawing.as_svg(boxes, title=evil) + drawing.as_mermaid(boxes)
    assert re.findall(r'(?<!\\)"', drawing.as_dot(boxes).replace("\\\\", "")) == ['"'] * 4


def test_a_large_graph_is_cut_and_says_so() -> None:
    """P11: a picture of ten thousand boxes helps nobody; what is left out is counted."""
    boxes = [Box("s0"), *(Box(f"s{n}", "", (f"s{n - 1}",)) for n in range(1, 10_000))]

    layout = lay_out(boxes)

    assert len(layout.boxes) == MOST
    assert layout.boxes[-1].note == f"and {10_001 - MOST} more steps"
