# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to this collection. The summary of a runbook: lines for people and data for programs."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field

Result = t.Mapping[str, t.Any]

#: Up to this many nodes, each has lines of its own. In a larger fleet, a summary stays readable.
OWN_LINES = 10


def is_answer(result: t.Any) -> bool:
    """Whether a registered result is an answer: it exists, and is not failed, unreachable or skipped.

    An unreachable result has ``failed: false`` with ansible-core 2.21, and no ``failed`` before. The result of a
    successful loop has no ``failed`` with ansible-core 2.18. In a loop, every item must be an answer. After
    ``failed_when: false``, only the ``error`` of a module, the ``exception`` of a crash, or the ``module_stdout`` of a
    module that did not start (for example, because there is no Python) shows that the task failed.
    """
    signs = ("failed", "unreachable", "skipped", "error", "exception")
    if not isinstance(result, t.Mapping) or "module_stdout" in result or any(result.get(sign) for sign in signs):
        return False
    items = result.get("results")
    return not isinstance(items, list) or all(map(is_answer, items))


@dataclass(frozen=True, eq=False)
class Node:
    """A host of the play, and what was registered on it.

    :param results: name of a registered variable -> its value, if it is defined.
    :param own: the names of this node in messages: its URL and its address.
    """

    name: str
    results: t.Mapping[str, t.Any] = field(default_factory=dict)
    own: t.Tuple[str, ...] = ()

    def answer(self, register: str) -> t.Optional[Result]:
        """The result of the task; None if it is no answer."""
        result = self.results.get(register)
        return result if is_answer(result) else None

    def result(self, register: str) -> Result:
        """What was registered, an answer or not; empty if nothing was."""
        result = self.results.get(register)
        return result if isinstance(result, t.Mapping) else {}

    def reason(self, register: str) -> str:
        """Why there is no answer, on one line."""
        return reason(self.results.get(register))


def reason(result: t.Any) -> str:
    """Why a result is no answer, on one line: its message, or that of the first item of a loop that failed."""
    if not isinstance(result, t.Mapping):
        return "no answer"
    items = result.get("results")
    failed = [item for item in items if not is_answer(item)] if isinstance(items, list) else []
    msg = failed[0].get("msg") if failed and isinstance(failed[0], t.Mapping) else result.get("msg")
    # ansible-core 2.19 and newer put "Task failed: " before the message of a node that cannot be reached.
    return " ".join(str(msg or "no answer").split()).replace("Task failed: ", "", 1)


@dataclass(frozen=True)
class Run:
    """The input of a summary or a plan.

    :param nodes: all hosts of the play, failed and unreachable ones included, in their order.
    :param given: the variables of the runbook, as checked.
    :param now: the time, in UTC, as ISO 8601.
    :param target: the host pattern that the play was meant for.
    :param left_out: the hosts of that pattern that ``--limit`` left out.
    """

    nodes: t.Sequence[Node]
    check_mode: bool = False
    given: t.Mapping[str, t.Any] = field(default_factory=dict)
    now: str = ""
    target: str = ""
    left_out: t.Sequence[str] = ()

    def answers(self, register: str) -> t.List[t.Tuple[Node, Result]]:
        """The nodes on which the task gave an answer, each with its answer."""
        found = ((node, node.answer(register)) for node in self.nodes)
        return [(node, answer) for node, answer in found if answer is not None]

    def unanswered(self, register: str) -> t.Dict[Node, str]:
        """The nodes on which it gave none, each with the reason."""
        return {node: node.reason(register) for node in self.nodes if node.answer(register) is None}


@dataclass(frozen=True)
class Line:
    text: str
    failure: bool = False


@dataclass(frozen=True)
class Summary:
    """The end of a runbook.

    :param data: the same for programs: text, numbers, flags, lists and dictionaries only.
    :param files: path on the controller -> what to write there, as JSON.
    :param failure: why the run fails although no node did, such as overdue heartbeats; one sentence.
    :param pages: path on the controller -> a function that returns the text to write there.
    :param mode: the permissions of the pages.
    """

    lines: t.Sequence[Line]
    data: t.Mapping[str, t.Any]
    failure: t.Optional[str] = None
    files: t.Mapping[str, t.Any] = field(default_factory=dict)
    pages: t.Mapping[str, t.Callable[[], str]] = field(default_factory=dict)
    mode: int = 0o640


@dataclass(frozen=True)
class Summarizer:
    """The summary of one runbook.

    :param registers: the variables that its tasks register.
    """

    registers: t.Tuple[str, ...]
    summarize: t.Callable[[Run], Summary]


def plan_of(nodes: t.Sequence[Node]) -> t.Tuple[t.Optional[Result], t.Optional[str]]:
    """The plan that polaris_plan made for these nodes, or why it made none; both None if it did not run.

    :param nodes: the nodes that had answered before.
    """
    for node in nodes:
        answer = node.answer("polaris_plan")
        if answer is not None:
            return answer["plan"], None
        if node.result("polaris_plan").get("failed"):
            return None, node.reason("polaris_plan")
    return None, None


# --- the parts that lines are made of ---------------------------------------------------------------------------------


def dry(run: Run, done: str) -> str:
    """What the headline adds in check mode: `` (check mode: nothing was closed)``."""
    return f" (check mode: nothing was {done})" if run.check_mode else ""


def on(names: t.Sequence[str], where: str = "on") -> str:
    """``on 2 (a, b)``: on how many, and on which."""
    return f"{where} {len(names)} ({', '.join(names)})"


def grouped(stories: t.Iterable[t.Tuple[Node, str]]) -> t.Dict[str, t.List[str]]:
    """Text -> the names of the nodes with that text, in their order."""
    groups: t.Dict[str, t.List[str]] = {}
    for node, story in stories:
        groups.setdefault(story, []).append(node.name)
    return groups


def failures(what: str, reasons: t.Mapping[Node, str], *, where: str = "on") -> t.List[Line]:
    """The lines about nodes that failed, one for each reason: ``FAILED on 57 (a, b, ...): reason``.

    Reasons that differ only in the URL or name of their node count as one.
    """
    groups: t.Dict[str, t.List[Node]] = {}
    for node, why in reasons.items():
        groups.setdefault(_common(why, node, with_name=True), []).append(node)
    lines = []
    for nodes in groups.values():
        first = nodes[0]
        if len(nodes) == 1:
            lines.append(f"{what} {where} {first.name}: {reasons[first]}")
        else:
            names = on([node.name for node in nodes], where)
            lines.append(f"{what} {names}: {_common(reasons[first], first)}")
    return [Line(line, failure=True) for line in lines]


def _common(text: str, node: Node, *, with_name: bool = False) -> str:
    """A reason without the names of its node.

    :param with_name: replace its name in the inventory, too. This may be a usual word, so it is for comparing only.
    """
    for own in sorted({*node.own, *([node.name] if with_name else [])}, key=len, reverse=True):
        if own:
            text = re.sub(rf"(?<![\w.-]){re.escape(own)}(?![\w-])", "this node", text)
    return text


def failed_data(reasons: t.Mapping[Node, str]) -> t.Dict[str, str]:
    """Name -> reason, for the data of a summary."""
    return {node.name: why for node, why in reasons.items()}
