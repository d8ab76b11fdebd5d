"""Trees of expressions for Hypothesis, and JSON values to try them on."""

from typing import Any

from hypothesis import strategies as st

from flowrunner.core import expressions as ex

NAMES = st.sampled_from(["a", "b-c", "severity", "length", "count", "any", "in", "x y", "", "é"])
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=12,
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**18), 10**18)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=6)
)


@st.composite
def trees(draw: st.DrawFn, depth: int = 4, *, inside: bool = False) -> ex.Node:
    """A tree that could have been read: the member only where there is one."""
    if depth == 0 or draw(st.booleans()):
        return draw(leaves(inside=inside))
    below = trees(depth - 1, inside=inside)
    made: list[st.SearchStrategy[ex.Node]] = [
        st.builds(ex.Listed, st.lists(below, max_size=3).map(tuple)),
        st.builds(ex.Part, below, NAMES | st.integers(0, 9)),
        st.builds(ex.Length, below, st.sampled_from(["length", "count"])),
        st.builds(
            ex.Over,
            below,
            st.sampled_from(["any", "all", "count"]),
            trees(depth - 1, inside=True),
        ),
        st.builds(ex.Default, below, below),
        st.builds(ex.Not, below),
        st.builds(ex.Both, below, below, st.booleans()),
        st.builds(
            ex.Compare, st.sampled_from(["==", "!=", "<", "<=", ">", ">=", "in"]), below, below
        ),
    ]
    return draw(st.one_of(made))


def leaves(*, inside: bool) -> st.SearchStrategy[ex.Node]:
    """Literals, roots and steps."""
    roots = [*ex.ROOTS, *(["it"] if inside else [])]
    step = st.builds(ex.Part, st.just(ex.Root("steps")), NAMES)
    return st.builds(ex.Constant, SCALARS) | st.builds(ex.Root, st.sampled_from(roots)) | step
