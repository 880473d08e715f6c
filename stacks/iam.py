"""``docs/iam.md``: every permission that is deployed, read off the synthesised templates.

``python -m stacks.iam CDK_OUT > docs/iam.md``
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_HEADER = """# Permissions

Generated from the synthesised templates by `make docs`, and held to them by a test. `ACCOUNT`, `REGION` and
`PARTITION` are those of the deployment, `STACK` is one of its stacks; a word in angle brackets is a resource
of one of the stacks. Another configuration changes the repositories (`scan.include`), and adds the use of
a key (`security.customer_key`) and of network interfaces (`network`).

Whoever deploys needs what the CDK's bootstrap stack gives: to assume its roles.
"""

_PSEUDO_PARAMETERS = {
    "AWS::AccountId": "ACCOUNT",
    "AWS::Region": "REGION",
    "AWS::Partition": "PARTITION",
    "AWS::StackId": "STACK",
    "AWS::URLSuffix": "amazonaws.com",
}


def document(assembly: Path) -> str:
    """The page for the templates of a cloud assembly."""
    templates = {
        path.name.removesuffix(".template.json"): json.loads(path.read_text(encoding="utf-8"))
        for path in sorted(assembly.glob("*.template.json"))
    }
    exports = {
        output["Export"]["Name"]: output["Value"]
        for template in templates.values()
        for output in template.get("Outputs", {}).values()
        if "Export" in output
    }
    pages = [_HEADER]
    for stack, template in templates.items():
        resources = template["Resources"]
        roles = {name: body for name, body in resources.items() if body["Type"] == "AWS::IAM::Role"}
        policies = {n: body for n, body in resources.items() if body["Type"] == "AWS::IAM::ManagedPolicy"}
        if roles or policies:
            pages.append(f"## {stack}\n")
        for name, policy in policies.items():
            pages.append(_policy(name, policy["Properties"], exports))
        for name, role in roles.items():
            statements = list(_statements(name, resources))
            pages.append(_role(name, role["Properties"], statements, exports))
    return "\n".join(pages)


def _statements(role: str, resources: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for body in resources.values():
        if body["Type"] == "AWS::IAM::Policy" and {"Ref": role} in body["Properties"]["Roles"]:
            yield from body["Properties"]["PolicyDocument"]["Statement"]


def _role(name: str, role: dict[str, Any], statements: list[dict[str, Any]], exports: dict[str, Any]) -> str:
    trusted = [
        _text(statement["Principal"]["Service"], exports)
        for statement in role["AssumeRolePolicyDocument"]["Statement"]
    ]
    lines = [f"### {_short(name)}", ""]
    lines += [role["Description"], ""] if "Description" in role else []
    lines += [f"Assumed by {', '.join(trusted)}.", ""]
    return "\n".join([*lines, *_table(statements, exports)]) + "\n"


def _policy(name: str, policy: dict[str, Any], exports: dict[str, Any]) -> str:
    lines = [f"### {_short(name)}", "", policy["Description"], ""]
    lines += ["A managed policy, attached to nobody: give it to whoever may ask.", ""]
    return "\n".join([*lines, *_table(policy["PolicyDocument"]["Statement"], exports)]) + "\n"


def _table(statements: list[dict[str, Any]], exports: dict[str, Any]) -> list[str]:
    lines = ["| Actions | Resources | Only where |", "|---|---|---|"]
    for statement in statements:
        condition = statement.get("Condition", {})
        lines.append(
            f"| {_cell(statement['Action'], exports)} | {_cell(statement['Resource'], exports)} "
            f"| {'; '.join(_condition(condition, exports))} |"
        )
    return lines


def _cell(values: Any, exports: dict[str, Any]) -> str:
    listed = values if isinstance(values, list) else [values]
    return "<br>".join(f"`{_text(value, exports)}`" for value in listed)


def _condition(condition: dict[str, Any], exports: dict[str, Any]) -> Iterator[str]:
    for operator, keys in condition.items():
        for key, values in keys.items():
            yield f"`{key}` {operator} {_cell(values, exports)}"


def _text(value: Any, exports: dict[str, Any]) -> str:
    """A template value in words: parameters in capitals, resources in angle brackets."""
    match value:
        case str():
            return value
        case {"Ref": str(name)}:
            return _PSEUDO_PARAMETERS.get(name, f"<{_short(name)}>")
        case {"Fn::GetAtt": [str(name), "Arn"]}:
            return f"<{_short(name)}>"
        case {"Fn::GetAtt": [str(name), str(attribute)]}:
            return f"<{_short(name)}.{attribute.removesuffix('Arn')}>"
        case {"Fn::ImportValue": str(name)}:
            return _text(exports[name], exports)
        case {"Fn::Join": [str(separator), list(parts)]}:
            return separator.join(_text(part, exports) for part in parts)
    raise ValueError(f"no words for {value}")


def _short(logical_id: str) -> str:
    """A logical id without the eight digits of the CDK's hash."""
    return re.sub(r"[0-9A-F]{8}$", "", logical_id)


if __name__ == "__main__":
    print(document(Path(sys.argv[1])), end="")
