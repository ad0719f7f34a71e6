# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to this collection. The summary of debug_window: whether every node has its old levels again."""

from __future__ import annotations

import json
import math
import shlex
import typing as t

from .._summary import Line, Node, Run, Summarizer, Summary, dry, failed_data, failures, is_answer, on
from .._text import counted
from .log_level import kept_lines


def summarize(run: Run) -> Summary:
    nodes = [(node, plan_on(node)) for node in run.nodes]
    to_restore = [(node, plan) for node, plan in nodes if plan["levels"]]
    left = [(node, plan) for node, plan in to_restore if is_raised(node)]
    answered = [node for node, _plan in to_restore if not is_raised(node)]
    # If the raise was refused, nothing was restored.
    restored = [
        node for node in answered if node.answer("polaris_raised") or node.result("polaris_restored").get("changed")
    ]
    untouched = [node for node, plan in nodes if not plan["levels"] or (node in answered and node not in restored)]
    failed = {node: why for node, why in ((node, not_opened(node)) for node in run.nodes) if why is not None}

    lines = [Line(f"Polaris debug window closed{dry(run, 'changed')}: {counted(len(run.nodes), 'node')}")]
    if restored:
        verb = "would be restored" if run.check_mode else "restored"
        lines.append(Line(f"{verb} {on([node.name for node in restored])}"))
    if untouched:
        lines.append(Line(f"never raised {on([node.name for node in untouched])}"))
    before = [node.name for node in restored if was_already_restored(node)]
    if before and not run.check_mode:
        lines.append(Line(f"already restored {on(before)}, by the job there or by somebody else"))
    lines += kept_lines([(node, node.result("polaris_restored")) for node in answered])
    for node, plan in left:
        # If no answer to the change came, it is unknown whether the node was raised.
        raised = node.result("polaris_raised")
        certain = is_answer(raised) or (raised.get("changed") and not raised.get("outcome_unknown"))
        state, why = "STILL RAISED" if certain else "MAY BE RAISED", node.reason("polaris_restored").rstrip(".")
        if node.answer("polaris_restored") is not None:
            state, why = (
                "MAY BE RAISED",
                "it was restored, but has not answered an earlier change, and may still make it",
            )
        text = f"{state} on {node.name}: {why}.{next_attempt(node)} {by_hand(node.name, plan['levels'])}"
        lines.append(Line(text, failure=True))
    lines += failures("FAILED", failed)
    waited = next((node.result("polaris_window") for node in run.nodes if node.answer("polaris_window")), {})
    data = {
        "restored": [node.name for node in restored],
        "never_raised": [node.name for node in untouched],
        "still_raised": {node.name: plan["levels"] for node, plan in left},
        "kept": {
            node.name: kept for node in answered for kept in [node.result("polaris_restored").get("kept")] if kept
        },
        "failed": failed_data(failed),
        "previous": {node.name: {**plan, "time": run.now} for node, plan in to_restore},
        "waited": waited.get("waited"),
        "ended_by": waited.get("ended_by"),
    }
    failure = None
    if waited.get("ended_by") == "interrupt":
        failure = f"The window was closed by Ctrl-C after {waited['waited']} s."
    return Summary(lines, data, failure)


def by_hand(name: str, levels: t.Mapping[str, t.Any]) -> str:
    """How to restore a node by hand."""
    # Not with --limit, which finds the node only if it is in the group polaris_servers.
    wanted = shlex.quote(json.dumps({"levels": levels, "target": name}, ensure_ascii=False))
    return f"Restore it with: ansible-playbook polarismesh.maintenance.log_level -e {wanted}"


def next_attempt(node: Node) -> str:
    """Who tries to restore a node after the play."""
    switch = switch_of(node)
    if "until" in switch:
        return f" The job on the node restores it at {switch['until']}."
    if node.name in node.result("polaris_released").get("left", ()):
        return f" Process {node.result('polaris_watch').get('pid')} on this machine tries again after the play."
    return ""


def is_raised(node: Node) -> bool:
    """Whether the window may have changed a node, and it is not certain that it was restored."""
    restored = node.answer("polaris_restored")
    return bool(plan_on(node)["levels"]) and (restored is None or bool(restored.get("late")))


