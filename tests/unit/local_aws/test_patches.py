"""Patches are taken back, and a moto that has moved on is noticed."""

from __future__ import annotations

from importlib.metadata import version

import pytest

from local_aws.cloud import LocalCloud
from local_aws.patches import MOTO_VERSION, MotoMismatch, Patches


class Owner:
    kept = "before"

    @classmethod
    def method(cls, value: int) -> int:
        return value


def test_what_was_replaced_is_put_back() -> None:
    method = vars(Owner)["method"]
    with Patches() as patches:
        patches.replace(Owner, "kept", "after")
        patches.replace(Owner, "method", classmethod(lambda cls, value: -value))
        patches.add(Owner, "more", 1)
        assert (Owner.kept, Owner.method(1), getattr(Owner, "more", 0)) == ("after", -1, 1)

    assert Owner.kept == "before"
    assert vars(Owner)["method"] is method
    assert not hasattr(Owner, "more")


def test_a_missing_symbol_names_the_release_that_has_it() -> None:
    with Patches() as patches, pytest.raises(MotoMismatch, match=r"Owner\.gone.*moto 5\.2\.5"):
        patches.replace(Owner, "gone", None)


def test_an_addition_that_is_no_longer_needed() -> None:
    with Patches() as patches, pytest.raises(MotoMismatch, match=r"Owner\.kept itself"):
        patches.add(Owner, "kept", None)


def test_a_wrapper_gets_the_original_and_its_arguments() -> None:
    class Counter:
        def add(self, amount: int) -> int:
            return amount

    with Patches() as patches:
        patches.wrap(Counter, "add", lambda original, counter, amount: original(counter, amount) * 10)
        assert Counter().add(2) == 20
    assert Counter().add(2) == 2


def test_the_installed_moto_is_the_one_that_was_checked() -> None:
    assert version("moto") == MOTO_VERSION


def test_a_cloud_leaves_moto_as_it_was() -> None:
    from moto.awslambda_simple.models import LambdaSimpleBackend
    from moto.sqs.models import SQSBackend

    before = (LambdaSimpleBackend.invoke, SQSBackend.receive_message)
    with LocalCloud():
        assert before[0] is not LambdaSimpleBackend.invoke
        assert before[1] is not SQSBackend.receive_message
    assert before == (LambdaSimpleBackend.invoke, SQSBackend.receive_message)
