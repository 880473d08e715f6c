"""What runs, in the table: which image in which workload, as the last survey of each scope saw it.

A scope is what is read in one go and replaced as a whole: the account's ECS (``ecs``), its functions
(``functions``), one EKS cluster (``eks/<cluster>``). ``SURVEY#<scope>`` holds one item for every image and
workload, ``RUN#<repository>`` the same by image, and ``SURVEYS`` one item for every scope: when it was read,
and whether all of it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta

import msgspec

from hullwatch.aws.table import Item, Key, Table
from hullwatch.images.reference import parse_ecr_host
from hullwatch.posture.analysis.references import parse_reference
from hullwatch.posture.model.running import Running

#: How long a survey counts: two of its daily turns.
_VALID = timedelta(hours=48)
#: Seconds after which what no survey has confirmed leaves the table, and how much of them a survey leaves
#: alone rather than write the same again.
_FORGOTTEN = 7 * 86_400
_FRESH = 5 * 86_400


class Where(msgspec.Struct, frozen=True):
    """An image in a registry. ``repository`` is that of our own registry, else it begins with the host."""

    repository: str
    digest: str
    #: Whether it is in our own registry.
    own: bool = True


class RunningRecords:
    """The running inventory of one account and Region, whose registry is our own."""

    def __init__(self, table: Table, account: str, region: str) -> None:
        self._table = table
        self._own = (account, region)

    def replace(
        self,
        scope: str,
        running: Iterable[Running],
        *,
        complete: bool,
        at: str,
        tell: Callable[[set[Where]], None],
        vague: bool = False,
        only: tuple[str, str] | None = None,
    ) -> None:
        """Make ``running`` all that is known of a scope, and ``tell`` for which images something has changed.

        What an incomplete survey did not see is kept: it may still run. What a ``vague`` one says of roles
        and exposure may lack something, so what was known of them stays. ``at`` is ISO 8601, UTC. With
        ``only``, a cluster (empty for any) and a workload, that one was read, and the rest stays. Broken off
        at any point, the next call tells the same images again.
        """
        now = int(datetime.fromisoformat(at).timestamp())
        before = {item["sk"]: item for item in self._table.query(f"SURVEY#{scope}") if _within(item, only)}
        after = {
            item["sk"]: item for item in self._items(scope, running, now + _FORGOTTEN) if _within(item, only)
        }
        if vague:
            after = {key: {**item, **_details(before.get(key, {}))} for key, item in after.items()}
        stale = before.keys() - after.keys() if complete else set()
        changed = {key for key in after if _said(after[key]) != _said(before.get(key))} | stale
        news = [item for key, item in after.items() if not _still(before.get(key), item, now)]
        # Whatever is there by image must be there by scope too, or nothing would ever take it away. It only
        # counts as known by scope once everybody was told, or a worker that dies here would hide the change.
        self._table.write({**item, "untold": True} for item in news)
        self._table.write(map(_by_image, news), [_image_key(before[key]) for key in stale])
        if only is None:
            self._table.put({"pk": "SURVEYS", "sk": scope, "complete": complete, "at": at})
        known = before | after
        tell({self._where(known[key]) for key in changed})
        self._table.write(news, [(f"SURVEY#{scope}", key) for key in stale])

    def forget(self, scope: str, at: str, tell: Callable[[set[Where]], None]) -> None:
        """Forget a scope that is gone, such as a deleted cluster."""
        self.replace(scope, (), complete=True, at=at, tell=tell)
        self._table.write(deletes=[("SURVEYS", scope)])

    def of_repository(self, repository: str) -> dict[str, tuple[Running, ...]]:
        """What runs of a repository, by the digest that the runtimes name."""
        found: dict[str, list[Running]] = {}
        for item in self._table.query(f"RUN#{repository}"):
            found.setdefault(item["digest"], []).append(_running(item))
        return {digest: tuple(entries) for digest, entries in found.items()}

    def scopes(self) -> dict[str, bool]:
        """Every scope that was surveyed, and whether all of it could be read."""
        return {item["sk"]: bool(item["complete"]) for item in self._table.query("SURVEYS")}

    def roles(self) -> dict[str, set[str]]:
        """The ARNs of the AWS roles that workloads act as, by scope."""
        return {
            scope: {item["role"] for item in self._table.query(f"SURVEY#{scope}") if item.get("role")}
            for scope in self.scopes()
        }

    def all_known(self, now: str) -> bool:
        """Whether an image that is not known to run does not run: all there is was read, and lately."""
        earliest = (datetime.fromisoformat(now) - _VALID).isoformat()
        surveys = list(self._table.query("SURVEYS"))
        return bool(surveys) and all(item["complete"] and item["at"] >= earliest for item in surveys)

    def repository_of(self, image: str) -> str:
        """The repository of a reference as written; one of another registry begins with its host."""
        reference = parse_reference(image)
        return reference.repository if self._is_own(image) else reference.name

    def _is_own(self, image: str) -> bool:
        ecr = parse_ecr_host(parse_reference(image).host)
        return ecr is not None and (ecr.account, ecr.region) == self._own

    def everything(self) -> Iterator[Running]:
        """All that is known to run."""
        for scope in self.scopes():
            yield from map(_running, self._table.query(f"SURVEY#{scope}"))

    def _where(self, item: Item) -> Where:
        return Where(item["repository"], item["digest"], self._is_own(item["image"]))

    def _items(self, scope: str, running: Iterable[Running], expires: int) -> Iterator[Item]:
        for entry in running:
            repository = self.repository_of(entry.image)
            item = msgspec.to_builtins(entry)
            yield {
                **item,
                "pk": f"SURVEY#{scope}",
                "sk": f"{repository}@{entry.digest}#{_workload(item)}",
                "scope": scope,
                "repository": repository,
                "expires": expires,
            }


def _by_image(item: Item) -> Item:
    partition, key = _image_key(item)
    return {**item, "pk": partition, "sk": key}


def _image_key(item: Item) -> Key:
    return f"RUN#{item['repository']}", f"{item['digest']}#{item['scope']}#{_workload(item)}"


def _workload(item: Item) -> str:
    return f"{item['kind']}#{item.get('cluster', '')}#{item['workload']}"


def _running(item: Item) -> Running:
    return msgspec.convert(item, type=Running)


def _within(item: Item, only: tuple[str, str] | None) -> bool:
    if only is None:
        return True
    cluster, workload = only
    return item["workload"] == workload and cluster in ("", item.get("cluster", ""))


def _still(before: Item | None, after: Item, now: int) -> bool:
    """Whether the table says so already, and will for a while."""
    return (
        before is not None
        and not before.get("untold")
        and before["expires"] > now + _FRESH
        and _running(before) == _running(after)
    )


def _details(item: Item) -> Item:
    """What is known of a workload from other reads than the one that lists what runs."""
    return {name: item[name] for name in ("role", "exposure") if item.get(name)}


def _said(item: Item | None) -> tuple[object, ...]:
    """What a priority may depend on; a different number of copies is no news."""
    if item is None or item.get("untold"):
        return ()
    return item.get("role"), tuple(item.get("exposure", ()))
