"""Athena: one SELECT at a time, its rows page by page."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from hullwatch.aws.errors import translated
from hullwatch.aws.question_sql import Select
from hullwatch.errors import QueryRefused, SourceUnavailable

#: Seconds that a query may take, and between two looks at it: at first, and at most.
_PATIENCE, _FIRST_LOOK, _LAST_LOOK = 600.0, 0.25, 5.0


class Athena:
    """A workgroup and a database of one account and Region."""

    def __init__(
        self,
        client: Any,
        workgroup: str,
        database: str,
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._workgroup = workgroup
        self._database = database
        self._sleep = sleep
        #: What the queries so far have read, in bytes: what is paid for.
        self.scanned = 0

    def rows(self, select: Select) -> Iterator[dict[str, str]]:
        """Column -> value of each row; NULL is empty.

        :raises QueryRefused: the query failed or was stopped.
        :raises SourceUnavailable: it took longer than ten minutes, and was stopped.
        """
        with translated("asking Athena"):
            query = self._client.start_query_execution(
                QueryString=select.text,
                ExecutionParameters=list(select.parameters),
                QueryExecutionContext={"Database": self._database},
                WorkGroup=self._workgroup,
            )["QueryExecutionId"]
            self._wait(query)
            pages = self._client.get_paginator("get_query_results").paginate(QueryExecutionId=query)
            first = True
            for page in pages:
                for row in page["ResultSet"]["Rows"][1 if first else 0 :]:
                    values = [cell.get("VarCharValue", "") for cell in row["Data"]]
                    yield dict(zip(select.columns, values, strict=True))
                first = False

    def _wait(self, query: str) -> None:
        waited, pause = 0.0, _FIRST_LOOK
        while True:
            execution = self._client.get_query_execution(QueryExecutionId=query)["QueryExecution"]
            status = execution["Status"]
            match status["State"]:
                case "SUCCEEDED":
                    self.scanned += execution.get("Statistics", {}).get("DataScannedInBytes", 0)
                    return
                case "FAILED" | "CANCELLED":
                    raise QueryRefused(
                        f"Athena: {status.get('StateChangeReason') or status['State'].lower()}"
                    )
            if waited >= _PATIENCE:
                self._client.stop_query_execution(QueryExecutionId=query)
                raise SourceUnavailable(f"Athena did not answer within {_PATIENCE:.0f} seconds")
            self._sleep(pause)
            waited, pause = waited + pause, min(pause * 1.5, _LAST_LOOK)
