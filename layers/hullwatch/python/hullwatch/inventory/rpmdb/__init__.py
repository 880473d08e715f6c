"""The RPM database: one header per package, in a file format per backend.

Each backend is a module with ``read_headers(content)``, which gives the header of every package, an empty one
for a package that is there but cannot be read, and raises :class:`DatabaseInvalid`, possibly after some
headers. It gives no more bytes than the file has: what packages share would make a small file a long one.
"""


class DatabaseInvalid(ValueError):
    """A file that is no readable RPM database."""
