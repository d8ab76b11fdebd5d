"""How postgres is set: a small single-host service, or a throw-away for tests."""

from __future__ import annotations

from pathlib import Path

from flowrunner.embedded.errors import SettingError
from flowrunner.embedded.spec import Spec

_COMMON = {
    "max_connections": "100",
    "shared_buffers": "64MB",
    "jit": "off",
    "autovacuum_naptime": "10s",
    "max_logical_replication_workers": "0",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "log_checkpoints": "off",
    # Nothing below LOG: errors quote values, so prompts and outputs would end up there. Whoever
    # sent the statement hears of them anyway.
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    # initdb derives these from the segment size, and ours is 1 MB.
    "min_wal_size": "32MB",
    "max_wal_size": "512MB",
}
_SINCE_18 = {"io_method": "worker", "io_workers": "1"}
_THROW_AWAY = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "checkpoint_timeout": "1h",
    # Else a killed server leaves segments in /dev/shm, and nobody starts this one again.
    "dynamic_shared_memory_type": "mmap",
}
# Reachable through the 0700 folder only, or trust in pg_hba.conf would mean the whole host.
_FIXED = frozenset(
    {
        "data_directory",
        "hba_file",
        "listen_addresses",
        "port",
        "unix_socket_directories",
        "unix_socket_permissions",
    }
)


def server_parameters(spec: Spec, socket_folder: Path) -> dict[str, str]:
    """Return every setting of the command line; what the caller asked for wins.

    Raises SettingError for the settings that keep the server private.
    """
    if taken := sorted(_FIXED & {name.lower() for name in spec.settings}):
        raise SettingError(f"cannot be set: {', '.join(taken)}", hint="leave these out")
    quoted = str(socket_folder).replace('"', '""')
    private = {
        "listen_addresses": "",
        "port": "5432",
        "unix_socket_directories": f'"{quoted}"',
        "unix_socket_permissions": "0700",
    }
    newer = _SINCE_18 if spec.major >= 18 else {}  # noqa: PLR2004
    return _COMMON | newer | ({} if spec.durable else _THROW_AWAY) | dict(spec.settings) | private
