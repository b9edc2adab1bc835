"""Making what the service needs on AWS: tables, indexes, TTL, the bucket (`lunalux admin provision`).

`plan` compares what is there with what was declared and says what is missing; `apply` does it. Nothing is
ever dropped or emptied, so both can be repeated at will.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from lunalux_core.backend.storage.aws_calls import AwsAccess, AwsCallError, Caller
from lunalux_core.backend.storage.table import Index, TableSpec, Unavailable

ChangeKind = Literal[
    "table",
    "index",
    "ttl",
    "recovery",
    "protection",
    "bucket",
    "public-access",
    "encryption",
    "cors",
    "lifecycle",
]
PATIENCE_S = 900
EXPIRY, EXPIRY_DAYS = "lunalux-uploads", 3
"""An upload may be published for a day; the sweep takes it away an hour later, and this what is missed."""
MISSING = frozenset({"404", "NoSuchBucket", "ResourceNotFoundException", "NotFound"})
# Answers to a question about what was never set, which are no failures.
UNSET = frozenset(
    {
        "NoSuchCORSConfiguration",
        "NoSuchLifecycleConfiguration",
        "NoSuchPublicAccessBlockConfiguration",
        "ServerSideEncryptionConfigurationNotFoundError",
    }
)
BLOCKED = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": True,
    "BlockPublicPolicy": True,
    "RestrictPublicBuckets": True,
}


@dataclass(frozen=True, slots=True)
class StorageChange:
    """One thing that is missing. `target` is a table or the bucket; `detail` says what of it."""

    kind: ChangeKind
    target: str
    detail: str = ""

    def __str__(self) -> str:
        texts: dict[ChangeKind, str] = {
            "table": f"create table {self.target} with {self.detail or 'no index'}",
            "index": f"create index {self.detail} on {self.target}",
            "ttl": f"let items of {self.target} expire by {self.detail}",
            "recovery": f"let {self.target} be restored to any second of the last 35 days",
            "protection": f"protect {self.target} from being deleted",
            "bucket": f"create bucket {self.target}",
            "public-access": f"block all public access to {self.target}",
            "encryption": f"encrypt what is stored in {self.target}",
            "cors": f"let browsers from {self.detail} read and upload in {self.target}",
            "lifecycle": f"let uploads that nobody published, {self.detail}*, expire in {self.target}",
        }
        return texts[self.kind]


class Provisioner:
    """Compares tables and bucket with what is declared, and makes what is missing.

    Args:
        bucket: its name, "" where only tables are wanted.
        origins: web origins that may use presigned addresses from a browser.
        uploads: how the names of uploads begin, "" to let none expire.
        guarded: tables can be restored to any second, and not be deleted by mistake.
    """

    def __init__(
        self,
        access: AwsAccess,
        specs: Iterable[TableSpec],
        bucket: str,
        origins: Sequence[str] = (),
        *,
        uploads: str = "",
        guarded: bool = False,
    ) -> None:
        self._guarded = guarded
        self._uploads = uploads
        self._specs = {spec.name: spec for spec in specs}
        self._bucket, self._region, self._origins = bucket, access.region, list(origins)
        self._tables = Caller(lambda: access.client("dynamodb"))
        self._objects = Caller(lambda: access.client("s3"))

    async def plan(self) -> list[StorageChange]:
        """What is missing, in the order in which it is made. Changes nothing."""
        changes: list[StorageChange] = []
        for spec in self._specs.values():
            changes += await self._plan_table(spec)
        return changes + await self._plan_bucket()

    async def apply(self, changes: Sequence[StorageChange] | None = None) -> list[StorageChange]:
        """Make what `changes`, by default a fresh plan, name; returns what was made."""
        planned = await self.plan() if changes is None else list(changes)
        for change in planned:
            await self._make(change)
        return planned

    async def _plan_table(self, spec: TableSpec) -> list[StorageChange]:
        ttl = [StorageChange("ttl", spec.name, spec.ttl)] if spec.ttl else []
        recovery, protection = StorageChange("recovery", spec.name), StorageChange("protection", spec.name)
        guards = [recovery, protection] if self._guarded else []
        description = await self._ask(self._tables, "describe_table", TableName=spec.name)
        if description is None:
            return [
                StorageChange("table", spec.name, ", ".join(index.name for index in spec.indexes)),
                *ttl,
                *guards,
            ]
        there = {index["IndexName"] for index in description["Table"].get("GlobalSecondaryIndexes", ())}
        changes = [
            StorageChange("index", spec.name, index.name) for index in spec.indexes if index.name not in there
        ]
        if ttl:
            answer = await self._ask(self._tables, "describe_time_to_live", TableName=spec.name)
            status = (answer or {}).get("TimeToLiveDescription", {}).get("TimeToLiveStatus")
            changes += [] if status in ("ENABLED", "ENABLING") else ttl
        if guards:
            changes += [] if await self._recoverable(spec.name) else [recovery]
            changes += [] if description["Table"].get("DeletionProtectionEnabled") else [protection]
        return changes

    async def _recoverable(self, table: str) -> bool:
        answer = await self._ask(self._tables, "describe_continuous_backups", TableName=table)
        backups = (answer or {}).get("ContinuousBackupsDescription", {})
        recovery = backups.get("PointInTimeRecoveryDescription", {})
        return bool(recovery.get("PointInTimeRecoveryStatus") == "ENABLED")

    async def _plan_bucket(self) -> list[StorageChange]:
        bucket, origins = self._bucket, ", ".join(self._origins)
        if not bucket:
            return []
        cors = [StorageChange("cors", bucket, origins)] if origins else []
        guards = [StorageChange("public-access", bucket), StorageChange("encryption", bucket)]
        lifecycle = [StorageChange("lifecycle", bucket, self._uploads)] if self._uploads else []
        if await self._ask(self._objects, "head_bucket", Bucket=bucket) is None:
            return [StorageChange("bucket", bucket), *guards, *lifecycle, *cors]
        changes = []
        if lifecycle and self._expiry() not in await self._lifecycle_rules():
            changes += lifecycle
        blocked = await self._ask(self._objects, "get_public_access_block", Bucket=bucket)
        if (blocked or {}).get("PublicAccessBlockConfiguration") != BLOCKED:
            changes.append(guards[0])
        if await self._ask(self._objects, "get_bucket_encryption", Bucket=bucket) is None:
            changes.append(guards[1])
        if cors:
            answer = await self._ask(self._objects, "get_bucket_cors", Bucket=bucket)
            if _comparable((answer or {}).get("CORSRules")) != _comparable(self._cors_rules()):
                changes += cors
        return changes

    async def _make(self, change: StorageChange) -> None:
        match change.kind:
            case "table":
                await self._create_table(self._specs[change.target])
            case "index":
                await self._create_index(self._specs[change.target], change.detail)
            case "ttl":
                setting = {"Enabled": True, "AttributeName": change.detail}
                await self._do(
                    self._tables,
                    "update_time_to_live",
                    TableName=change.target,
                    TimeToLiveSpecification=setting,
                )
            case "recovery":
                await self._do(
                    self._tables,
                    "update_continuous_backups",
                    TableName=change.target,
                    PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
                )
            case "protection":
                await self._settled(change.target)
                await self._do(
                    self._tables, "update_table", TableName=change.target, DeletionProtectionEnabled=True
                )
            case "bucket":
                await self._create_bucket()
            case "public-access":
                await self._do(
                    self._objects,
                    "put_public_access_block",
                    Bucket=change.target,
                    PublicAccessBlockConfiguration=BLOCKED,
                )
            case "encryption":
                rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
                await self._do(
                    self._objects,
                    "put_bucket_encryption",
                    Bucket=change.target,
                    ServerSideEncryptionConfiguration={"Rules": [rule]},
                )
            case "lifecycle":
                # The call replaces all rules of the bucket, so those of others are sent along.
                others = [rule for rule in await self._lifecycle_rules() if rule.get("ID") != EXPIRY]
                await self._do(
                    self._objects,
                    "put_bucket_lifecycle_configuration",
                    Bucket=change.target,
                    LifecycleConfiguration={"Rules": [*others, self._expiry()]},
                )
            case "cors":
                await self._do(
                    self._objects,
                    "put_bucket_cors",
                    Bucket=change.target,
                    CORSConfiguration={"CORSRules": self._cors_rules()},
                )

    async def _create_table(self, spec: TableSpec) -> None:
        arguments: dict[str, Any] = {
            "TableName": spec.name,
            "BillingMode": "PAY_PER_REQUEST",
            "KeySchema": _key_schema("PK", "SK"),
            "AttributeDefinitions": _attributes(spec.indexes),
        }
        if spec.indexes:
            arguments["GlobalSecondaryIndexes"] = [_index(index) for index in spec.indexes]
        await self._do(self._tables, "create_table", **arguments)
        await self._settled(spec.name)

    async def _create_index(self, spec: TableSpec, name: str) -> None:
        """Indexes of a table that is in use are made one after the other, as DynamoDB wants."""
        index = next(index for index in spec.indexes if index.name == name)
        await self._settled(spec.name)
        await self._do(
            self._tables,
            "update_table",
            TableName=spec.name,
            AttributeDefinitions=_attributes([index]),
            GlobalSecondaryIndexUpdates=[{"Create": _index(index)}],
        )
        await self._settled(spec.name)

    async def _settled(self, table: str) -> None:
        """Wait until a table and its indexes are ready for use."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                answer = await self._ask(self._tables, "describe_table", TableName=table)
                if answer is not None:
                    indexes = answer["Table"].get("GlobalSecondaryIndexes", ())
                    states = {answer["Table"]["TableStatus"], *(i["IndexStatus"] for i in indexes)}
                    if states == {"ACTIVE"}:
                        return
                await asyncio.sleep(0.2)

    async def _create_bucket(self) -> None:
        arguments: dict[str, Any] = {"Bucket": self._bucket}
        if self._region != "us-east-1":  # the one region that must not be named
            arguments["CreateBucketConfiguration"] = {"LocationConstraint": self._region}
        await self._do(self._objects, "create_bucket", **arguments)

    async def _lifecycle_rules(self) -> list[dict[str, Any]]:
        """The bucket's rules as they are; whatever else they say stays."""
        answer = await self._ask(self._objects, "get_bucket_lifecycle_configuration", Bucket=self._bucket)
        return list((answer or {}).get("Rules", ()))

    def _expiry(self) -> dict[str, Any]:
        return {
            "ID": EXPIRY,
            "Status": "Enabled",
            "Filter": {"Prefix": self._uploads},
            "Expiration": {"Days": EXPIRY_DAYS},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
        }

    def _cors_rules(self) -> list[dict[str, Any]]:
        return [
            {
                "AllowedOrigins": self._origins,
                "AllowedMethods": ["GET", "PUT", "HEAD"],
                "AllowedHeaders": ["content-type", "if-none-match", "x-amz-*"],
                "ExposeHeaders": ["ETag"],
                "MaxAgeSeconds": 3600,
            }
        ]

    async def _ask(self, caller: Caller, name: str, /, **arguments: Any) -> Any | None:
        """A question; None where the thing asked for does not exist."""
        try:
            return await caller.call(name, repeatable=True, **arguments)
        except AwsCallError as refused:
            if refused.code in MISSING | UNSET:
                return None
            raise _refused(name, refused) from refused

    async def _do(self, caller: Caller, name: str, /, **arguments: Any) -> None:
        try:
            await caller.call(name, repeatable=False, **arguments)
        except AwsCallError as refused:
            # Somebody else made it meanwhile.
            if refused.code not in ("ResourceInUseException", "BucketAlreadyOwnedByYou"):
                raise _refused(name, refused) from refused

    async def aclose(self) -> None:
        self._tables.close()
        self._objects.close()


