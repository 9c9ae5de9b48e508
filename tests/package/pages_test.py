#!/usr/bin/env python3
"""The man pages tell all that there is, and nothing else: each verb and option of the binary, each key of the
configuration; and man(1) has no complaint. Usage: pages_test.py ROVE"""

import os
import re
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ROVE = None
# An option as it is written anywhere; --help and -h are everybody's.
OPTION = re.compile(r"(?<![\w/=-])--?[a-z][a-z-]*(?![\w-])")
COMMON = {"--help", "-h"}


def output(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def render(page):
    """The page as man(1) shows it in a very wide window, and what it complains about."""
    run = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", page], capture_output=True, text=True,
                         check=True, env={**os.environ, "LC_ALL": "C.UTF-8", "MANROFFSEQ": "", "MANWIDTH": "300",
                                          "GROFF_NO_SGR": "1"})
    plain = re.sub(".\x08", "", run.stdout)  # overstruck bold and underlined
    return plain, run.stderr


def sections(text, indent):
    """heading -> lines, of headings at that indent."""
    found, current = {}, None
    for line in text.splitlines():
        if line[:indent + 1].strip() and len(line) - len(line.lstrip()) == indent:
            current = found.setdefault(line.strip(), [])
        elif current is not None:
            current.append(line)
    return found


def tags(lines, indent):
    """What stands at the indent of a list's tags; a short tag shares its line with its text."""
    return [line.strip() for line in lines if line.strip() and len(line) - len(line.lstrip()) == indent]


class Pages(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory(prefix="rove-pages-")
        cls.addClassCleanup(cls.directory.cleanup)
        output(sys.executable, "-B", os.path.join(ROOT, "docs/man/make_pages.py"), "--rove", ROVE, "--operations",
               os.path.join(ROOT, "docs/operations.md"), "--date", "1700000000", "--output", cls.directory.name)
        cls.rove, cls.complaints = render(os.path.join(cls.directory.name, "rove.1"))
        cls.toml, complaints = render(os.path.join(cls.directory.name, "rove.toml.5"))
        cls.complaints += complaints

    def test_man_has_no_complaint(self):
        self.assertEqual(self.complaints, "")

    def test_every_verb_is_there_with_every_option_and_no_other(self):
        top = output(ROVE, "--help")
        listed = [word for word in re.findall(r"^  ([a-z][a-z-]*)(?:  |$)", top, re.MULTILINE)
                  if subprocess.run([ROVE, word, "--help"], capture_output=True, check=False).returncode == 0]
        self.assertIn("lookup", listed)
        verbs = sections("\n".join(sections(self.rove, 0)["VERBS"]), 3)
        self.assertEqual(sorted(heading.split()[1] for heading in verbs), sorted(listed))
        for heading, lines in verbs.items():
            verb = heading.split()[1]
            with self.subTest(verb=verb):
                said = set(OPTION.findall(output(ROVE, verb, "--help"))) - COMMON
                told = set(OPTION.findall("\n".join(lines)))
                self.assertEqual(said - told, set(), "not in the page")
                self.assertEqual(told - said - set(OPTION.findall(top)), set(), f"rove {verb} does not have it")

    def test_general_options(self):
        said = set(OPTION.findall(output(ROVE, "--help").split("Subcommands:")[0]))
        page = "\n".join(sections(self.rove, 0)["GENERAL OPTIONS"])
        self.assertLessEqual(said, set(OPTION.findall(page)))

    def test_the_table_of_verbs_has_each_verb_and_no_other(self):
        verbs = {heading.split()[1] for heading in sections("\n".join(sections(self.rove, 0)["VERBS"]), 3)}
        with open(os.path.join(ROOT, "docs/operations.md"), encoding="utf-8") as file:
            table = file.read().split("| verb | does |\n|---|---|\n")[1].split("\n\n")[0]
        documented = {span.split()[0] for row in table.splitlines()
                      for span in re.findall(r"`([^`]+)`", row.split("|")[1])}
        self.assertEqual(documented, verbs, "docs/operations.md, Verbs, and rove --help differ")

    def test_every_key_is_there_and_no_other(self):
        with open(os.path.join(ROOT, "cli/config/config.cpp"), encoding="utf-8") as file:
            source = file.read()
        keys = set()
        for prefix, body in re.findall(r'read_table\(\s*[*\w]+,\s*"([^"]*)",\s*\{(.*?)\}\);', source, re.DOTALL):
            keys |= {prefix + key for key in re.findall(r'\{"(\w+)",\s*\[&\]', body)}
        tables = {key.rpartition(".")[0] for key in keys} - {""}
        keys -= tables
        self.assertIn("control.group", keys)
        page = sections(self.toml, 0)["KEYS"]
        tagged = {tag.split()[0] for tag in tags(page, 7)}
        self.assertEqual(tagged, keys)

    def test_every_key_of_the_page_is_taken_and_shown_by_a_new_configuration(self):
        keys = {tag.split()[0] for tag in tags(sections(self.toml, 0)["KEYS"], 7)}
        etc = os.path.join(self.directory.name, "etc")
        output(ROVE, "init", "demo", "--node", "a", "--subnet", "10.0.0.0/24", "--config-dir", etc)
        config = os.path.join(etc, "demo.toml")
        with open(config, encoding="utf-8") as file:
            template = file.read()
        for key in sorted(keys):
            with self.subTest(key=key):
                table, _, name = key.rpartition(".")
                self.assertRegex(template, rf"(?m)^#?{name} = ")
                with open(config, "w", encoding="utf-8") as file:
                    file.write((f"[{table}]\n" if table else "") + f"{name} = 2000-01-01\n")
                run = subprocess.run([ROVE, "check", "--config", config], capture_output=True, text=True, check=False)
                self.assertEqual(run.returncode, 2)
                self.assertIn(f"{key} must be", run.stderr)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    ROVE = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2)
