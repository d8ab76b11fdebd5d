"""What can go wrong with the embedded PostgreSQL; each class has a code and each error a hint.

EmbeddedError
  NoBinariesError   no usable PostgreSQL programs were found; lists every place looked at
  WrongMajorError   the data was written by another major version of PostgreSQL
  NoHomeError       it cannot be told where this user keeps data
  FolderError       a folder cannot be created, is unsafe, or is closed to whom must enter it
  NoAccountError    PostgreSQL refuses this account and no other can be taken
  SettingError      a setting that belongs to this package was asked for
  InitError         initdb failed
  StartError        postgres did not start, or keeps falling over
  KeeperError       the keeper process died without a word, or does not answer
  NotDurableError   a durable cluster was asked for, the one that runs is not
  NotStartedError   an address was asked for before start() or after stop()
"""

from __future__ import annotations

from typing import TypedDict

from flowrunner.core.errors import FlowRunnerError


class WireError(TypedDict):
    """An error on its way from the keeper to its clients."""

    code: str
    message: str
    hint: str | None


class EmbeddedError(FlowRunnerError):
    code = "embedded"

    def to_wire(self) -> WireError:
        return {"code": self.code, "message": str(self), "hint": self.hint}

    @staticmethod
    def from_wire(wire: WireError) -> EmbeddedError:
        """Return the error the keeper met, as if it had been met here."""
        kinds = {kind.code: kind for kind in EmbeddedError.__subclasses__()}
        return kinds.get(wire["code"], EmbeddedError)(wire["message"], hint=wire["hint"])


class NoBinariesError(EmbeddedError):
    code = "embedded-no-binaries"


class WrongMajorError(EmbeddedError):
    code = "embedded-wrong-major"


class NoHomeError(EmbeddedError):
    code = "embedded-no-home"


class FolderError(EmbeddedError):
    code = "embedded-folder"


class NoAccountError(EmbeddedError):
    code = "embedded-no-account"


class SettingError(EmbeddedError):
    code = "embedded-setting"


class InitError(EmbeddedError):
    code = "embedded-init-failed"


class StartError(EmbeddedError):
    code = "embedded-start-failed"


class KeeperError(EmbeddedError):
    code = "embedded-keeper-lost"


class NotDurableError(EmbeddedError):
    code = "embedded-not-durable"


class NotStartedError(EmbeddedError):
    code = "embedded-not-started"
