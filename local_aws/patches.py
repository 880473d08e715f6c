"""Replacing attributes of moto for the life of one cloud, and saying so when moto is not the one expected."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from types import TracebackType
from typing import Any

#: Everything in this package was written against, and checked with, exactly this release.
MOTO_VERSION = "5.2.5"


class MotoMismatch(RuntimeError):
    """The installed moto lacks something that this package replaces."""


class Patches:
    """Replaced attributes, put back in reverse order by :meth:`restore`."""

    def __init__(self) -> None:
        self._undo: list[tuple[Any, str, Any]] = []

    def replace(self, owner: Any, name: str, value: Any) -> Any:
        """Set ``owner.name`` and return what was there before.

        Raises :class:`MotoMismatch` when there is nothing to replace: a newer moto has moved it.
        """
        before = vars(owner).get(name, _MISSING)
        if before is _MISSING:
            where = getattr(owner, "__qualname__", None) or getattr(owner, "__name__", repr(owner))
            module = getattr(owner, "__module__", "")
            raise MotoMismatch(
                f"moto {version('moto')} has no {module}.{where}.{name}; local_aws is written for moto "
                f"{MOTO_VERSION}: install that release, or adapt local_aws to the new one"
            )
        self._undo.append((owner, name, before))
        setattr(owner, name, value)
        return before

    def add(self, owner: Any, name: str, value: Any) -> None:
        """Set ``owner.name``, which must not be there yet: otherwise moto has caught up and this can go."""
        if hasattr(owner, name):
            raise MotoMismatch(f"moto {version('moto')} has {owner.__qualname__}.{name} itself: drop ours")
        self._undo.append((owner, name, _MISSING))
        setattr(owner, name, value)

    def wrap(self, owner: Any, name: str, around: Callable[..., Any]) -> None:
        """Replace a method by ``around(original, self, *args, **kwargs)``."""
        original = getattr(owner, name, None)

        def method(*args: Any, **kwargs: Any) -> Any:
            return around(original, *args, **kwargs)

        self.replace(owner, name, method)

    def restore(self) -> None:
        while self._undo:
            owner, name, before = self._undo.pop()
            if before is _MISSING:
                delattr(owner, name)
            else:
                setattr(owner, name, before)

    def __enter__(self) -> Patches:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.restore()


_MISSING = object()
