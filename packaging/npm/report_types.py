"""TypeScript's types of the JSON that the command prints, made of its schema."""

import json

# `Error` would hide JavaScript's own.
OTHER_NAMES = {"error": "Problem"}
ROOT = "Report"
SCALARS = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}


def declarations(schema):
    definitions = schema["$defs"]
    named = {name(key): part for key, part in definitions.items() if part.get("type") == "object"}
    parts = [interface(title, part, definitions) for title, part in {ROOT: schema, **named}.items()]
    return "// Made from the command's schema.json.\n\n" + "\n".join(parts)


def name(key):
    return OTHER_NAMES.get(key) or "".join(word.capitalize() for word in key.split("_"))


def interface(title, schema, definitions):
    about = schema.get("description")
    return f"{comment(about, '')}export interface {title} {members(schema, definitions, '')}\n"


def comment(text, indent):
    return f"{indent}/** {text} */\n" if text else ""


def members(schema, definitions, indent):
    inner = indent + "  "
    lines = []
    for key, part in schema["properties"].items():
        optional = "" if key in schema.get("required", []) else "?"
        lines.append(f"{comment(part.get('description'), inner)}{inner}{key}{optional}: {kind(part, definitions, inner)}\n")
    return "{\n" + "".join(lines) + indent + "}"


def kind(schema, definitions, indent=""):
    if "$ref" in schema:
        key = schema["$ref"].rsplit("/", 1)[1]
        # What is no object is written where it is used.
        return name(key) if definitions[key].get("type") == "object" else kind(definitions[key], definitions, indent)
    if "const" in schema:
        return json.dumps(schema["const"])
    if "enum" in schema:
        words = [json.dumps(word) for word in schema["enum"]]
        # Words may be added: every other string has to be allowed for, and editors still offer these.
        if any(isinstance(word, str) for word in schema["enum"]):
            words.append("(string & {})")
        return " | ".join(words)
    if "anyOf" in schema:
        return " | ".join(kind(part, definitions, indent) for part in schema["anyOf"])
    types = schema["type"]
    if isinstance(types, list):
        return " | ".join(SCALARS[one] for one in types)
    if types == "array":
        item = kind(schema["items"], definitions, indent)
        return f"({item})[]" if " | " in item and not item.startswith("{") else f"{item}[]"
    if types == "object":
        return members(schema, definitions, indent)
    return SCALARS[types]
