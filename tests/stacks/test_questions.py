from __future__ import annotations

import json

import msgspec

from hullwatch.findings.rows import DIGITS, KINDS, MatchRow, PackageRow
from hullwatch.pipeline import keys
from tests.stacks.assembly import Assembly, listed


def test_the_tables_have_the_columns_of_the_rows(assembly: Assembly) -> None:
    tables = {
        table.properties["TableInput"]["Name"]: table.properties["TableInput"]
        for table in assembly.resources("AWS::Glue::Table")
    }
    assert set(tables) == {"packages", "matches"}
    for name, row in (("packages", PackageRow), ("matches", MatchRow)):
        columns = tables[name]["StorageDescriptor"]["Columns"]
        assert [column["Name"] for column in columns] == [field.name for field in msgspec.structs.fields(row)]
    types = {c["Name"]: c["Type"] for c in tables["matches"]["StorageDescriptor"]["Columns"]}
    assert types["aliases"] == "array<string>"
    assert set(types.values()) == {"string", "array<string>"}


def test_partitions_are_projected_to_where_rows_are_written(assembly: Assembly) -> None:
    for table in assembly.resources("AWS::Glue::Table"):
        told = table.properties["TableInput"]
        name, parameters = told["Name"], told["Parameters"]
        assert parameters["projection.enabled"] == "true"
        for key in told["PartitionKeys"]:
            assert parameters[f"projection.{key['Name']}.type"] == "enum"
        template = "".join(
            part if isinstance(part, str) else "BUCKET"
            for part in parameters["storage.location.template"]["Fn::Join"][1]
        )
        for kind in (*KINDS, "other"):
            for digit in DIGITS:
                digest = f"sha256:{digit * 64}"
                key = (
                    keys.packages(kind, "app", digest) if name == "packages" else keys.matches("app", digest)
                )
                folder = template.replace("${kind}", kind).replace("${part}", digit)
                assert f"s3://BUCKET/{key}".startswith(folder)
                assert "/" not in f"s3://BUCKET/{key}".removeprefix(folder)
        if name == "packages":
            assert parameters["projection.kind.values"].split(",") == [*KINDS, "other"]
        assert parameters["projection.part.values"].split(",") == list(DIGITS)


def test_a_query_has_a_limit_and_its_answer_goes_away(assembly: Assembly, strict: Assembly) -> None:
    for found, option in ((assembly, "SSE_S3"), (strict, "SSE_KMS")):
        (group,) = found.resources("AWS::Athena::WorkGroup")
        configuration = group.properties["WorkGroupConfiguration"]
        assert configuration["EnforceWorkGroupConfiguration"] is True
        assert configuration["BytesScannedCutoffPerQuery"] == 100_000_000_000
        result = configuration["ResultConfiguration"]
        assert result["EncryptionConfiguration"]["EncryptionOption"] == option
        assert "/answers/" in json.dumps(result["OutputLocation"])
        (bucket,) = found.resources("AWS::S3::Bucket")
        rules = {rule.get("Prefix"): rule for rule in bucket.properties["LifecycleConfiguration"]["Rules"]}
        assert rules["answers/"]["ExpirationInDays"] == 1


def test_who_asks_reads_rows_and_records_and_writes_answers_only(assembly: Assembly) -> None:
    (policy,) = assembly.resources("AWS::IAM::ManagedPolicy")
    statements = policy.properties["PolicyDocument"]["Statement"]
    for statement in statements:
        assert all("*" not in action for action in listed(statement["Action"]))
        assert "*" not in listed(statement["Resource"])
    writing = [s for s in statements if "s3:PutObject" in listed(s["Action"])]
    assert len(writing) == 1
    assert "/answers/*" in json.dumps(writing[0]["Resource"])
    table = next(s for s in statements if "dynamodb:Query" in listed(s["Action"]))
    assert not {"dynamodb:PutItem", "dynamodb:Scan"} & set(listed(table["Action"]))
    assert table["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"] == [
        "IMG#*",
        "TRACK#*",
        "RUN#*",
        "SCAN#*",
    ]
