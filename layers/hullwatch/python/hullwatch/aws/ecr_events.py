"""What ECR tells EventBridge, reduced to what it is: a hint that an image may have come or gone.

Shapes: the ``aws.ecr`` pages of the EventBridge reference. Tags are optional in every one of them, order and
number of deliveries are not promised, so a hint only names what to look at again.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from hullwatch.aws.queue import ImageMessage
from hullwatch.errors import MessageInvalid

#: ``came``: pushed, replicated, pulled through, restored. ``went``: deleted or archived.
Change = Literal["came", "went"]


class Hint(msgspec.Struct, frozen=True):
    """Look at this image again. ``tag`` is empty when the event names none."""

    repository: str
    digest: str
    tag: str
    change: Change
    #: Whether the hint came with our own message, for an image that was chosen already.
    chosen: bool = False


class _Detail(msgspec.Struct, frozen=True, rename=lambda name: name.replace("_", "-")):
    repository_name: str
    image_digest: str
    image_tag: str | None = None
    action_type: str = ""
    result: str = ""
    sync_status: str = ""
    target_storage_class: str = ""


class _Envelope(msgspec.Struct, frozen=True, rename=lambda name: name.replace("_", "-")):
    detail_type: str
    detail: _Detail


_message = msgspec.json.Decoder(ImageMessage)
_envelope = msgspec.json.Decoder(_Envelope)


def read(body: str) -> Hint | None:
    """The hint in a message of the intake queue.

    ``None`` for an event that changes nothing (a push that failed). :class:`MessageInvalid` for anything
    that is no event of ECR and no message of ours.
    """
    try:
        own = _message.decode(body)
        return Hint(own.repository, own.digest, "", "came", chosen=True)
    except msgspec.ValidationError:
        pass
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise MessageInvalid(f"not JSON: {error}") from error
    try:
        event = _envelope.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise MessageInvalid(f"not an event of ECR: {error}") from error
    detail = event.detail
    if "FAILED" in (detail.result, detail.sync_status):
        return None
    went = detail.action_type == "DELETE" or (
        detail.action_type == "UPDATE_STORAGE_CLASS" and detail.target_storage_class == "ARCHIVE"
    )
    return Hint(
        detail.repository_name, detail.image_digest, detail.image_tag or "", "went" if went else "came"
    )
