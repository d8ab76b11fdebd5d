"""Statements on payloads: immutable bodies under the hash of their bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256

from flowrunner.core.model import Ref
from flowrunner.db.pool import Conn


def ref_of(body: bytes) -> Ref:
    return Ref(sha256(body).hexdigest())


PUT_PAYLOADS = "SELECT put_payloads_v1(%(refs)s, %(bodies)s)"


async def put_payloads(conn: Conn, bodies: Mapping[Ref, bytes]) -> None:
    """Store *bodies*; what is already there stays as it is. May be repeated."""
    if bodies:
        refs = [bytes.fromhex(ref) for ref in bodies]
        await conn.execute(PUT_PAYLOADS, {"refs": refs, "bodies": list(bodies.values())})


LIST_PAYLOADS = "SELECT ref, body FROM payloads WHERE ref = ANY (%(refs)s)"


async def list_payloads(conn: Conn, refs: Sequence[Ref]) -> dict[Ref, bytes]:
    """Return the bodies that exist; a ref that does not is simply missing."""
    cur = await conn.execute(LIST_PAYLOADS, {"refs": [bytes.fromhex(ref) for ref in refs]})
    return {Ref(bytes(ref).hex()): bytes(body) for ref, body in await cur.fetchall()}
