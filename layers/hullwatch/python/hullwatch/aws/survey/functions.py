"""AWS Lambda: functions that run container images."""

from __future__ import annotations

from collections.abc import Iterator

from hullwatch.aws.survey.reading import Reading
from hullwatch.aws.survey.running import REACHABLE
from hullwatch.errors import HullwatchError
from hullwatch.posture.model.running import Running

FUNCTION, URLS = "lambda:GetFunction", "lambda:ListFunctionUrlConfigs"
INPUTS = frozenset({FUNCTION, URLS})
ACTIONS = (FUNCTION, URLS, "lambda:ListFunctions")
_GONE = ("ResourceNotFoundException",)


def running(reading: Reading) -> Iterator[Running]:
    """The image that each function's latest version runs, by the digest that Lambda resolved."""
    reading.begin(*INPUTS)
    if not reading.wants(FUNCTION):
        return
    names: list[str] = []
    with reading.input(FUNCTION):
        for page in reading.pages("lambda:ListFunctions"):
            names += [
                item["FunctionName"] for item in page["Functions"] if item.get("PackageType") == "Image"
            ]
    for name in names:
        with reading.input(FUNCTION):
            answer = reading.call(FUNCTION, _GONE, FunctionName=name)
            if answer is None:
                continue
            code = answer.get("Code", {})
            digest = code.get("ResolvedImageUri", "").partition("@")[2]
            if digest:
                yield Running(
                    digest=digest,
                    image=code.get("ImageUri", ""),
                    kind="LambdaFunction",
                    workload=name,
                    role=answer.get("Configuration", {}).get("Role", ""),
                    exposure=(REACHABLE,) if _public(reading, name) else (),
                )


def _public(reading: Reading, function: str) -> bool:
    """Whether it has a URL that asks for no signature; unknown counts as no."""
    if not reading.wants(URLS):
        return False
    try:
        pages = reading.pages(URLS, _GONE, FunctionName=function)
        return any(item["AuthType"] == "NONE" for page in pages for item in page["FunctionUrlConfigs"])
    except HullwatchError as error:
        reading.lacks(URLS, error)
        return False