def _key_schema(pk: str, sk: str) -> list[dict[str, str]]:
    return [{"AttributeName": pk, "KeyType": "HASH"}, {"AttributeName": sk, "KeyType": "RANGE"}]


def _attributes(indexes: Iterable[Index]) -> list[dict[str, str]]:
    # DynamoDB refuses an attribute that is defined twice, or that no key uses.
    names = ["PK", "SK", *(name for index in indexes for name in (index.pk_attr, index.sk_attr))]
    return [{"AttributeName": name, "AttributeType": "S"} for name in dict.fromkeys(names)]


def _index(index: Index) -> dict[str, Any]:
    if index.include is None:
        projection: dict[str, Any] = {"ProjectionType": "ALL"}
    elif index.include:
        projection = {"ProjectionType": "INCLUDE", "NonKeyAttributes": list(index.include)}
    else:
        projection = {"ProjectionType": "KEYS_ONLY"}
    return {
        "IndexName": index.name,
        "KeySchema": _key_schema(index.pk_attr, index.sk_attr),
        "Projection": projection,
    }


def _comparable(rules: object) -> str:
    return json.dumps(rules, sort_keys=True, default=str)


def _refused(name: str, refused: AwsCallError) -> Unavailable:
    return Unavailable(f"AWS refused {name}: {refused}")
