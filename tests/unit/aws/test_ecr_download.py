from typing import Any

import pytest
import urllib3

from fakes.images import digest_of
from fakes.scripted_http import Answer, Request, ScriptedServer
from hullwatch.aws.ecr import Repository
from hullwatch.errors import ImageGone, SourceUnavailable
from hullwatch.images.image import Descriptor
from hullwatch.images.sources import resume

BLOB = bytes(range(256)) * 40
DESCRIPTOR = Descriptor(digest=digest_of(BLOB), size=len(BLOB), media_type="")


class Client:
    """Of ECR, the one call that says where a layer is; every address is good for one transfer."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.asked: list[dict[str, str]] = []

    def get_download_url_for_layer(self, **request: str) -> dict[str, Any]:
        self.asked.append(request)
        return {"downloadUrl": f"http://{self.host}/layer?signature={len(self.asked)}"}


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resume, "_PAUSE", 0.0)


def read(client: Client) -> bytes:
    http = urllib3.PoolManager(retries=False)
    repository = Repository(client, http, "app")  # type: ignore[arg-type]
    with repository.open_blob(DESCRIPTOR) as stream:
        return b"".join(iter(lambda: stream.read(3000), b""))


def test_a_transfer_goes_on_at_a_new_address() -> None:
    def storage(request: Request) -> Answer:
        start = int(request.headers.get("Range", "bytes=0-")[6:-1])
        if not start:
            return Answer(body=BLOB, sent=4000)
        headers = {"Content-Range": f"bytes {start}-{len(BLOB) - 1}/{len(BLOB)}"}
        return Answer(206, BLOB[start:], headers)

    with ScriptedServer(storage) as server:
        client = Client(server.host)
        assert read(client) == BLOB
    assert client.asked == [{"repositoryName": "app", "layerDigest": DESCRIPTOR.digest}] * 2
    assert [(request.path, request.headers.get("Range")) for request in server.requests] == [
        ("/layer?signature=1", None),
        ("/layer?signature=2", "bytes=4000-"),
    ]


@pytest.mark.parametrize(
    ("status", "error"), [(404, ImageGone), (403, SourceUnavailable), (503, SourceUnavailable)]
)
def test_storage_that_refuses(status: int, error: type[Exception]) -> None:
    with ScriptedServer(lambda _: Answer(status)) as server, pytest.raises(error):
        read(Client(server.host))
