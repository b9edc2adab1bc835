"""Operations of the port in DynamoDB's own words: expressions, placeholders and typed values. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, assert_never

from lunalux_core.backend.storage.operation_checks import conditions
from lunalux_core.backend.storage.table import (
    Absent,
    All,
    AnyOf,
    Check,
    Condition,
    Delete,
    Eq,
    Exists,
    Ge,
    Item,
    Le,
    NotInSet,
    Operation,
    Put,
    Update,
    When,
)


def to_wire(item: Mapping[str, Any]) -> dict[str, Any]:
    """An item as DynamoDB's JSON."""
    return {name: _typed(value) for name, value in item.items()}


def from_wire(attributes: Mapping[str, Any]) -> Item:
    """The item in DynamoDB's JSON. Kinds that only other programs write stay as they are."""
    return {name: _untyped(value) for name, value in attributes.items()}


def _typed(value: Any) -> dict[str, Any]:
    if value is None:
        return {"NULL": True}
    # Before int: True is an int in Python.
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, int):
        return {"N": str(value)}
    if isinstance(value, frozenset):
        # Sorted, so that a transaction that is repeated under its token is the same request.
        return {"SS": sorted(value)}
    if isinstance(value, Mapping):
        return {"M": to_wire(value)}
    return {"L": [_typed(inner) for inner in value]}


def _untyped(value: Mapping[str, Any]) -> Any:
    ((kind, inner),) = value.items()
    match kind:
        case "S" | "BOOL" | "B":
            return inner
        case "N":
            # We write whole numbers only; other programs that share the tables may not.
            number = Decimal(inner)
            return int(number) if number == number.to_integral_value() else number
        case "NULL":
            return None
        case "SS":
            return frozenset(inner)
        case "M":
            return from_wire(inner)
        case "L":
            return [_untyped(each) for each in inner]
        case _:
            return inner


class Expression:
    """Collects names and values of one request; every name is a placeholder, so none is a reserved word."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self.values: dict[str, Any] = {}

    def path(self, path: str) -> str:
        return ".".join(self._names.setdefault(name, f"#n{len(self._names)}") for name in path.split("."))

    def value(self, value: Any) -> str:
        holder = f":v{len(self.values)}"
        self.values[holder] = _typed(value)
        return holder

    def arguments(self) -> dict[str, Any]:
        """Names and values as request parameters; left out when empty, as DynamoDB demands."""
        names = {holder: name for name, holder in self._names.items()}
        parameters = {"ExpressionAttributeNames": names, "ExpressionAttributeValues": self.values}
        return {name: value for name, value in parameters.items() if value}

    def condition(self, when: When) -> str | None:
        parts = [self._condition(condition) for condition in conditions(when)]
        return " AND ".join(parts) if parts else None

    def _condition(self, condition: Condition) -> str:
        match condition:
            case All():
                return "(" + " AND ".join(map(self._condition, condition.conditions)) + ")"
            case AnyOf():
                return "(" + " OR ".join(map(self._condition, condition.conditions)) + ")"
            case Exists():
                return f"attribute_exists({self.path(condition.path)})"
            case Absent():
                return f"attribute_not_exists({self.path(condition.path)})"
            case Eq():
                return f"{self.path(condition.path)} = {self.value(condition.value)}"
            case Ge():
                return f"{self.path(condition.path)} >= {self.value(condition.value)}"
            case Le():
                return f"{self.path(condition.path)} <= {self.value(condition.value)}"
            case NotInSet():
                return f"(NOT contains({self.path(condition.path)}, {self.value(condition.value)}))"
            case _:
                assert_never(condition)

    def changes(self, update: Update) -> str:
        """One clause of each kind; the same clause twice is not legal."""
        sets = [f"{self.path(path)} = {self.value(value)}" for path, value in update.set.items()]
        for path, value in update.set_default.items():
            name = self.path(path)
            sets.append(f"{name} = if_not_exists({name}, {self.value(value)})")
        for path, amount in update.incr.items():
            name = self.path(path)
            sets.append(f"{name} = if_not_exists({name}, {self.value(0)}) + {self.value(amount)}")
        adds = [f"{self.path(path)} {self.value(members)}" for path, members in update.add_to_set.items()]
        removes = [self.path(path) for path in update.remove]
        clauses = {"SET": sets, "ADD": adds, "REMOVE": removes}
        return " ".join(f"{word} {', '.join(parts)}" for word, parts in clauses.items() if parts)


def request(operation: Operation) -> tuple[str, dict[str, Any]]:
    """Kind (`Put`, `Update`, `Delete`, `ConditionCheck`) and parameters, as a transaction takes them."""
    expression = Expression()
    arguments: dict[str, Any] = {"TableName": operation.table}
    match operation:
        case Put():
            kind, arguments["Item"] = "Put", to_wire(operation.item)
        case Update():
            kind, arguments["Key"] = "Update", _key(operation.key)
            arguments["UpdateExpression"] = expression.changes(operation)
        case Delete():
            kind, arguments["Key"] = "Delete", _key(operation.key)
        case Check():
            kind, arguments["Key"] = "ConditionCheck", _key(operation.key)
        case _:
            assert_never(operation)
    condition = expression.condition(operation.when)
    if condition is not None:
        arguments["ConditionExpression"] = condition
        # Callers decide by what stood there, without a second read that might see something else.
        arguments["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
    return kind, arguments | expression.arguments()


def _key(key: tuple[str, str]) -> dict[str, Any]:
    return {"PK": {"S": key[0]}, "SK": {"S": key[1]}}
