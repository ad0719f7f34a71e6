# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: fleet_report_html
short_description: Show the report of a Polaris fleet as one page of HTML
version_added: 1.0.0
description:
  - Renders the result of P(polarismesh.maintenance.fleet_report#filter).
  - The page contains everything it needs, and loads nothing when it is opened. Its script sorts, filters, unfolds and
    copies; the page works without it.
  - Text from servers is not trusted. It is escaped, which Ansible's own templates do not do.
author:
  - PolarisMesh Maintenance contributors (@polarismesh)
options:
  _input:
    description: The report.
    type: dict
    required: true
  data_file:
    description: The name of the JSON file with the same data, next to the page. Empty for none.
    type: str
    default: ""
  language:
    description: The language of the page. Messages from servers are not translated.
    type: str
    choices: [en, zh]
    default: en
"""

EXAMPLES = r"""
- name: Write the page
  ansible.builtin.copy:
    content: >-
      {{ ansible_play_hosts_all | map('extract', hostvars) | polarismesh.maintenance.fleet_report
      | polarismesh.maintenance.fleet_report_html }}
    dest: report.html
    mode: "0640"
"""

RETURN = r"""
_value:
  description: The page.
  type: str
"""

import typing as t

from ansible_collections.polarismesh.maintenance.plugins.plugin_utils._report_page import render


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> t.Dict[str, t.Callable[..., t.Any]]:
        return {"fleet_report_html": render}
