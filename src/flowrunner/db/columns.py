"""Columns in short, for the tables in `schema`: each kind of column in one word."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg


def uuid(name: str, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, pg.UUID(), **options)


def text(name: str, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(), nullable=False, **options)


def big(name: str, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, sa.BigInteger(), nullable=False, **options)


def number(name: str, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, sa.Integer(), **options)


def real(name: str, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, sa.REAL(), **options)


def count(name: str, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, sa.Integer(), nullable=False, **options)


def flag(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Boolean(), nullable=False, server_default=sa.text("false"))


def json(name: str, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, pg.JSONB(), **options)


def body(name: str, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, pg.BYTEA(), **options)


def maybe_text(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Text())


def at(name: str, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, pg.TIMESTAMP(timezone=True), **options)


def key_of_run(*numbers: str) -> list[sa.Column[Any]]:
    return [uuid("run_id", primary_key=True), *(number(n, primary_key=True) for n in numbers)]


def usage() -> list[sa.Column[Any]]:
    names = ("input_tokens", "output_tokens", "cost_microusd")
    return [big(name, server_default=sa.text("0")) for name in names]


def identity() -> sa.Column[Any]:
    return sa.Column("id", sa.BigInteger(), sa.Identity(always=True), primary_key=True)


def default(sql: str) -> dict[str, Any]:
    return {"server_default": sa.text(sql)}


ZERO = default("0")
NOW = {"nullable": False, **default("now()")}
CLOCK = {"nullable": False, **default("clock_timestamp()")}


def check(name: str, law: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(law, name=name)
