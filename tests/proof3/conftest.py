from __future__ import annotations

import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from fixtures.cluster import Server as Postgres
from proof3.staging import Stage, a_stage

# Shipped flows lie outside `src`: for their tests the checkout itself is put on the path.
ROOT = str(Path(__file__).resolve().parents[2])
if ROOT not in sys.path:
    sys.path.append(ROOT)


@pytest.fixture(scope="module")
def stage(
    tmp_path_factory: pytest.TempPathFactory, cluster: Postgres, template: str
) -> Generator[Stage]:
    """An installation with lying and sick agents."""
    with a_stage(tmp_path_factory.mktemp("reviewed"), cluster, template) as made:
        yield made
