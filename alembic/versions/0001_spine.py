"""The spine: runs, steps, events, tasks, queue, leases, timers."""

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None

_SQL = Path(__file__).parents[1] / "sql"


def upgrade() -> None:
    _execute(_SQL / "0001_tables.sql")
    # The functions are today's: what they name may come with a later revision.
    op.execute("SET LOCAL check_function_bodies = off")
    for path in sorted((_SQL / "functions").glob("*.sql")):
        _execute(path)
    op.execute("SET LOCAL check_function_bodies = on")
    op.execute("SELECT ensure_partitions_v1(4)")
    _execute(_SQL / "rights.sql")


def _execute(path: Path) -> None:
    op.get_bind().exec_driver_sql(path.read_text().replace("%", "%%"))
