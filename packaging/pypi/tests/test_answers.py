import dataclasses
import json
import subprocess
import typing
import unittest

import kill_port
from kill_port import _read

from case import ROOT, Case

SCHEMA = json.loads((ROOT / "cli" / "schema.json").read_text())


def plain(value):
    """As JSON has it."""
    return json.loads(json.dumps(dataclasses.asdict(value)))


def raw(*arguments):
    output = subprocess.run([kill_port.find_binary(), "--json", *map(str, arguments)], stdout=subprocess.PIPE, text=True)
    return json.loads(output.stdout)


def objects(schema, kind):
    """Each object of the schema, with the class that stands for it."""
    if "$ref" in schema:
        schema = SCHEMA["$defs"][schema["$ref"].rsplit("/", 1)[1]]
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Union:
        kind = arguments[0]
        (schema,) = [each for each in schema.get("anyOf", [schema]) if each != {"type": "null"}]
        yield from objects(schema, kind)
    elif origin is tuple:
        yield from objects(schema["items"], arguments[0])
    elif schema.get("type") == "object":
        yield schema, kind
        hints = typing.get_type_hints(kind)
        for name, content in schema["properties"].items():
            yield from objects(content, hints[name])


def with_more(value):
    """The same, with a field in every object that nobody knows."""
    if isinstance(value, dict):
        return {"from_the_future": {"a": [1]}, **{name: with_more(each) for name, each in value.items()}}
    return [with_more(each) for each in value] if isinstance(value, list) else value


class Answers(Case):
    def test_every_field_of_the_schema_is_there(self):
        seen = set()
        for schema, kind in objects(SCHEMA, kill_port.Report):
            self.assertEqual(list(schema["properties"]), [field.name for field in dataclasses.fields(kind)])
            self.assertIn(kind.__name__, kill_port.__all__)
            seen.add(kind)
        named = [each for each in vars(kill_port).values() if dataclasses.is_dataclass(each)]
        self.assertEqual(seen, set(named))

    def test_a_report_has_all_that_the_command_answers(self):
        port = self.port()
        self.server(port)
        for options in (["-n", port], ["--why", port], ["--list", port]):
            answer = raw(*options)
            self.assertEqual(plain(_read.report(json.dumps(answer))), answer)

    def test_an_unknown_field_is_passed_over(self):
        port = self.port()
        self.server(port)
        answer = raw("--why", port)
        self.assertEqual(_read.report(json.dumps(with_more(answer))), _read.report(json.dumps(answer)))

    def test_an_unknown_word_is_handed_on(self):
        answer = raw(self.port())
        answer["ports"][0]["outcome"] = "moved"
        self.assertEqual(_read.report(json.dumps(answer)).ports[0].outcome, "moved")

    def test_what_an_older_command_lacks_is_none_or_empty(self):
        (answer,) = _read.report('{"schema_version": 1, "ports": [{"port": 1}]}').ports
        self.assertEqual((answer.notes, answer.why, answer.holders), ((), None, ()))

    def test_another_version_of_the_schema_is_refused(self):
        for text in ('{"schema_version": 2, "ports": []}', "{}", "[]", "null", "1", "", "no JSON"):
            with self.assertRaises(ValueError):
                _read.report(text)

    def test_a_report_is_frozen_and_can_be_a_key(self):
        report = kill_port.kill_port(self.port())
        with self.assertRaises(dataclasses.FrozenInstanceError):
            report.ports = ()
        self.assertEqual(len({report, report}), 1)

    def test_nobody_needs_the_words_of_an_error_to_know_what_would_come_back(self):
        answer = raw(self.port())
        answer["ports"][0].update(outcome="would_come_back", notes=["systemd starts it again"])
        error = kill_port.KillPortError(_read.report(json.dumps(answer)))
        self.assertEqual(str(error), f"port {answer['ports'][0]['port']}: systemd starts it again")


if __name__ == "__main__":
    unittest.main()
