"""What outlives every release: the table, the evidence, the key, the bus, and the topic for alarms."""

from __future__ import annotations

from aws_cdk import CfnOutput, Duration, RemovalPolicy, Stack, aws_dynamodb, aws_events, aws_kms, aws_s3
from aws_cdk import PermissionsBoundary as Boundary
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from hullwatch.settings import Environment
from stacks.constructs.acknowledgements import acknowledge
from stacks.settings import Settings


class HullwatchStack(Stack):
    """A stack that is named with the configuration's prefix and whose roles carry its boundary."""

    def __init__(self, scope: Construct, name: str, *, settings: Settings, description: str) -> None:
        boundary = settings.security.permissions_boundary
        super().__init__(
            scope,
            f"{settings.security.name_prefix}-{name}",
            description=f"hullwatch: {description}",
            permissions_boundary=Boundary.from_name(boundary) if boundary else None,
        )
        self.settings = settings


class FoundationStack(HullwatchStack):
    """Everything that holds data, and what all other stacks are given."""

    def __init__(self, scope: Construct, *, settings: Settings) -> None:
        super().__init__(
            scope, "foundation", settings=settings, description="table, evidence, bus and alarms"
        )
        self._retained = settings.security.removal == "retain"
        self._removal = RemovalPolicy.RETAIN if self._retained else RemovalPolicy.DESTROY
        self.key = self._key() if settings.security.customer_key else None
        self.table = self._table()
        self.evidence = self._evidence()
        imported = self.resolve(self.export_value(self.evidence.bucket_arn))
        #: How other stacks, and cdk-nag, name the bucket's ARN.
        self.evidence_export = str(imported["Fn::ImportValue"])
        self.bus = aws_events.EventBus(self, "Bus", event_bus_name=settings.security.name_prefix)
        self.alarms = self._alarms()
        for name, value in (
            ("TableName", self.table.table_name),
            ("EvidenceBucket", self.evidence.bucket_name),
            ("AlarmTopic", self.alarms.topic_arn),
        ):
            CfnOutput(self, name, value=value)

    def handler_environment(
        self,
        *,
        intake_queue_url: str = "",
        scan_state_machine_arn: str = "",
        survey_state_machine_arn: str = "",
    ) -> Environment:
        """What a function is told of this deployment."""
        return Environment(
            account=self.account,
            partition=self.partition,
            table=self.table.table_name,
            bucket=self.evidence.bucket_name,
            bus=self.bus.event_bus_name,
            intake_queue_url=intake_queue_url,
            scan_state_machine_arn=scan_state_machine_arn,
            survey_state_machine_arn=survey_state_machine_arn,
            settings=self.settings.runtime(),
        )

    def _key(self) -> aws_kms.Key:
        key = aws_kms.Key(
            self,
            "Key",
            description="Everything that hullwatch stores",
            enable_key_rotation=True,
            removal_policy=self._removal,
        )
        # Services that write on their own behalf, not on that of one of our roles, need the key's own word:
        # rules to the intake queue, alarms to the topic, and logs.
        for service in ("events", "cloudwatch"):
            key.grant(
                iam.ServicePrincipal(
                    f"{service}.amazonaws.com",
                    conditions={"StringEquals": {"aws:SourceAccount": self.account}},
                ),
                "kms:Decrypt",
                "kms:GenerateDataKey*",
            )
        key.grant(
            iam.ServicePrincipal(
                f"logs.{self.region}.amazonaws.com",
                conditions={
                    "ArnLike": {
                        "kms:EncryptionContext:aws:logs:arn": self.format_arn(
                            service="logs", resource="log-group", resource_name="*", arn_format=None
                        )
                    }
                },
            ),
            "kms:Encrypt*",
            "kms:Decrypt*",
            "kms:ReEncrypt*",
            "kms:GenerateDataKey*",
            "kms:Describe*",
        )
        return key

    def _table(self) -> aws_dynamodb.Table:
        def text(name: str) -> aws_dynamodb.Attribute:
            return aws_dynamodb.Attribute(name=name, type=aws_dynamodb.AttributeType.STRING)

        table = aws_dynamodb.Table(
            self,
            "Table",
            partition_key=text("pk"),
            sort_key=text("sk"),
            billing_mode=aws_dynamodb.BillingMode.PAY_PER_REQUEST,
            time_to_live_attribute="expires",
            stream=aws_dynamodb.StreamViewType.NEW_AND_OLD_IMAGES,
            point_in_time_recovery_specification=aws_dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            encryption=aws_dynamodb.TableEncryption.CUSTOMER_MANAGED
            if self.key
            else aws_dynamodb.TableEncryption.AWS_MANAGED,
            encryption_key=self.key,
            deletion_protection=self._retained,
            removal_policy=self._removal,
        )
        # Both are sparse: work still to be done by its state, and open findings by their priority.
        table.add_global_secondary_index(
            index_name="scans", partition_key=text("g1pk"), sort_key=text("g1sk")
        )
        table.add_global_secondary_index(
            index_name="board", partition_key=text("g3pk"), sort_key=text("g3sk")
        )
        return table

    def _evidence(self) -> aws_s3.Bucket:
        bucket = aws_s3.Bucket(
            self,
            "Evidence",
            block_public_access=aws_s3.BlockPublicAccess.BLOCK_ALL,
            encryption=aws_s3.BucketEncryption.KMS if self.key else aws_s3.BucketEncryption.S3_MANAGED,
            encryption_key=self.key,
            bucket_key_enabled=True if self.key else None,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            object_ownership=aws_s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            versioned=True,
            lifecycle_rules=[
                aws_s3.LifecycleRule(
                    id="replaced-and-unfinished",
                    abort_incomplete_multipart_upload_after=Duration.days(7),
                    noncurrent_version_expiration=Duration.days(30),
                    expired_object_delete_marker=True,
                ),
                aws_s3.LifecycleRule(
                    id="answers",
                    prefix="answers/",
                    expiration=Duration.days(1),
                    noncurrent_version_expiration=Duration.days(1),
                ),
            ],
            removal_policy=self._removal,
        )
        acknowledge(
            bucket,
            "AwsSolutions-S1",
            "Only hullwatch's own roles read and write here, under content-addressed keys; an organisation "
            "that records object access does it with CloudTrail data events for all its buckets.",
        )
        return bucket

    def _alarms(self) -> sns.Topic:
        # An alarm cannot publish to a topic under the key that AWS manages for SNS.
        topic = sns.Topic(
            self, "Alarms", display_name="hullwatch alarms", master_key=self.key, enforce_ssl=True
        )
        topic.add_to_resource_policy(
            iam.PolicyStatement(
                actions=["sns:Publish"],
                resources=[topic.topic_arn],
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                conditions={"StringEquals": {"aws:SourceAccount": self.account}},
            )
        )
        if self.settings.alarms.email:
            subscription = topic.add_subscription(subscriptions.EmailSubscription(self.settings.alarms.email))
            acknowledge(
                subscription,
                "Serverless-SNSRedrivePolicy",
                "SNS tries e-mail again for hours, and the alarm itself stays red in CloudWatch.",
            )
        return topic
