"""Providers whose quota is used up, and what a report says beside its answer."""

from pathlib import Path

from alembic import op

revision = "0004"
down_revision = "0003"

_SQL = Path(__file__).parents[1] / "sql"


def upgrade() -> None:
    functions = sorted((_SQL / "functions").glob("*.sql"))
    for path in (_SQL / "0004_tables.sql", *functions, _SQL / "rights.sql"):
        op.get_bind().exec_driver_sql(path.read_text().replace("%", "%%"))
