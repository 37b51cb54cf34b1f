"""The JSON Schema of playbooks, for editors: draft-07 compatible, every key described, nothing unknown accepted.

Made from the annotations of the model, so that it cannot say anything else than the loader; what a schema cannot
say (order, names, ways back) stays with the checks. https://json-schema.org/draft-07
"""

from __future__ import annotations

import typing
from typing import Annotated, Any, Literal

import msgspec

from runbook.loader.check_act import RUNS
from runbook.loader.check_step import KINDS
from runbook.model.convert import JsonMark
from runbook.model.playbook import Act, Playbook, Stage, Step
from runbook.ports.action import ActionInfo, Catalogue

DRAFT = "http://json-schema.org/draft-07/schema#"
TEMPLATE = r"\{\{"

_SCALARS: dict[object, str] = {str: "string", int: "integer", float: "number", bool: "boolean"}
_LIMITS = (
    ("ge", "minimum"),
    ("gt", "exclusiveMinimum"),
    ("le", "maximum"),
    ("lt", "exclusiveMaximum"),
    ("pattern", "pattern"),
)


def json_schema(catalogue: Catalogue) -> dict[str, Any]:
    """Return the schema of playbooks, with the arguments of all actions that the catalogue knows."""
    infos = [info for name in catalogue.names() if (info := catalogue.info(name)) is not None]
    maker = _Maker(infos)
    root = maker.record(Playbook)
    return {
        "$schema": DRAFT,
        "title": "Runbook playbook, version 1",
        **root,
        "definitions": dict(sorted(maker.definitions.items())),
    }


def schema_text(catalogue: Catalogue) -> str:
    """Return the schema as the text of a file."""
    import json

    return json.dumps(json_schema(catalogue), indent=2, ensure_ascii=False) + "\n"


