"""SurveyWorkloads: scope by scope, what is configured and what runs, read and judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from stacks.constructs.function import Function
from stacks.constructs.workflow import step

#: Scopes at a time: each reads its own services, but some rates are the account's.
_WORKERS = 4


@dataclass(frozen=True, kw_only=True)
class SurveyWorkloads:
    """The functions of the workflow. ``in_networks``: the ones that reach private clusters, by cluster."""

    plan_survey: Function
    survey_scope: Function
    in_networks: Mapping[str, Function] = field(default_factory=dict)

    @property
    def functions(self) -> tuple[Function, ...]:
        """Every function that it calls."""
        return (self.plan_survey, self.survey_scope, *self.in_networks.values())

    def define(self, scope: Construct) -> sfn.IChainable:
        """The states, below ``scope``, for a state with ``scopes``; without, everything is surveyed."""
        plan = step(scope, "PlanSurvey", self.plan_survey)
        scopes = sfn.Map.json_path(
            scope,
            "SurveyScopes",
            items_path="$.scopes",
            item_selector={"parts.$": "$$.Map.Item.Value"},
            max_concurrency=_WORKERS,
            result_path="$.answers",
        )
        scopes.item_processor(self._scope(scope))
        # The scopes that failed have said why; the others are done, and the next survey reads all again.
        failed = sfn.Fail(scope, "ScopesFailed", error="ScopesFailed", cause="a scope could not be surveyed")
        scopes.next(
            sfn.Pass(scope, "Together", parameters={"failed.$": "States.ArrayContains($.answers, 'failed')"})
        ).next(
            sfn.Choice(scope, "AnyFailed")
            .when(sfn.Condition.boolean_equals("$.failed", True), failed)
            .otherwise(sfn.Succeed(scope, "Surveyed"))
        )
        return (
            sfn.Choice(scope, "WhichScopes")
            .when(sfn.Condition.is_present("$.scopes"), scopes)
            .otherwise(plan.next(scopes))
        )

    def _scope(self, scope: Construct) -> sfn.IChainable:
        failed = sfn.Pass(scope, "ScopeFailed", result=sfn.Result.from_string("failed"))

        def survey(name: str, function: Function) -> sfn.IChainable:
            task = step(scope, name, function)
            task.add_catch(failed, errors=["States.ALL"])
            return task

        anywhere = survey("SurveyScope", self.survey_scope)
        if not self.in_networks:
            return anywhere
        where = sfn.Choice(scope, "FromWhere")
        for number, (cluster, function) in enumerate(self.in_networks.items(), start=1):
            is_this = sfn.Condition.and_(
                sfn.Condition.is_present("$.parts[0].cluster"),
                sfn.Condition.string_equals("$.parts[0].kind", "cluster"),
                sfn.Condition.string_equals("$.parts[0].cluster", cluster),
            )
            where.when(is_this, survey(f"SurveyPrivateCluster{number}", function))
        return where.otherwise(anywhere)
