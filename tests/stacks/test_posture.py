"""Surveys: where they run, and what they are let into."""

from __future__ import annotations

from tests.stacks.assembly import Assembly


def test_a_private_cluster_is_surveyed_from_its_network(strict: Assembly) -> None:
    anywhere = strict.function("survey_scope")
    (private,) = (
        function
        for function in strict.resources("AWS::Lambda::Function")
        if function.properties["FunctionName"] == "acme-scan-survey-scope-prod"
    )
    assert anywhere.properties["VpcConfig"]["SubnetIds"] == ["subnet-0123456789abcdef0"]
    assert private.properties["VpcConfig"] == {
        "SubnetIds": ["subnet-aaaaaaaaaaaaaaaaa"],
        "SecurityGroupIds": ["sg-aaaaaaaaaaaaaaaaa"],
    }
    states = strict.definition("survey-workloads")["States"]["SurveyScopes"]["ItemProcessor"]["States"]
    (choice,) = states["FromWhere"]["Choices"]
    assert choice["Next"] == "SurveyPrivateCluster1"
    assert {"Variable": "$.parts[0].cluster", "StringEquals": "prod"} in choice["And"]
    assert states["FromWhere"]["Default"] == "SurveyScope"


def test_access_entries_are_made_where_they_are_asked_for(assembly: Assembly, strict: Assembly) -> None:
    assert assembly.resources("AWS::EKS::AccessEntry") == []
    entries = {
        entry.properties["ClusterName"]: entry.properties
        for entry in strict.resources("AWS::EKS::AccessEntry")
    }
    assert set(entries) == {"prod", "shared"}
    for properties in entries.values():
        assert (properties["Type"], properties["KubernetesGroups"]) == ("STANDARD", ["hullwatch:readers"])
    # Each for the role of the function that surveys that cluster.
    roles = {name: properties["PrincipalArn"]["Fn::GetAtt"][0] for name, properties in entries.items()}
    assert roles["shared"] == strict.function("survey_scope").properties["Role"]["Fn::GetAtt"][0]
    assert roles["prod"] != roles["shared"]


def test_everything_is_surveyed_by_schedule(strict: Assembly) -> None:
    (schedule,) = (
        found for found in strict.resources("AWS::Scheduler::Schedule") if "posture" in found.stack
    )
    assert schedule.properties["ScheduleExpression"] == "rate(12 hours)"
