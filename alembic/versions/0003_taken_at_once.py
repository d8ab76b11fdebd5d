"""Commits that hand a task to a worker at once: new versions of functions, no table changes."""

from pathlib import Path

from alembic import op

revision = "0003"
down_revision = "0002"

_SQL = Path(__file__).parents[1] / "sql"


def upgrade() -> None:
    functions = sorted((_SQL / "functions").glob("*.sql"))
    for path in (*functions, _SQL / "rights.sql"):
        op.get_bind().exec_driver_sql(path.read_text().replace("%", "%%"))