class _Maker:
    """Makes schemas of types; Structs become definitions."""

    def __init__(self, infos: list[ActionInfo]) -> None:
        self.definitions: dict[str, Any] = {}
        self._infos = infos
        self._templates = False

    def record(self, cls: type[msgspec.Struct]) -> dict[str, Any]:
        """Return the schema of a Struct itself."""
        hints = typing.get_type_hints(cls, localns={"Json": JsonMark}, include_extras=True)
        names = cls.__struct_fields__
        defaults = cls.__struct_defaults__
        first = len(names) - len(defaults)
        properties: dict[str, Any] = {}
        required: list[str] = []
        for at, (name, key) in enumerate(zip(names, cls.__struct_encode_fields__, strict=True)):
            made = self.of(hints[name])
            made.setdefault("description", f"The {key} of this")
            properties[key] = made
            default = msgspec.NODEFAULT if at < first else defaults[at - first]
            if default is msgspec.NODEFAULT:
                required.append(key)
        schema: dict[str, Any] = {
            "description": " ".join((cls.__doc__ or cls.__name__).split()),
            "type": "object",
            "additionalProperties": False,
            "properties": properties,
        }
        if required:
            schema["required"] = required
        if issubclass(cls, Act):
            properties["uses"]["anyOf"] = self._names()
            del properties["uses"]["type"]
            schema["allOf"] = self._arguments()
            schema["oneOf"] = [{"required": [kind]} for kind in (KINDS if cls is Step else RUNS)]
        return schema

    def of(self, type_: Any) -> dict[str, Any]:
        """Return the schema of a type."""
        origin, args = typing.get_origin(type_), typing.get_args(type_)
        if origin is Annotated:
            return self._annotated(args[0], args[1:])
        if type_ is None or type_ is type(None):
            return {"type": "null"}
        if isinstance(type_, type) and issubclass(type_, msgspec.Struct):
            return self._reference(type_)
        if origin is Literal:
            return self._scalar({"enum": [word for word in args if word != ""]})
        if len(args) > 1 and origin not in {tuple, dict} and type(None) in args and len(args) == 2:
            return self.of(next(arg for arg in args if arg is not type(None)))
        if Step in args and Stage in args:
            # Editors then tell what is wrong in the step, and not that it is no stage.
            stage, step = self.of(Stage), self.of(Step)
            return {"if": {"required": ["stage"]}, "then": stage, "else": step}
        if _is_union(origin):
            return {"anyOf": [self.of(arg) for arg in args if arg is not type(None)]}
        if origin in {tuple, list}:
            return {"type": "array", "items": self._item(args[0])}
        if origin is dict:
            return self._mapping(args)
        if type_ in _SCALARS:
            return self._scalar({"type": _SCALARS[type_]})
        return {}

    def _item(self, type_: Any) -> dict[str, Any]:
        made = self.of(type_)
        # Numbers are taken as they are written wherever text is wanted in a list, as in argv.
        return {"type": ["string", "number", "boolean"]} if made == {"type": "string"} else made

    def _mapping(self, args: tuple[Any, ...]) -> dict[str, Any]:
        key, item = (self.of(arg) for arg in args)
        made: dict[str, Any] = {"type": "object", "additionalProperties": item}
        if item.get("type") == "string" and "pattern" not in item:
            made["additionalProperties"] = {**item, "type": ["string", "number", "boolean"]}
        if "pattern" in key:
            made["propertyNames"] = {"pattern": key["pattern"]}
        return made

    def _annotated(self, inner: Any, marks: tuple[object, ...]) -> dict[str, Any]:
        made = self.of(inner)
        for meta in (mark for mark in marks if isinstance(mark, msgspec.Meta)):
            if meta.extra_json_schema:
                made = self._scalar(
                    {**{k: v for k, v in made.items() if k not in {"type", "anyOf"}}, **meta.extra_json_schema}
                )
            for name, word in _LIMITS:
                if getattr(meta, name) is not None:
                    made[word] = getattr(meta, name)
            for name, word in (("min_length", "min"), ("max_length", "max")):
                if getattr(meta, name) is not None:
                    made[word + _unit(made)] = getattr(meta, name)
            if meta.description:
                made = self._described(made, meta.description)
        return made

    def _described(self, made: dict[str, Any], words: str) -> dict[str, Any]:
        # Beside $ref all else is ignored in draft 7.
        return {"allOf": [made], "description": words} if "$ref" in made else {**made, "description": words}

    def _scalar(self, made: dict[str, Any]) -> dict[str, Any]:
        """Return the schema of a scalar; inside of `with:` a template may stand in its place."""
        if not self._templates or made == {"type": "string"}:
            return made
        return {"anyOf": [made, {"type": "string", "pattern": TEMPLATE}]}

    def _reference(self, cls: type[msgspec.Struct]) -> dict[str, Any]:
        name = f"{cls.__name__}Template" if self._templates else cls.__name__
        if name not in self.definitions:
            self.definitions[name] = {}
            self.definitions[name] = self.record(cls)
        return {"$ref": f"#/definitions/{name}"}

    def _names(self) -> list[dict[str, Any]]:
        known = [{"const": info.name, "description": info.summary} for info in self._infos]
        other = {"type": "string", "description": "An action of an installed package", "pattern": r"^[a-z][\w.-]*$"}
        return [*known, other]

    def _arguments(self) -> list[dict[str, Any]]:
        """Return one rule per action: if it is used, `with` has the form that it wants."""
        rules = []
        self._templates = True
        for info in self._infos:
            name = f"with-{info.name}"
            if name not in self.definitions:
                self.definitions[name] = self._with(info)
            rules.append(
                {
                    "if": {"properties": {"uses": {"const": info.name}}, "required": ["uses"]},
                    "then": {"properties": {"with": {"$ref": f"#/definitions/{name}"}}},
                }
            )
        self._templates = False
        return rules

    def _with(self, info: ActionInfo) -> dict[str, Any]:
        made = self.record(info.model)
        made["description"] = f"Arguments of {info.name}: {info.summary}"
        # Options of the check stand in `verify`, beside `with`.
        made["properties"].pop("verify", None)
        return made


def _is_union(origin: Any) -> bool:
    import types

    return origin is typing.Union or origin is types.UnionType


def _unit(made: dict[str, Any]) -> str:
    kind = made.get("type")
    return "Items" if kind == "array" else "Properties" if kind == "object" else "Length"
