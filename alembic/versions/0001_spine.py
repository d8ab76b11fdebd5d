"""The spine: runs, steps, events, tasks, queue, leases, timers."""

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None

_SQL = Path(__file__).parents[1] / "sql"


def upgrade() -> None:
    for part in ("tables", "apply", "dispatch", "rights"):
        op.get_bind().exec_driver_sql((_SQL / f"0001_{part}.sql").read_text().replace("%", "%%"))
