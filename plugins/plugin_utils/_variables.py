# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to this collection. The variables of a runbook, checked before any server is asked."""

from __future__ import annotations

import ipaddress
import os
import re
import typing as t

import yaml
from ansible.module_utils.parsing.convert_bool import boolean

from ..module_utils._api.log_levels import LEVELS
from ..module_utils._errors import shorten
from ..module_utils._identity import NAME
from ..module_utils._options import whole_number
from ._host_variables import is_given

#: The rule of one variable: its ``type``, ``required``, ``default``, and the limits of its type.
Rule = t.Mapping[str, t.Any]

#: How a message asks for a required variable of each type.
EXAMPLE_OF = {
    "levels": "scope and level, such as naming=debug, store=info (* is every other scope)",
    "ipv4": "an IPv4 address, such as 10.0.0.7",
    "path": "a path",
    "undo": "a file that save wrote, or its content",
}

_WORD = r"[^\s,;:={}\[\]\"']+"
_SCOPE = rf"(?:\"[^\"]+\"|'[^']+'|{_WORD})"
_STEP = re.compile(rf"({_SCOPE})\s*[:=]\s*({_SCOPE})")
_STEPS = re.compile(rf"{_STEP.pattern}(?:[\s,;]+{_STEP.pattern})*[\s,;]*")
_SIZE = re.compile(r"[0-9]+([.][0-9]+)?[KMGTkmgt]?B?")


def check(
    values: t.Mapping[str, t.Any], rules: t.Mapping[str, Rule], one_of: t.Sequence[str] = ()
) -> t.Dict[str, t.Any]:
    """The values of all variables, each with the type of its rule; None if it is not given and has no default.

    :param values: the variables that are set, by name, as users and surveys write them.
    :param rules: name -> its rule. ``aliases`` are further names.
    :param one_of: the variables of which exactly one must be given.
    :raises ValueError: everything that is wrong, in one message.
    """
    given: t.Dict[str, t.Any] = {}
    problems: t.List[str] = []
    for name, rule in rules.items():
        found = [values[one] for one in (name, *rule.get("aliases", ())) if is_given(values.get(one))]
        given[name] = rule.get("default")
        if not found and rule.get("required"):
            problems.append(f"Give the variable {name}: {_example(rule)}.")
        elif found:
            try:
                given[name] = TYPES[rule["type"]](found[0], rule)
            except ValueError as error:
                problems.append(f"The variable {name} {error}.")
    if one_of and not problems and sum(given[name] not in (None, False, []) for name in one_of) != 1:
        choices = [f"{name} ({_example(rules[name])})" for name in one_of]
        problems.append(f"Give exactly one of these variables: {', '.join(choices)}.")
    if problems:
        raise ValueError(" ".join(problems) + " No server was asked.")
    return given


def _example(rule: Rule) -> str:
    return str(rule.get("example") or EXAMPLE_OF.get(rule["type"]) or "a value")


def _refused(must: str, value: t.Any) -> ValueError:
    return ValueError(f"must be {must}; got {shorten(repr(value), 100)}")


# --- the types --------------------------------------------------------------------------------------------------------


def text(value: t.Any, rule: Rule) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise _refused("text", value)
    return str(value).strip()


def choice(value: t.Any, rule: Rule) -> str:
    choices = rule["choices"]
    if not isinstance(value, str) or value.strip() not in choices:
        raise _refused(f"{', '.join(choices[:-1])} or {choices[-1]}", value)
    return value.strip()


def name(value: t.Any, rule: Rule) -> str:
    """The name of a service or a namespace, as servers take it (polaris v1.18.1 common/utils/common.go)."""
    if isinstance(value, bool) or not NAME.match(str(value).strip()):
        raise _refused("a name of letters, digits and - . / : _", value)
    return str(value).strip()


def flag(value: t.Any, rule: Rule) -> bool:
    try:
        return bool(boolean(value.strip() if isinstance(value, str) else value))
    except TypeError:
        raise _refused("true or false", value) from None


