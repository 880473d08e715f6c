"""Files of stanzas, deb-control(5): ``Key: value`` lines, blank lines between the stanzas."""

from __future__ import annotations

import io
from collections.abc import Container, Iterator
from itertools import chain


def read_stanzas(content: bytes, wanted: Container[bytes]) -> Iterator[dict[bytes, str]]:
    """The fields of each stanza that has any of those wanted, line by line: a long file takes no memory.

    What a field says on further lines is left out.
    """
    fields = dict[bytes, str]()
    for line in chain(io.BytesIO(content), (b"\n",)):
        if line == b"\n":
            if fields:
                yield fields
                fields = {}
            continue
        key, colon, value = line.partition(b":")
        if colon and key in wanted:
            fields[key] = value.decode("utf-8", "backslashreplace").strip()
