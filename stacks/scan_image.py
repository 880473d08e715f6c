"""ScanImage: the workflow of one image, from what it is to the findings of its tracks.

The state carries keys: repository, digest, what ``resolve`` found, and which layers nobody has read yet.
"""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from stacks.constructs.function import Function
from stacks.constructs.workflow import EXHAUSTED, PERMANENT, step

#: What ``resolve`` can find that leaves nothing to read: its tracks are settled at once.
_NOTHING_TO_READ = ("index", "artifact", "assessed", "unreadable")

_IMAGE = {"repository.$": "$.repository", "digest.$": "$.digest"}


@dataclass(frozen=True, kw_only=True)
class ScanImage:
    """The functions of the workflow, and what they make together."""

    resolve: Function
    index_layer: Function
    assess_image: Function
    settle_track: Function
    record_failure: Function

    @property
    def functions(self) -> tuple[Function, ...]:
        """Every function that the workflow calls."""
        return (self.resolve, self.index_layer, self.assess_image, self.settle_track, self.record_failure)

    def define(self, scope: Construct) -> sfn.IChainable:
        """The states, below ``scope``."""
        resolve = step(scope, "Resolve", self.resolve, _IMAGE)
        index_layers = self._index_layers(scope)
        assess = step(
            scope,
            "AssessImage",
            self.assess_image,
            _IMAGE | {"generation.$": "$.generation"},
            keep_input=True,
        )
        settle = step(scope, "SettleTracks", self.settle_track, _IMAGE, keep_input=True)

        recorded = self._record(scope, "RecordReason").next(settle)
        failed = self._record(scope, "RecordFailure").next(
            sfn.Fail(scope, "Failed", error_path="$.error.Error", cause_path="$.error.Cause")
        )
        resolve.add_catch(recorded, errors=PERMANENT, result_path="$.error")
        for state in (index_layers, assess):
            state.add_catch(recorded, errors=[*PERMANENT, *EXHAUSTED], result_path="$.error")
        for state in (resolve, index_layers, assess, settle):
            state.add_catch(failed, errors=["States.ALL"], result_path="$.error")

        settle.next(sfn.Succeed(scope, "Done"))
        # There is no default: a kind that nobody thought of fails the execution.
        what = sfn.Choice(scope, "WhatIsIt")
        what.when(_is("image"), index_layers.next(assess).next(settle))
        what.when(sfn.Condition.or_(*map(_is, _NOTHING_TO_READ)), settle)
        return resolve.next(what)

    def _index_layers(self, scope: Construct) -> sfn.Map:
        index_layers = sfn.Map.json_path(
            scope,
            "IndexLayers",
            items_path="$.layers",
            item_selector={
                "repository.$": "$.repository",
                "image.$": "$.digest",
                "layer.$": "$$.Map.Item.Value",
            },
            max_concurrency=4,
            result_path=sfn.JsonPath.DISCARD,
        )
        index_layers.item_processor(step(scope, "IndexLayer", self.index_layer, keep_input=True))
        return index_layers

    def _record(self, scope: Construct, name: str) -> sfn.TaskStateBase:
        """Record what was caught: the whole state, with the error in ``error``.

        A permanent failure is a result, which becomes a finding of the image's tracks. Anything else is
        recorded as well, but fails the execution, so that somebody hears of it. The next hint at the image
        starts another one, which goes on with the layers that were read.
        """
        return step(scope, name, self.record_failure, keep_input=True)


def _is(kind: str) -> sfn.Condition:
    return sfn.Condition.string_equals("$.kind", kind)
