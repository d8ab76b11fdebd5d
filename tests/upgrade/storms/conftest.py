from __future__ import annotations

from chaos.conftest import measured

__all__ = ["measured"]
