"""Which licence texts are SPDX expressions (SPDX 2.3, annex D)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache

from license_expression import ExpressionError, Licensing, get_spdx_licensing

#: Characters. Nobody writes a longer expression; some packages put the whole text of their licence here.
_LONGEST = 512

#: The parser works by recursion.
_MOST_BRACKETS = 16


@lru_cache(maxsize=4096)
def expression(text: str) -> str:
    """``text`` in SPDX's spelling when it is an expression of listed licences, else nothing.

    Short names that SPDX replaced become their successors (``GPL-2.0+``: ``GPL-2.0-or-later``).
    """
    if len(text) > _LONGEST or text.count("(") > _MOST_BRACKETS:
        return ""
    try:
        parsed = _licensing().parse(text, validate=True, strict=True)
    except (ExpressionError, ValueError):
        return ""
    rendered = str(parsed.render()) if parsed is not None else ""
    # A reference is to a text in another document, which is not at hand.
    return "" if "Ref-" in rendered else rendered


def combined(texts: Sequence[str]) -> str:
    """One expression for several licences that all apply; nothing when one of them is none."""
    expressions = list(dict.fromkeys(expression(text) for text in texts))
    if not all(expressions):
        return ""
    return (
        " AND ".join(bracketed(part) for part in expressions)
        if len(expressions) > 1
        else "".join(expressions)
    )


def bracketed(part: str) -> str:
    """An expression fit to be part of another."""
    return f"({part})" if " " in part else part


@cache
def _licensing() -> Licensing:
    return get_spdx_licensing()
