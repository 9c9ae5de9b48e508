#!/usr/bin/env python3
"""Makes rove(1) and rove.toml(5). Their frame is rove.1.md and rove.toml.5.md beside this file; verbs and options are
what `rove --help` says, and files, keys, exit statuses and what verbs do are the tables of docs/operations.md, so that
nothing is told twice. In the frame,

    {{options}}  {{verbs}}                from the binary, and the table of verbs
    {{table FIRST COLUMN'S NAME}}         a table, as a list
    {{paragraph HEADING before|after}}    the text around the table below a heading

Usage: make_pages.py --rove ROVE --operations operations.md --date SECONDS --output DIRECTORY
"""

import argparse
import datetime
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
SPAN = re.compile(r"`([^`]+)`|\*\*([^*]+)\*\*|\*([^*]+)\*|\[([^\]]+)\]\([^)]+\)")


# -- roff


def escape(text):
    """Text that roff prints as it is. Minus signs are such that they can be copied and searched for."""
    text = text.replace("\\", "\\e").replace("−", "-").replace("-", "\\-").replace("…", "...").replace("–", "\\(en")
    return text.replace("'", "\\(aq").replace("`", "\\(ga")


def inline(text):
    """Markdown within a paragraph as roff."""
    out, last = [], 0
    for span in SPAN.finditer(text):
        out.append(escape(text[last:span.start()]))
        code, strong, emphasis, link = span.groups()
        if link == "below":
            out.append("see \\fIoperations.md\\fP")
        elif link:
            out.append(inline(link))
        elif emphasis:
            out.append("\\fI" + escape(emphasis) + "\\fP")
        else:
            out.append("\\fB" + escape(code or strong) + "\\fP")
        last = span.end()
    out.append(escape(text[last:]))
    return "".join(out)


def capital(text):
    return text[:1].upper() + text[1:]


def line(text):
    """A line of text that roff does not take for a request."""
    return "\\&" + text if text.startswith((".", "'")) else text


def tagged(tag, body):
    return [".TP", line(tag), line(body)] if body else [".TP", line(tag), "\\&"]


def verbatim(lines):
    return [".PP", ".RS 4", ".nf", *(line(escape(each)) for each in lines), ".fi", ".RE"]


# -- what the binary says


class Help:
    """`rove [VERB] --help`: description, usage, and entries (name, text) below each heading."""

    def __init__(self, rove, *verb):
        run = subprocess.run([rove, *verb, "--help"], capture_output=True, text=True, check=False)
        self.known = run.returncode == 0
        self.text = run.stdout
        self.description, self.usage, self.sections, self.footer = "", "", {}, []
        section = None
        for each in run.stdout.splitlines():
            heading = re.fullmatch(r"(\S.*):", each)
            if each.startswith("Usage: "):
                self.usage = each.removeprefix("Usage: ").strip()
            elif heading:
                section = self.sections.setdefault(heading[1], [])
            elif section is not None and each.strip():
                section.append(each)
            elif each.strip() and not self.usage:
                self.description = (self.description + " " + each.strip()).strip()

    def entries(self, heading):
        """[[name, text]] of a heading; texts that go on in further lines are joined."""
        found = []
        for each in self.sections.get(heading, []):
            indent = len(each) - len(each.lstrip())
            if indent > 4 and found:
                found[-1][1] = (found[-1][1] + " " + each.strip()).strip()
            else:
                name, _, text = each.strip().partition("  ")
                found.append([name, text.strip()])
        return found


def option_tag(name):
    """"-o,--output TEXT REQUIRED" as roff: names bold, values and positional arguments slanted."""
    words = name.removesuffix(" REQUIRED").split(" ")
    if not words[0].startswith("-"):
        return "\\fI" + escape(" ".join(words)) + "\\fP"
    names = ", ".join("\\fB" + escape(each) + "\\fP" for each in words[0].split(","))
    return " ".join([names, *(escape(each) if each == "..." else "\\fI" + escape(each) + "\\fP" for each in words[1:])])


def option_list(entries):
    out = []
    for name, text in entries:
        out += tagged(option_tag(name), escape(text) + (" (required)" if name.endswith(" REQUIRED") else ""))
    return out


class Binary:
    """The verbs of the binary, in the order of its help, with the help of each."""

    def __init__(self, rove):
        self.top = Help(rove)
        if not self.top.known:
            raise SystemExit(f"{rove} --help: failed")
        self.verbs = {}
        for heading in self.top.sections:
            for name, _ in self.top.entries(heading):
                if re.fullmatch(r"[a-z][a-z-]*", name) and name not in self.verbs:
                    help_of = Help(rove, name)
                    if help_of.known and help_of.usage:
                        self.verbs[name] = help_of
        if not self.verbs:
            raise SystemExit(f"{rove} --help: no verbs found in it")
        run = subprocess.run([rove, "version"], capture_output=True, text=True, check=True)
        self.version = " ".join(run.stdout.split()[:2])


# -- what docs/operations.md says


