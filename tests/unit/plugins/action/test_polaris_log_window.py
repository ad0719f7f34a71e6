# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The wait of a debug window, when it is ended in a hurry."""

from __future__ import annotations

import os
import signal
from typing import Any
from unittest import mock

import pytest
from ansible.errors import AnsibleError

from ansible_collections.polarismesh.maintenance.plugins.action import polaris_log_window


@pytest.mark.parametrize("both", [(signal.SIGINT, signal.SIGTERM), (signal.SIGTERM, signal.SIGINT)])
def test_two_signals_at_a_time_do_not_keep_it_from_restoring(
    both: tuple[signal.Signals, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker gets SIGINT, then SIGTERM, of an ansible-playbook that Ctrl-C ends: on a busy machine, both at once."""

    def wait(_seconds: int) -> bool:
        signal.pthread_sigmask(signal.SIG_BLOCK, both)
        for number in both:
            os.kill(os.getpid(), number)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, both)
        return True

    restored: list[Any] = []
    monkeypatch.setattr(polaris_log_window, "wait", wait)
    monkeypatch.setattr(polaris_log_window, "put_back", restored.append)
    monkeypatch.setattr(os, "setpgid", lambda *dummy: None)  # the process group of the tests is none of its business
    task = mock.Mock(args={"seconds": 1, "restore": []}, check_mode=False, async_val=0)
    action = polaris_log_window.ActionModule(task, *(mock.MagicMock() for _part in range(5)))
    before = [signal.getsignal(number) for number in both]
    with pytest.raises(AnsibleError, match="the levels were put back"):
        action.run(task_vars={})
    assert restored == [[]]
    assert [signal.getsignal(number) for number in both] == before
