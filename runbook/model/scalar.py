"""The scalar types of the playbook language, with the words that the JSON Schema shows for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from msgspec import Meta

if TYPE_CHECKING:
    Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
else:
    # The codec cannot take an alias apart that refers to itself.
    Json = Any
"""A value that JSON can hold."""

Effect: TypeAlias = Literal["read", "change", "destructive"]
"""What a step does to its target."""

Seconds: TypeAlias = Annotated[
    float,
    Meta(
        extra={"text": "duration"},
        extra_json_schema={"type": "string", "pattern": r"^-?([0-9]+(\.[0-9]+)?(ms|s|m|h|d))+$", "examples": ["30s"]},
    ),
]
"""A duration in seconds, written `500ms`, `30s`, `1m30s`, `2h`, `1d`."""

Window: TypeAlias = Annotated[
    float | str,
    Meta(
        extra={"text": "window"},
        extra_json_schema={
            "type": "string",
            "anyOf": [{"pattern": r"^([0-9]+(\.[0-9]+)?(ms|s|m|h|d))+$"}, {"pattern": r"\{\{"}],
            "examples": ["30s", "{{ params.soak }}"],
        },
    ),
]
"""A duration in seconds, or a template over parameters that becomes one when the step begins."""

_TIME = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})$"
_AGO = r"^-?([0-9]+(\.[0-9]+)?(ms|s|m|h|d))+$"

Moment: TypeAlias = Annotated[
    float | str,
    Meta(
        extra={"text": "moment"},
        extra_json_schema={
            "type": "string",
            "anyOf": [{"pattern": _AGO}, {"pattern": _TIME}],
            "examples": ["-2h", "2026-11-20T14:00:00Z"],
        },
    ),
]
"""How long ago, in seconds of either sign, or a time with its zone as text (RFC 3339)."""

LateMoment: TypeAlias = Annotated[
    float | str,
    Meta(
        extra={"text": "late moment"},
        extra_json_schema={
            "type": "string",
            "anyOf": [{"pattern": _AGO}, {"pattern": _TIME}, {"pattern": r"\{\{"}],
            "examples": ["-2h", "2026-11-20T14:00:00Z", "{{ params.normal_at }}"],
        },
    ),
]
"""A moment, or a template over parameters that becomes one."""

Identifier: TypeAlias = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9]*([_-][a-z0-9]+)*$", max_length=64)]
"""Lower-case words joined by `-` or `_`."""

Name: TypeAlias = Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=64)]
"""A name that expressions can use."""

Expression: TypeAlias = Annotated[str, Meta(extra={"text": "expression"}, max_length=2000)]
"""An expression of `runbook.expression`."""

Template: TypeAlias = Annotated[str, Meta(extra={"text": "template"})]
"""Text in which `{{ … }}` is filled in once."""

ParamTemplate: TypeAlias = Annotated[str, Meta(extra={"text": "param-template"})]
"""Text in which `{{ params.… }}` is filled in once; values of steps are not known to it."""