class Operations:
    """Tables (lists of rows, the first is the heading), and the paragraphs of each "## HEADING" before and after its
    first table, code blocks left out."""

    def __init__(self, path):
        self.tables, self.before, self.after = [], {}, {}
        section, last, fenced = "", "", False
        with open(path, encoding="utf-8") as file:
            lines = file.read().splitlines()
        for each in lines:
            if each.startswith("```"):
                fenced = not fenced
            elif fenced or each.startswith("### "):
                pass
            elif each.startswith("## "):
                section, seen = each[3:], len(self.tables)
                self.before[section], self.after[section] = [], []
            elif each.startswith("|"):
                if not last.startswith("|"):
                    self.tables.append([])
                cells = [cell.strip() for cell in each.strip("|").split("|")]
                if not all(re.fullmatch("-+", cell) for cell in cells):
                    self.tables[-1].append(cells)
            elif each.strip() and section:
                (self.before if len(self.tables) == seen else self.after)[section].append(each)
            last = each

    def table(self, name):
        for rows in self.tables:
            if rows and rows[0][0] == name:
                return rows[1:]
        raise SystemExit(f"docs/operations.md: no table whose first column is \"{name}\"")

    def verb_text(self, verb):
        """What the table of verbs says about one; empty when it does not have it."""
        for first, text in self.table("verb"):
            if verb in (span.split()[0] for span in re.findall(r"`([^`]+)`", first)):
                return text
        return ""


def table_list(name, rows):
    out = []
    for cells in rows:
        first, *rest = cells
        if name == "key":
            kind, default, reload, text = rest
            default = "no default" if default == "none" else f"default: {default}"
            change = "is applied by `rove reload`" if reload == "reload" else "needs a restart"
            body = f"{capital(kind)}, {default}; a change {change}. {capital(text)}"
        elif name == "file":
            body = rest[0] + (f". Mode: {rest[1]}" if rest[1] else "")
        else:
            body = rest[0]
        tag = inline(first) if "`" in first else "\\fB" + escape(first) + "\\fP"
        out += tagged(tag, inline(body))
    return out


def verb_list(binary, operations):
    out = []
    for name, help_of in binary.verbs.items():
        usage = help_of.usage.removeprefix("rove ")
        out += [".SS " + escape("rove " + usage)]
        text = operations.verb_text(name) or help_of.description
        out += [line(inline(capital(text)).rstrip(".") + ".")]
        for heading, lines in help_of.sections.items():
            entries = [entry for entry in help_of.entries(heading) if not entry[0].startswith("-h,")]
            if heading == "Positionals":
                out += option_list([re.sub(r" TEXT\b", "", entry[0]), entry[1]] for entry in entries)
            elif heading == "Options":
                out += option_list(entries)
            elif entries:
                out += [".PP", line(escape(heading) + ":"), *verbatim([each.strip() for each in lines])]
    return out


# -- the frame


def expand(word, binary, operations):
    if word == "options":
        return option_list(binary.top.entries("Options"))
    if word == "verbs":
        return verb_list(binary, operations)
    kind, _, name = word.partition(" ")
    if kind == "table":
        return table_list(name, operations.table(name))
    if kind == "paragraph":
        heading, _, where = name.rpartition(" ")
        paragraphs = (operations.before if where == "before" else operations.after)[heading]
        return [each for text in paragraphs for each in (".PP", line(inline(text)))]
    raise SystemExit(f"docs/man: {{{{{word}}}}} means nothing")


def split_blocks(lines):
    """Blocks between empty lines; one in ``` fences stays whole."""
    blocks, fenced = [[]], False
    for each in lines:
        if each.startswith("```"):
            fenced = not fenced
        if each or fenced:
            blocks[-1].append(each)
        elif blocks[-1]:
            blocks.append([])
    return ["\n".join(block) for block in blocks if block]


def page(frame, title, section, date, binary, operations):
    out = [f".TH {escape(title)} {section} {escape(date)} \"{escape(binary.version)}\"", ".nh", ".ad l"]
    with open(os.path.join(HERE, frame), encoding="utf-8") as file:
        blocks = split_blocks(file.read().splitlines())
    for block in blocks:
        word = re.fullmatch(r"\{\{(.*)\}\}", block)
        if word:
            out += expand(word[1], binary, operations)
        elif block.startswith("# "):
            out.append(".SH " + escape(block[2:]))
        elif block.startswith("```"):
            out += verbatim(block.splitlines()[1:-1])
        elif "\n: " in block:
            tag, _, body = block.partition("\n: ")
            out += tagged(inline(tag), inline(body))
        else:
            out += [".PP", line(inline(block.replace("\n", " ")))]
    return "\n".join(out) + "\n"


def main():
    parser = argparse.ArgumentParser()
    for option in ("--rove", "--operations", "--date", "--output"):
        parser.add_argument(option, required=True)
    options = parser.parse_args()
    date = datetime.datetime.fromtimestamp(int(options.date), datetime.timezone.utc).strftime("%Y-%m-%d")
    binary, operations = Binary(options.rove), Operations(options.operations)
    for frame, title, section in (("rove.1.md", "ROVE", 1), ("rove.toml.5.md", "ROVE.TOML", 5)):
        text = page(frame, title, section, date, binary, operations)
        with open(os.path.join(options.output, frame.removesuffix(".md")), "w", encoding="utf-8") as file:
            file.write(text)


if __name__ == "__main__":
    sys.exit(main())
