"""CloudFormation resource types that moto lacks: a few that act, and those that may be inert.

Everything else fails the deployment, so that nothing that a stack declares is silently missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.cloudformation import parsing
from moto.core.common_models import CloudFormationModel
from moto.events.models import EventBus

from local_aws.patches import Patches

if TYPE_CHECKING:
    from local_aws.cloud import LocalCloud

#: Accepted and recorded, without effect here: permissions, alarms, retention and the like.
INERT = frozenset(
    {
        "AWS::Athena::WorkGroup",
        "AWS::CDK::Metadata",
        "AWS::CloudWatch::Alarm",
        "AWS::CloudWatch::CompositeAlarm",
        "AWS::ECR::PullTimeUpdateExclusion",
        "AWS::Events::EventBusPolicy",
        "AWS::Glue::Database",
        "AWS::Glue::Table",
        "AWS::Logs::MetricFilter",
        "AWS::S3::BucketPolicy",
        "AWS::SNS::Subscription",
        "AWS::SNS::TopicPolicy",
        "AWS::SQS::QueuePolicy",
        "AWS::Scheduler::ScheduleGroup",
    }
)


class UnsupportedResource(RuntimeError):
    """A template declares a resource type that neither moto nor this package knows."""


class Resources:
    """What the templates of one cloud declared beyond what moto keeps."""

    def __init__(self, cloud: LocalCloud) -> None:
        self._cloud = cloud
        #: ``(type, name, properties)`` of every inert resource.
        self.inert: list[tuple[str, str, dict[str, Any]]] = []

    def install(self, patches: Patches) -> None:
        actions = {
            "AWS::Scheduler::Schedule": self._schedule,
            "AWS::SecurityHub::Insight": self._insight,
            "AWS::SecurityHub::Hub": self._hub,
        }
        own = {kind: _model(kind, action, self._cloud) for kind, action in actions.items()}
        own |= {kind: _model(kind, self._record, self._cloud) for kind in INERT}

        def lookup(original: Any, kind: str) -> Any:
            if kind in own:
                return own[kind]
            if kind not in parsing.NULL_MODELS and kind not in parsing.get_model_map():
                raise UnsupportedResource(
                    f"{kind}: neither moto nor local_aws has this resource type. Implement it in "
                    f"local_aws/resources.py, or list it under INERT if it may be without effect here"
                )
            return original(kind)

        # Without it, a reference to a bus is moto's object.
        patches.add(EventBus, "physical_resource_id", property(lambda bus: bus.name))
        patches.wrap(parsing, "resource_class_from_type", lookup)

    def _record(self, kind: str, name: str, properties: dict[str, Any]) -> str:
        self.inert.append((kind, name, properties))
        return name

    def _schedule(self, _: str, name: str, properties: dict[str, Any]) -> str:
        name = properties.get("Name", name)
        self._cloud.events.schedules[name] = properties
        return name

    def _insight(self, _: str, __: str, properties: dict[str, Any]) -> str:
        return str(self._cloud.hub.call("CreateInsight", properties)["InsightArn"])

    def _hub(self, _: str, __: str, ___: dict[str, Any]) -> str:
        self._cloud.hub.call("EnableSecurityHub", {})
        return self._cloud.hub.arn


class _Resource(CloudFormationModel):
    """What moto's parser asks of a resource; :func:`_model` binds one to its type and action."""

    # moto lists every model class, this one included.
    kind = "Local::AWS::Resource"
    action: Any
    cloud: LocalCloud

    def __init__(self, identifier: str) -> None:
        self.identifier = identifier

    @property
    def physical_resource_id(self) -> str:
        return self.identifier

    @staticmethod
    def cloudformation_name_type() -> str:
        return ""

    @classmethod
    def cloudformation_type(cls) -> str:
        return cls.kind

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        return True

    def get_cfn_attribute(self, attribute_name: str) -> str:
        if not attribute_name.endswith("Arn") or self.identifier.startswith("arn:"):
            return self.identifier
        service, resource = (part.lower() for part in self.kind.split("::")[1:])
        return f"arn:aws:{service}:{self.cloud.region}:{self.cloud.account}:{resource}/{self.identifier}"

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **_: Any
    ) -> _Resource:
        return cls(cls.action(cls.kind, resource_name, cloudformation_json.get("Properties", {})))

    @classmethod
    def update_from_cloudformation_json(
        cls,
        original_resource: Any,
        new_resource_name: str,
        cloudformation_json: Any,
        account_id: str,
        region_name: str,
    ) -> _Resource:
        return cls.create_from_cloudformation_json(
            new_resource_name, cloudformation_json, account_id, region_name
        )

    @classmethod
    def delete_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str
    ) -> None:
        """Nothing here outlives the cloud."""


def _model(kind: str, action: Any, cloud: LocalCloud) -> type[_Resource]:
    """A model class for ``kind``. ``action(kind, name, properties)`` gives the physical id."""
    return type(kind, (_Resource,), {"kind": kind, "action": staticmethod(action), "cloud": cloud})
