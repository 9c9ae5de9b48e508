#!/usr/bin/env python3
"""What every verb prints with --json, on two hosts, against docs/schemas/VERB.json: no field is missing, none is of
another type, and none is there that the schema does not name. Usage: schema_test.py ROVE [--print DIRECTORY]

--print writes what was printed to DIRECTORY/VERB.jsonl, for whoever writes a schema.
"""

import importlib.util
import json
import os
import shutil
import sys

if importlib.util.find_spec("jsonschema") is None and sys.executable != "/usr/bin/python3":
    os.execv("/usr/bin/python3", ["/usr/bin/python3", "-B", *sys.argv])  # which has Debian's packages

# pylint: disable=wrong-import-position
import jsonschema  # noqa: E402

import cli_test  # noqa: E402
from cli_test import OTHER_IP, OTHER_MAC, VM_IP, VM_MAC, wait_for  # noqa: E402
from two_vm_lab import VM2_IP, TwoVmLab  # noqa: E402

SCHEMAS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "schemas")


class Printed:
    """Objects by the verb that printed them."""

    def __init__(self):
        self.objects = {}

    def take(self, host, verb, *arguments):
        result = host.rove(verb, *arguments, "--json")
        for line in result.stdout.splitlines():
            self.objects.setdefault(verb, []).append(json.loads(line))
        return result

    def run(self, lab):
        """Every verb, where it finds something and where it does not."""
        a, b = lab.hosts
        assert wait_for(lambda: lab.ping(3), 30)
        for host in (a, b):
            for verb in ("status", "peers", "vms", "doctor", "netcheck", "check", "version", "reload", "log-level"):
                self.take(host, verb)
        for arguments in ((VM_IP,), (VM2_IP, "--trace", "--refresh"), (VM_MAC,), ("10.77.0.77",)):
            self.take(a, "lookup", *arguments)
        self.take(a, "ping", "10.77.0.77", "-c", "1", "--timeout", "300ms")
        for target in ("b", VM2_IP, VM_IP):
            self.take(a, "ping", target, "-c", "2", "-i", "100ms")
        for node in ("b", "a"):
            self.take(a, "info", node)
        self.take(a, "top", "-c", "2")
        self.take(a, "claim", OTHER_MAC, OTHER_IP)
        self.take(b, "prepare", OTHER_MAC)
        self.take(b, "vms")
        with b.watch("--json") as watch:
            self.take(b, "claim", OTHER_MAC, OTHER_IP)
            assert wait_for(lambda: a.rove("lookup", OTHER_IP, "--json").stdout.find('"node":"b"') >= 0)
            self.take(a, "timeline", OTHER_MAC)
            self.take(b, "timeline", OTHER_MAC)
            self.take(a, "timeline", "02:00:5e:77:77:77")
            self.take(a, "vms")
            self.take(b, "release", OTHER_MAC)
            watch.terminate()
            # The first line was read by watch().
            self.objects["watch"] = [json.loads(line) for line in watch.stdout.read().splitlines()]
        with open(b.path("etc", "demo.toml"), "r+", encoding="utf-8") as file:
            text = file.read()
            file.seek(0)
            file.write('log_level = "debug"\nnice = 3\n' + text)
        self.take(b, "reload")
        self.take(b, "log-level", "info")
        self.take(b, "down")


def run(lab, checks, directory):
    a, b = lab.hosts
    printed = Printed()
    ticket = os.path.join(lab.directory, "c.rove")
    lab.start()
    printed.run(lab)
    printed.take(a, "enroll", "c", "-o", ticket)
    shutil.rmtree(b.path("etc"))
    printed.take(b, "join", ticket)
    shutil.rmtree(b.path("etc"))
    printed.take(b, "init", "other", "--subnet", "10.78.0.0/24", "--node", "b")
    if directory:
        for verb, objects in printed.objects.items():
            with open(os.path.join(directory, f"{verb}.jsonl"), "w", encoding="utf-8") as file:
                file.writelines(json.dumps(each) + "\n" for each in objects)
        return
    verbs = {name.removesuffix(".json") for name in os.listdir(SCHEMAS)}
    checks.check(verbs == set(printed.objects), f"{len(verbs)} schemas, and each of a verb that printed something: "
                                                f"{sorted(verbs ^ set(printed.objects)) or 'all'}")
    for verb in sorted(verbs & set(printed.objects)):
        with open(os.path.join(SCHEMAS, f"{verb}.json"), encoding="utf-8") as file:
            schema = json.load(file)
        jsonschema.Draft202012Validator.check_schema(schema)
        validator = jsonschema.Draft202012Validator(schema)
        problems = [f"{'/'.join(map(str, error.absolute_path))}: {error.message[:300]}"
                    for each in printed.objects[verb] for error in validator.iter_errors(each)]
        checks.check(not problems, f"{verb}: {len(printed.objects[verb])} objects fit" +
                     "".join(f"\n        {problem}" for problem in problems[:5]))


if __name__ == "__main__":
    target = sys.argv[3] if sys.argv[2:3] == ["--print"] else None
    cli_test.run_checks(lambda lab, checks: run(lab, checks, target), TwoVmLab)
