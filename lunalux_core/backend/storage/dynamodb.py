"""The storage port on DynamoDB. Several servers share one set of tables.

A transaction carries a token, so asking again after a lost answer is harmless; a single write carries none
and is never repeated in doubt: `Unavailable(maybe_applied=True)` then, and whoever wrote reads.

See docs/spec/backend.md: Storage port.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Any

from lunalux_core.backend.storage import operation_checks
from lunalux_core.backend.storage.aws_calls import AwsAccess, AwsCallError, Caller
from lunalux_core.backend.storage.expressions import from_wire, request, to_wire
from lunalux_core.backend.storage.table import (
    ConditionFailed,
    Delete,
    Invalid,
    Item,
    Key,
    Operation,
    Page,
    Put,
    TableSpec,
    Unavailable,
    Update,
)

GET_MANY_LIMIT = 100
GET_MANY_ROUNDS = 20
CALLS = {"Put": "put_item", "Update": "update_item", "Delete": "delete_item"}
WRONG = frozenset({"ValidationException", "IdempotentParameterMismatchException", "ParamValidationError"})


class DynamoStore:
    """A Store on DynamoDB tables, which `provision` has made.

    Args:
        counted: called with the name of every request sent, for cost and tests.
    """

    def __init__(
        self,
        access: AwsAccess,
        specs: Iterable[TableSpec],
        *,
        counted: Callable[[str], None] = lambda name: None,
    ) -> None:
        self._specs = {spec.name: spec for spec in specs}
        self._caller = Caller(lambda: access.client("dynamodb"), counted=counted)

    async def get(self, table: str, key: tuple[str, str], *, consistent: bool = True) -> Item | None:
        operation_checks.check_key(key)
        answer = await self._call("get_item", True, TableName=table, Key=_key(key), ConsistentRead=consistent)
        return from_wire(answer["Item"]) if "Item" in answer else None

    async def get_many(self, table: str, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Item]:
        if len(keys) > GET_MANY_LIMIT:
            raise Invalid(f"at most {GET_MANY_LIMIT} items at once")
        for key in keys:
            operation_checks.check_key(key)
        items: dict[tuple[str, str], Item] = {}
        # DynamoDB refuses a key that is asked for twice.
        left = [_key(key) for key in dict.fromkeys((pk, sk) for pk, sk in keys)]
        for _ in range(GET_MANY_ROUNDS):
            if not left:
                return items
            requests = {table: {"Keys": left, "ConsistentRead": True}}
            answer = await self._call("batch_get_item", True, RequestItems=requests)
            for attributes in answer["Responses"].get(table, ()):
                item = from_wire(attributes)
                items[Key(item["PK"], item["SK"])] = item
            # A busy table answers only a part and names the rest.
            left = answer.get("UnprocessedKeys", {}).get(table, {}).get("Keys", [])
        raise Unavailable("The cloud storage is too busy.")

    async def write(self, operation: Put | Update | Delete) -> Item | None:
        operation_checks.check_operation(operation, operation_checks.spec_of(operation.table, self._specs))
        kind, arguments = request(operation)
        if kind == "Update":
            arguments["ReturnValues"] = "ALL_NEW"
        elif kind == "Delete":
            arguments["ReturnValues"] = "ALL_OLD"
        try:
            # Not repeatable: an answer that is lost leaves open whether an increment was made.
            answer = await self._call(CALLS[kind], False, **arguments)
        except AwsCallError as refused:
            if refused.code != "ConditionalCheckFailedException":
                raise
            raise ConditionFailed(0, _old(refused.response)) from None
        if isinstance(operation, Put):
            return operation.item
        return from_wire(answer["Attributes"]) if answer.get("Attributes") else None

    async def transact(self, operations: Sequence[Operation], token: str | None = None) -> None:
        operation_checks.check_transaction(operations, self._specs)
        items = []
        for operation in operations:
            kind, arguments = request(operation)
            items.append({kind: arguments})
        try:
            await self._call(
                "transact_write_items", True, TransactItems=items, ClientRequestToken=_token(token)
            )
        except AwsCallError as refused:
            if refused.code != "TransactionCanceledException":
                raise
            raise _cancelled(refused) from None

    async def query(
        self,
        table: str,
        pk: str,
        *,
        index: str | None = None,
        prefix: str = "",
        after: Mapping[str, str] | None = None,
        limit: int = 100,
        descending: bool = False,
    ) -> Page:
        names, keys = self._key_names(table, index)
        if limit < 1:
            raise Invalid("a page holds at least one item")
        arguments: dict[str, Any] = {
            "TableName": table,
            "KeyConditionExpression": "#p = :p" + (" AND begins_with(#s, :s)" if prefix else ""),
            "ExpressionAttributeNames": {"#p": names[0]} | ({"#s": names[1]} if prefix else {}),
            "ExpressionAttributeValues": to_wire({":p": pk} | ({":s": prefix} if prefix else {})),
            "ScanIndexForward": not descending,
        }
        if index is not None:
            # An index of DynamoDB knows no consistent reads.
            arguments["IndexName"] = index
        else:
            arguments["ConsistentRead"] = True
        if after is not None:
            _check_position(after, keys, names[0], pk)
            arguments["ExclusiveStartKey"] = to_wire(after)
        return await self._page(arguments, limit, keys)

    async def _page(self, arguments: dict[str, Any], limit: int, keys: tuple[str, ...]) -> Page:
        """One page of the port: as many answers of DynamoDB (1 MB each) as it takes to fill `limit`, and
        one item more, so that `after` is None exactly when nothing follows."""
        items: list[Item] = []
        while True:
            count = limit + 1 - len(items)
            answer = await self._call("query", True, **arguments, Limit=count)
            items += [from_wire(attributes) for attributes in answer["Items"]]
            last = answer.get("LastEvaluatedKey")
            if len(items) > limit:
                return Page(tuple(items[:limit]), {name: items[limit - 1][name] for name in keys})
            if not last:
                return Page(tuple(items))
            arguments["ExclusiveStartKey"] = last

    def _key_names(self, table: str, index: str | None) -> tuple[tuple[str, str], tuple[str, ...]]:
        """Partition and sort attribute of what is queried, and the attributes of its positions."""
        spec = operation_checks.spec_of(table, self._specs)
        if index is None:
            return ("PK", "SK"), ("PK", "SK")
        for each in spec.indexes:
            if each.name == index:
                return (each.pk_attr, each.sk_attr), ("PK", "SK", each.pk_attr, each.sk_attr)
        raise Invalid(f"{table} has no index {index}")

    async def scan_all(self, table: str) -> AsyncIterator[Item]:
        arguments: dict[str, Any] = {"TableName": table, "ConsistentRead": True}
        while True:
            answer = await self._call("scan", True, **arguments)
            for attributes in answer["Items"]:
                yield from_wire(attributes)
            if not answer.get("LastEvaluatedKey"):
                return
            arguments["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    async def scan(self, table: str, *, after: Mapping[str, str] | None = None, limit: int = 100) -> Page:
        operation_checks.spec_of(table, self._specs)
        arguments: dict[str, Any] = {"TableName": table, "ConsistentRead": True, "Limit": limit}
        if after is not None:
            if set(after) != {"PK", "SK"}:
                raise Invalid("the place to go on from is not one of this scan")
            arguments["ExclusiveStartKey"] = to_wire(after)
        answer = await self._call("scan", True, **arguments)
        last = answer.get("LastEvaluatedKey")
        return Page(tuple(map(from_wire, answer["Items"])), from_wire(last) if last else None)

    async def size(self, table: str) -> int | None:
        """As DynamoDB counts, every six hours or so."""
        operation_checks.spec_of(table, self._specs)
        try:
            answer = await self._caller.call("describe_table", repeatable=True, TableName=table)
        except AwsCallError:
            return None
        return int(answer["Table"].get("ItemCount", 0))

    async def aclose(self) -> None:
        """Wait for the calls under way. Safe to call twice."""
        self._caller.close()

    async def _call(self, name: str, repeatable: bool, /, **arguments: Any) -> Any:
        try:
            return await self._caller.call(name, repeatable=repeatable, **arguments)
        except AwsCallError as refused:
            if refused.code in WRONG:
                raise Invalid(refused.message) from refused
            if refused.code in ("ConditionalCheckFailedException", "TransactionCanceledException"):
                raise
            raise Unavailable(_sentence(refused, _tables(arguments))) from refused


def _tables(arguments: Mapping[str, Any]) -> list[str]:
    """The tables that a call is about, in their order."""
    if "RequestItems" in arguments:
        return list(arguments["RequestItems"])
    parts = [part for item in arguments.get("TransactItems", ()) for part in item.values()]
    return list(dict.fromkeys(str(part["TableName"]) for part in parts or [arguments] if "TableName" in part))


def _sentence(refused: AwsCallError, tables: Sequence[str]) -> str:
    """What an operator can act on; nothing of it holds a key."""
    if refused.code == "ResourceNotFoundException":
        named = f"table {tables[0]} does" if len(tables) == 1 else f"tables {', '.join(tables)} do"
        unsure = "" if len(tables) == 1 else " all"
        return f"The {named} not{unsure} exist; run `lunalux admin provision`."
    return f"The cloud storage refused ({refused.code}); check the server's AWS credentials and policy."


def _cancelled(refused: AwsCallError) -> ConditionFailed | Invalid:
    """The first condition that failed; a wrong type or path only where no condition did."""
    reasons = refused.response.get("CancellationReasons", ())
    for number, reason in enumerate(reasons):
        if reason.get("Code") == "ConditionalCheckFailed":
            return ConditionFailed(number, _old(reason))
    return Invalid("; ".join(str(r["Message"]) for r in reasons if r.get("Message")) or refused.message)


def _old(answer: Mapping[str, Any]) -> Item | None:
    return from_wire(answer["Item"]) if answer.get("Item") else None


def _token(token: str | None) -> str:
    """DynamoDB takes up to 36 characters."""
    # With the same token, DynamoDB does a repeated transaction once (for ten minutes).
    return str(uuid.uuid4()) if token is None else hashlib.sha256(token.encode()).hexdigest()[:36]


def _check_position(after: Mapping[str, str], keys: tuple[str, ...], pk_name: str, pk: str) -> None:
    if set(after) != set(keys) or not all(isinstance(part, str) for part in after.values()):
        raise Invalid("the place to go on from is not a key of this query")
    if after[pk_name] != pk:
        raise Invalid("the place to go on from is in another partition")


def _key(key: tuple[str, str]) -> dict[str, Any]:
    return to_wire({"PK": key[0], "SK": key[1]})
