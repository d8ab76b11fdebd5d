"""Children of steps, approvals, waits, and runs that begin anew."""

from pathlib import Path

from alembic import op

revision = "0002"
down_revision = "0001"

_SQL = Path(__file__).parents[1] / "sql"


def upgrade() -> None:
    functions = sorted((_SQL / "functions").glob("*.sql"))
    for path in (_SQL / "0002_tables.sql", *functions, _SQL / "rights.sql"):
        op.get_bind().exec_driver_sql(path.read_text().replace("%", "%%"))
