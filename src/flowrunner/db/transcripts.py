"""Statements on transcripts: what an agent streamed, per attempt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flowrunner.core.model import RunId
from flowrunner.db.pool import Conn


@dataclass(frozen=True, slots=True)
class Chunk:
    seq: int
    kind: str
    text: str


APPEND = (
    "SELECT append_transcript_v1(%(task)s, %(epoch)s, %(seqs)s::integer[], %(kinds)s, %(texts)s)"
)


async def append(conn: Conn, task_id: str, epoch: int, chunks: Sequence[Chunk]) -> bool:
    """Add *chunks* while the lease lives; False when it does not. A repeated chunk is kept once."""
    args = {
        "task": task_id,
        "epoch": epoch,
        "seqs": [chunk.seq for chunk in chunks],
        "kinds": [chunk.kind for chunk in chunks],
        "texts": [chunk.text for chunk in chunks],
    }
    row = await (await conn.execute(APPEND, args)).fetchone()
    return bool(row and row[0])


LIST_CHUNKS = """
SELECT seq, kind, text
  FROM transcripts
 WHERE run_id = %(run_id)s AND step_no = %(step_no)s AND attempt = %(attempt)s AND seq > %(after)s
 ORDER BY seq
 LIMIT %(limit)s
"""


async def list_chunks(
    conn: Conn, run_id: RunId, step_no: int, attempt: int, *, after: int = -1, limit: int = 1000
) -> list[Chunk]:
    args = {"run_id": run_id, "step_no": step_no, "attempt": attempt}
    cur = await conn.execute(LIST_CHUNKS, {**args, "after": after, "limit": limit})
    return [Chunk(*row) for row in await cur.fetchall()]
