"""The CloudFormation template of everything that the service needs on AWS, made from what the code declares.

    python deploy/stack.py > deploy/stack.json

Tables and indexes are those of the schema, the policy is the one of docs/operations.md. `lunalux admin
provision` makes the same tables and bucket without CloudFormation; use one of the two for a deployment.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from lunalux_core.backend.running.backend_settings import BackendSettings
from lunalux_core.backend.running.signatures import uploads_prefix
from lunalux_core.backend.storage.provision import EXPIRY, EXPIRY_DAYS
from lunalux_core.backend.storage.schema import table_specs
from lunalux_core.backend.storage.table import Index, TableSpec

ROOT = Path(__file__).resolve().parents[1]


def template() -> dict[str, Any]:
    specs = table_specs()
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "Tables, bucket, policy and user pool of the Lunalux backend.",
        "Parameters": {
            "BucketName": {
                "Type": "String",
                "Description": "Globally unique; CHARACTER_S3_BUCKET of the server.",
            },
            "WebOrigins": {
                "Type": "CommaDelimitedList",
                "Description": "Web pages that may use the bucket; CORS_ORIGINS of the server.",
                "Default": "https://lunalux.example.org",
            },
        },
        "Resources": {
            **{_logical(spec.name): _table(spec) for spec in specs},
            "Cards": _bucket(),
            "ServerPolicy": _policy(),
            "Accounts": _pool(),
            "AccountsClient": _client(),
        },
        "Outputs": {
            "PolicyArn": {
                "Description": "Attach it to the role of the servers.",
                "Value": {"Ref": "ServerPolicy"},
            },
            "UserPoolId": {"Description": "COGNITO_USER_POOL_ID", "Value": {"Ref": "Accounts"}},
            "ClientId": {"Description": "COGNITO_CLIENT_ID", "Value": {"Ref": "AccountsClient"}},
        },
    }


def _logical(table: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in table.split("_"))


def _keys(pk: str, sk: str) -> list[dict[str, str]]:
    return [{"AttributeName": pk, "KeyType": "HASH"}, {"AttributeName": sk, "KeyType": "RANGE"}]


def _table(spec: TableSpec) -> dict[str, Any]:
    names = ["PK", "SK", *(name for index in spec.indexes for name in (index.pk_attr, index.sk_attr))]
    properties: dict[str, Any] = {
        "TableName": spec.name,
        "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": _keys("PK", "SK"),
        "AttributeDefinitions": [{"AttributeName": n, "AttributeType": "S"} for n in dict.fromkeys(names)],
        "DeletionProtectionEnabled": True,
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
        "SSESpecification": {"SSEEnabled": True},
    }
    if spec.indexes:
        properties["GlobalSecondaryIndexes"] = [_index(index) for index in spec.indexes]
    if spec.ttl:
        properties["TimeToLiveSpecification"] = {"AttributeName": spec.ttl, "Enabled": True}
    return {
        "Type": "AWS::DynamoDB::Table",
        "DeletionPolicy": "Retain",
        "UpdateReplacePolicy": "Retain",
        "Properties": properties,
    }


def _index(index: Index) -> dict[str, Any]:
    return {
        "IndexName": index.name,
        "KeySchema": _keys(index.pk_attr, index.sk_attr),
        "Projection": {"ProjectionType": "KEYS_ONLY" if index.include == () else "ALL"},
    }


def _bucket() -> dict[str, Any]:
    cors = {
        "AllowedOrigins": {"Ref": "WebOrigins"},
        "AllowedMethods": ["GET", "PUT", "HEAD"],
        "AllowedHeaders": ["content-type", "if-none-match", "x-amz-*"],
        "ExposedHeaders": ["ETag"],
        "MaxAge": 3600,
    }
    uploads = {
        "Id": EXPIRY,
        "Status": "Enabled",
        "Prefix": uploads_prefix(BackendSettings().original_prefix),
        "ExpirationInDays": EXPIRY_DAYS,
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
    }
    blocked = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
    default = {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    return {
        "Type": "AWS::S3::Bucket",
        "DeletionPolicy": "Retain",
        "UpdateReplacePolicy": "Retain",
        "Properties": {
            "BucketName": {"Ref": "BucketName"},
            "PublicAccessBlockConfiguration": dict.fromkeys(blocked, True),
            "BucketEncryption": {"ServerSideEncryptionConfiguration": [default]},
            "CorsConfiguration": {"CorsRules": [cors]},
            "LifecycleConfiguration": {"Rules": [uploads]},
        },
    }


def _policy() -> dict[str, Any]:
    """The server's policy as docs/operations.md has it, for the region and account of the stack."""
    page = (ROOT / "docs" / "operations.md").read_text("utf-8").partition("\n## Permissions\n")[2]
    blocks = re.findall(r"```json\n(\{.*?\n\})\n```", page, re.DOTALL)
    document = json.loads(blocks[0])
    for statement in document["Statement"]:
        statement["Resource"] = [{"Fn::Sub": _here(resource)} for resource in statement["Resource"]]
    document["Statement"].append(
        {
            "Sid": "Accounts",
            "Effect": "Allow",
            "Action": ["cognito-idp:AdminGetUser", "cognito-idp:AdminDeleteUser"],
            "Resource": [{"Fn::GetAtt": ["Accounts", "Arn"]}],
        }
    )
    return {"Type": "AWS::IAM::ManagedPolicy", "Properties": {"PolicyDocument": document}}


def _here(resource: str) -> str:
    resource = resource.replace("arn:aws:", "arn:${AWS::Partition}:")
    resource = resource.replace("REGION:ACCOUNT", "${AWS::Region}:${AWS::AccountId}")
    return resource.replace(f":::{BackendSettings().bucket}", ":::${BucketName}")


def _pool() -> dict[str, Any]:
    return {
        "Type": "AWS::Cognito::UserPool",
        "DeletionPolicy": "Retain",
        "UpdateReplacePolicy": "Retain",
        "Properties": {
            "UsernameAttributes": ["email"],
            "AutoVerifiedAttributes": ["email"],
            "UsernameConfiguration": {"CaseSensitive": False},
            "AdminCreateUserConfig": {"AllowAdminCreateUserOnly": False},
            "AccountRecoverySetting": {"RecoveryMechanisms": [{"Name": "verified_email", "Priority": 1}]},
            "DeletionProtection": "ACTIVE",
        },
    }


def _client() -> dict[str, Any]:
    return {
        "Type": "AWS::Cognito::UserPoolClient",
        "Properties": {
            "UserPoolId": {"Ref": "Accounts"},
            "GenerateSecret": False,
            "ExplicitAuthFlows": ["ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"],
            "PreventUserExistenceErrors": "ENABLED",
        },
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(template(), indent=2) + "\n")