def not_opened(node: Node) -> t.Optional[str]:
    """Why the window is not open on a node; None if it is, or if that was not tried."""
    if not is_watched(node):
        return node.reason("polaris_watch")
    if "polaris_raised" in node.results and node.answer("polaris_raised") is None:
        return node.reason("polaris_raised")
    return None


def is_watched(node: Node) -> bool:
    """Whether the watch has started. If not, nothing was raised, and other results are of an earlier window."""
    return "polaris_watch" not in node.results or node.answer("polaris_watch") is not None


def was_already_restored(node: Node) -> bool:
    """Whether the play found nothing left to restore."""
    found = node.result("polaris_restored")
    return not found.get("changed") and not found.get("kept")


def is_late(raised: t.Mapping[str, t.Any]) -> bool:
    """Whether a level may still be raised: the server did not answer a change in time, or the host was lost."""
    return bool(raised.get("unknown_scopes") or raised.get("outcome_unknown"))


def switch_of(node: Node) -> t.Mapping[str, t.Any]:
    """The switch on a node: its ``name``, and the time ``until`` which it waits, or why it is ``missing``.

    With both, it may be running, but has not answered. It ``ends`` at the same time, by time.monotonic.
    """
    return node.result("polaris_raised").get("switch") or {}


def overtime(position: int, hosts: int, forks: int, past: float) -> int:
    """How much longer than the window the switch on a node waits, in seconds.

    The window opens when the play has raised all nodes, and the switch should not restore the levels before the play
    does. So it waits 4 s, a quarter of a second for each host in one round of ``forks`` hosts, and more for each round
    after that of this host: one and a half times as long as a round has taken so far, but at least 10 s, as long as
    Ansible waits for SSH by default. If the play takes longer, the node has its new levels for the seconds of the
    window, but is restored before the other nodes.

    :param position: of the host among all hosts of the play.
    :param past: how many seconds ago the play began to raise the nodes.
    """
    own, last = position // forks, (hosts - 1) // forks
    one_round = max(10, math.ceil(1.5 * past / (own + 1)))
    return 4 + min(hosts, forks) // 4 + one_round * (last - own)


def before_wait(nodes: t.Sequence[Node], end: float) -> t.List[str]:
    """The warnings before the wait: nodes that nothing restores if the play cannot, or that are restored too early.

    :param end: of the window, by time.monotonic.
    """
    switches = {node: switch_of(node) for node in nodes}
    none = {node: each["missing"] for node, each in switches.items() if "missing" in each and "ends" not in each}
    lines = failures("If this play is killed or loses its network, the levels stay raised", none)
    slow = "the play took too long to contact the other nodes"
    early = {
        node: each.get("missing", slow)
        for node, each in switches.items()
        if not_opened(node) is None and each.get("ends", end) < end
    }
    if early:
        seconds = math.ceil(end - min(switches[node]["ends"] for node in early))
        lines += failures(f"The job there restores the levels up to {seconds} s before the window ends", early)
    return [line.text for line in lines]


def plan_of(looked: t.Mapping[str, t.Any]) -> t.Dict[str, t.Any]:
    """What the window changes on a node: the old ``levels`` of these scopes, and those that it will ``set``.

    :param looked: the result of polaris_log_level in check mode, so this is known before anything is raised.
    """
    previous = (looked.get("previous") or {}) if is_answer(looked) else {}
    return {
        "url": looked.get("url"),
        "levels": dict(previous),
        "set": {scope: looked["levels"][scope] for scope in previous},
    }


def plan_on(node: Node) -> t.Mapping[str, t.Any]:
    """What the window changes on a node, from the task that raised or restored it, or from the journal at the end."""
    for register in ("polaris_raised", "polaris_restored") if is_watched(node) else ():
        if "plan" in node.result(register):
            return t.cast(t.Mapping[str, t.Any], node.result(register)["plan"])
    plans = node.result("polaris_released").get("plans") or {}
    return t.cast(t.Mapping[str, t.Any], plans.get(node.name, {"url": None, "levels": {}, "set": {}}))


SUMMARY = Summarizer(
    ("polaris_raised", "polaris_watch", "polaris_window", "polaris_restored", "polaris_released"), summarize
)
