"""Questions: what Athena needs to read the rows in the evidence bucket, and what people need to ask it.

No function and no crawler: partitions are projected, so that rows can be asked as soon as they are written.
https://docs.aws.amazon.com/athena/latest/ug/partition-projection.html
"""

from __future__ import annotations

import msgspec
from aws_cdk import CfnOutput, aws_athena, aws_glue
from aws_cdk import aws_iam as iam
from constructs import Construct

from hullwatch.aws.question_sql import MATCHES, PACKAGES
from hullwatch.findings.rows import DIGITS, KINDS, OTHER, MatchRow, PackageRow
from stacks.constructs.acknowledgements import acknowledge
from stacks.foundation import FoundationStack, HullwatchStack

#: Bytes that one query may read: 50 cents, and more than a question about a million images needs.
_CUTOFF = 100 * 10**9

_GLUE_TYPES = {str: "string", tuple[str, ...]: "array<string>"}


class QuestionsStack(HullwatchStack):
    """A database of two tables over the bucket, a workgroup with a limit, and a policy for who may ask."""

    def __init__(self, scope: Construct, *, foundation: FoundationStack) -> None:
        super().__init__(
            scope, "questions", settings=foundation.settings, description="questions about all images"
        )
        self._foundation = foundation
        #: Glue takes lower-case letters, digits and underscores.
        self._database = self.settings.security.name_prefix.replace("-", "_")
        database = aws_glue.CfnDatabase(
            self,
            "Database",
            catalog_id=self.account,
            database_input=aws_glue.CfnDatabase.DatabaseInputProperty(
                name=self._database, description="What hullwatch has found in images"
            ),
        )
        digits = {"part": DIGITS}
        for name, row, partitions in (
            (PACKAGES, PackageRow, {"kind": (*KINDS, OTHER), **digits}),
            (MATCHES, MatchRow, digits),
        ):
            self._table(name, row, partitions).add_resource_dependency(database)
        self._workgroup = self._make_workgroup()
        self._allow_asking()
        for output, value in (
            ("WorkgroupName", self._workgroup.name),
            ("DatabaseName", self._database),
        ):
            CfnOutput(self, output, value=value)

    def _table(
        self, name: str, row: type[msgspec.Struct], partitions: dict[str, tuple[str, ...]]
    ) -> aws_glue.CfnTable:
        column = aws_glue.CfnTable.ColumnProperty
        location = f"s3://{self._foundation.evidence.bucket_name}/questions/{name}"
        projection = {"projection.enabled": "true"}
        for key, values in partitions.items():
            projection |= {f"projection.{key}.type": "enum", f"projection.{key}.values": ",".join(values)}
        template = "/".join(f"${{{key}}}" for key in partitions)
        return aws_glue.CfnTable(
            self,
            name.title(),
            catalog_id=self.account,
            database_name=self._database,
            table_input=aws_glue.CfnTable.TableInputProperty(
                name=name,
                description=(row.__doc__ or "").split(". ")[0],
                table_type="EXTERNAL_TABLE",
                partition_keys=[column(name=key, type="string") for key in partitions],
                parameters=projection
                | {"classification": "json", "storage.location.template": f"{location}/{template}/"},
                storage_descriptor=aws_glue.CfnTable.StorageDescriptorProperty(
                    location=f"{location}/",
                    columns=[
                        column(name=field.name, type=_GLUE_TYPES[field.type])
                        for field in msgspec.structs.fields(row)
                    ],
                    input_format="org.apache.hadoop.mapred.TextInputFormat",
                    output_format="org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
                    serde_info=aws_glue.CfnTable.SerdeInfoProperty(
                        serialization_library="org.openx.data.jsonserde.JsonSerDe"
                    ),
                ),
            ),
        )

    def _make_workgroup(self) -> aws_athena.CfnWorkGroup:
        group = aws_athena.CfnWorkGroup
        key = self._foundation.key
        return group(
            self,
            "Workgroup",
            name=self.settings.security.name_prefix,
            description="Questions about what hullwatch has found in images",
            recursive_delete_option=self.settings.security.removal == "destroy",
            work_group_configuration=group.WorkGroupConfigurationProperty(
                enforce_work_group_configuration=True,
                bytes_scanned_cutoff_per_query=_CUTOFF,
                publish_cloud_watch_metrics_enabled=True,
                engine_version=group.EngineVersionProperty(selected_engine_version="Athena engine version 3"),
                result_configuration=group.ResultConfigurationProperty(
                    output_location=f"s3://{self._foundation.evidence.bucket_name}/answers/",
                    expected_bucket_owner=self.account,
                    encryption_configuration=group.EncryptionConfigurationProperty(
                        encryption_option="SSE_KMS" if key else "SSE_S3",
                        kms_key=key.key_arn if key else None,
                    ),
                ),
            ),
        )

    def _allow_asking(self) -> None:
        foundation, bucket = self._foundation, self._foundation.evidence
        policy = iam.ManagedPolicy(
            self,
            "Ask",
            managed_policy_name=f"{self.settings.security.name_prefix}-ask",
            description="To ask hullwatch which images hold a package or have a vulnerability",
        )
        allow = policy.add_statements
        resource = self.format_arn
        glue = [
            resource(service="glue", resource="catalog"),
            resource(service="glue", resource="database", resource_name=self._database),
            *(
                resource(service="glue", resource="table", resource_name=f"{self._database}/{table}")
                for table in (PACKAGES, MATCHES)
            ),
        ]
        answers = bucket.arn_for_objects("answers/*")
        for actions, resources in (
            (
                [
                    "athena:StartQueryExecution",
                    "athena:GetQueryExecution",
                    "athena:GetQueryResults",
                    "athena:StopQueryExecution",
                ],
                [resource(service="athena", resource="workgroup", resource_name=self._workgroup.name)],
            ),
            (["glue:GetDatabase", "glue:GetTable", "glue:GetPartitions"], glue),
            (["s3:GetBucketLocation"], [bucket.bucket_arn]),
            (["s3:GetObject"], [bucket.arn_for_objects("questions/*"), answers]),
            (["s3:PutObject", "s3:AbortMultipartUpload"], [answers]),
            (["cloudformation:DescribeStacks"], [self.stack_id, foundation.stack_id]),
        ):
            allow(iam.PolicyStatement(actions=actions, resources=resources))
        allow(
            iam.PolicyStatement(
                actions=["s3:ListBucket"],
                resources=[bucket.bucket_arn],
                conditions={"StringLike": {"s3:prefix": ["questions/*", "answers/*"]}},
            ),
            iam.PolicyStatement(
                actions=["dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query"],
                resources=[foundation.table.table_arn, f"{foundation.table.table_arn}/index/scans"],
                conditions={
                    "ForAllValues:StringLike": {
                        "dynamodb:LeadingKeys": ["IMG#*", "TRACK#*", "RUN#*", "SCAN#*"]
                    },
                    "Null": {"dynamodb:LeadingKeys": "false"},
                },
            ),
        )
        if foundation.key:
            allow(
                iam.PolicyStatement(
                    actions=["kms:Decrypt", "kms:GenerateDataKey"], resources=[foundation.key.key_arn]
                )
            )
        for prefix in ("questions", "answers"):
            acknowledge(
                policy,
                f"AwsSolutions-IAM5[Resource::{foundation.evidence_export}/{prefix}/*]",
                f"One object per image or query below {prefix}/; a question reads any of them.",
            )