def whole(value: t.Any, rule: Rule) -> int:
    least, most = rule.get("min", 0), rule.get("max")
    number = whole_number(value)
    if number is None or number < least or (most is not None and number > most):
        raise _refused(f"a whole number {f'of {least} or more' if most is None else f'from {least} to {most}'}", value)
    return number


def number(value: t.Any, rule: Rule) -> float:
    try:
        found = float("nan" if isinstance(value, bool) else value)
    except (TypeError, ValueError, OverflowError):
        found = float("nan")
    if not rule.get("min", float("-inf")) <= found <= rule.get("max", float("inf")):
        limits = [f"{word} {rule[key]:g}" for key, word in (("min", "not below"), ("max", "not above")) if key in rule]
        raise _refused(f"a number{' ' if limits else ''}{' and '.join(limits)}", value)
    return found


def size(value: t.Any, rule: Rule) -> str:
    """A size as the modules take it; kept as it was written, for the summary."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)) or not _SIZE.fullmatch(str(value).strip()):
        raise _refused("a size: a number of bytes, or one with K, M, G or T, such as 64M", value)
    return str(value).strip()


def ipv4(value: t.Any, rule: Rule) -> str:
    try:
        return str(ipaddress.IPv4Address(value.strip()))
    except (ValueError, AttributeError):
        raise _refused(EXAMPLE_OF["ipv4"], value) from None


def items(value: t.Any, rule: Rule) -> t.List[t.Any]:
    """A list of mappings, or text in YAML or JSON that is one.

    The message does not repeat the value: instances may hold the token of a service.
    """
    found = _from_yaml(value) if isinstance(value, str) else value
    if not isinstance(found, list):
        kind = "a mapping" if isinstance(found, t.Mapping) else f"a value of type {type(found).__name__}"
        raise ValueError(f"must be {rule.get('example') or 'a list'}; got {kind}")
    for place, item in enumerate(found):
        if not isinstance(item, t.Mapping):
            kind = "text" if isinstance(item, str) else f"of type {type(item).__name__}"
            raise ValueError(f"must be {rule.get('example') or 'a list'}; got {kind} as entry {place}, counted from 0")
    return found


def mode(value: t.Any, rule: Rule) -> str:
    """The permissions of a file, as text: a number does not show whether it was written in octal."""
    if not isinstance(value, str) or not re.fullmatch(r"0?[0-7]{3}", value.strip()):
        raise _refused('permissions of three or four digits in quotes, such as "0640"', value)
    return value.strip()


def names(value: t.Any, rule: Rule) -> t.List[str]:
    """A list of names or addresses, or text with commas between them."""
    found = value.split(",") if isinstance(value, str) else value
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        example = f", such as {rule['example']}" if "example" in rule else ""
        raise _refused(f"a list, or text with commas{example}", value)
    return [each.strip() for each in found if each.strip()]


def levels(value: t.Any, rule: Rule) -> t.Dict[str, str]:
    """Scope -> level, from a mapping, text in YAML or JSON, or ``naming=debug, store=info``."""
    found = pairs(value) if isinstance(value, str) else value
    if not isinstance(found, t.Mapping) or not found:
        raise _refused(EXAMPLE_OF["levels"], value)
    wanted = {str(scope).strip(): level.strip() if isinstance(level, str) else level for scope, level in found.items()}
    bad = [f"{scope}: {level}" for scope, level in wanted.items() if not scope or level not in LEVELS]
    if bad:
        raise ValueError(f"has an unknown level ({', '.join(bad)}): the levels are {', '.join(LEVELS)}, in lower case")
    return wanted


def pairs(written: str) -> t.Any:
    """Scope -> level as people type it; otherwise what YAML reads, or None if it is not YAML.

    :raises ValueError: a scope is given twice, with different levels.
    """
    bare = written.strip()
    if bare.startswith("{") and bare.endswith("}"):
        bare = bare[1:-1].strip()
    if not _STEPS.fullmatch(bare):
        return _from_yaml(written)
    found: t.Dict[str, str] = {}
    for match in _STEP.finditer(bare):
        scope, level = (part.strip("\"'") for part in match.groups())
        if found.setdefault(scope, level) != level:
            raise ValueError(f"names {scope} twice, with {found[scope]} and {level}")
    return found


def undo(value: t.Any, rule: Rule) -> t.Dict[str, t.Dict[str, t.Any]]:
    """Node -> its old ``levels``, and the levels that were ``set`` then: from a file on the controller, or its content.

    The custom stats of a run and node -> scope -> level are also accepted. What is unknown about a node, such as the
    levels that were set, is left out.
    """
    found = value
    if isinstance(value, str):
        bare = value.strip()
        found = _from_yaml(bare if bare.startswith("{") or "\n" in bare else _content(bare))
    if isinstance(found, t.Mapping) and isinstance(found.get("previous"), t.Mapping) and "runbook" in found:
        found = found["previous"]
    if not isinstance(found, t.Mapping):
        raise _refused(EXAMPLE_OF["undo"], value)
    nodes = {}
    for node, entry in found.items():
        full = isinstance(entry, t.Mapping) and isinstance(entry.get("levels"), t.Mapping)
        parts = entry if full else {"levels": entry}
        for part in ("levels", "set"):
            of_part = parts.get(part, {})
            if not isinstance(of_part, t.Mapping) or any(level not in LEVELS for level in of_part.values()):
                raise ValueError(f"does not contain levels for {node}: give {EXAMPLE_OF['undo']}")
        nodes[str(node)] = dict(parts)
    return nodes


def _content(path: str) -> str:
    try:
        with open(os.path.expanduser(path), encoding="utf-8") as file:
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ValueError(f"names a file that cannot be read: {path}: {reason}") from error


def saved(path: str) -> t.Optional[t.Dict[str, t.Any]]:
    """What ``save`` wrote to this file; None if the file contains something else."""
    content = _content(path)
    found = _from_yaml(content) if content.strip() else {}
    entries = found.values() if isinstance(found, dict) else [None]
    parts = ("levels", "set")
    whole = all(isinstance(one, dict) and all(isinstance(one.get(part), dict) for part in parts) for one in entries)
    return found if whole else None


def new_file(value: t.Any, rule: Rule) -> str:
    """The absolute path of a file that can be written on the controller: a new one, or one that ``save`` wrote."""
    path = os.path.abspath(os.path.expanduser(text(value, rule)))
    folder = os.path.dirname(path)
    if os.path.exists(path) and not os.path.isfile(path):
        raise _refused("the path of a regular file", value)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ValueError(f"names a file in {folder}, which is not a folder that can be written to")
    if os.path.exists(path) and saved(path) is None:
        raise ValueError(f"names a file that save did not write, {path}: name another one")
    return path


def _from_yaml(written: str) -> t.Any:
    try:
        return yaml.safe_load(written)
    except yaml.YAMLError:
        return None


TYPES: t.Dict[str, t.Callable[[t.Any, Rule], t.Any]] = {
    "text": text,
    "choice": choice,
    "name": name,
    "bool": flag,
    "int": whole,
    "float": number,
    "size": size,
    "ipv4": ipv4,
    "path": text,
    "list": items,
    "names": names,
    "mode": mode,
    "levels": levels,
    "undo": undo,
    "new_file": new_file,
}


# --- slices of a sliced job -------------------------------------------------------------------------------------------


def is_slice(values: t.Mapping[str, t.Any]) -> bool:
    """Whether this job is a slice of a sliced AWX job, by the variables that AWX gives a job.

    AWX does not tell a job that it is a slice. But a slice runs in a workflow that has the name of its own job
    template, and a user may pass the number of slices as a variable.
    """
    counts = ("awx_job_slice_count", "tower_job_slice_count", "job_slice_count")
    count = next((values[name] for name in counts if is_given(values.get(name))), 1)
    if re.fullmatch(r"[0-9]+", str(count)) and int(count) > 1:
        return True
    workflow, template = values.get("awx_workflow_job_name"), values.get("awx_job_template_name")
    return "awx_workflow_job_id" in values and workflow is not None and workflow == template
