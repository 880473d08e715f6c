"""hullwatch: container security for AWS, from a pushed image to Security Hub.

Rooms, upper ones import lower ones only: ``cli``, ``pipeline``, ``aws``, ``findings``, ``posture``,
``advisories``, ``inventory``, ``indexing``, ``images``; then ``settings`` and ``errors``.
"""

__version__ = "0.1.0"
