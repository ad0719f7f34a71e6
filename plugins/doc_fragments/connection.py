# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    # The options of module_utils/arguments.py.
    DOCUMENTATION = r"""
options:
  url:
    description:
      - The base URL of the HTTP API of one Polaris server, such as V(http://10.0.0.1:8090).
      - Credentials in the URL are refused, and redirects are never followed.
      - Without this option, the environment variable E(POLARIS_URL) is used.
    type: str
    required: true
  token:
    description:
      - The token of a Polaris account, as its console shows it.
      - Released servers let every account read, but only the main (owner) account write.
      - Where a task gives none of O(token), O(username), O(password) and O(owner), the environment variables
        E(POLARIS_TOKEN), E(POLARIS_USERNAME), E(POLARIS_PASSWORD) and E(POLARIS_OWNER) are used.
      - Those of the controller count, also where the task runs on another host or as another user. Those that the task
        itself sets by C(environment) go before them.
      - A server with authentication switched off needs no account.
    type: str
  username:
    description: The name of a Polaris account, to log in with once instead of giving its O(token).
    type: str
  password:
    description: The password of O(username).
    type: str
  owner:
    description: The name of the main account that O(username) belongs to, where it is a sub-account.
    type: str
  validate_certs:
    description:
      - Whether the certificate of an C(https) server must be valid. Only switch it off where nobody can listen in.
    type: bool
    default: true
  ca_path:
    description: A file (or a folder made by C(openssl rehash)) of the certificate authorities to trust, in PEM form.
    type: path
  client_cert:
    description: A client certificate in PEM form, for a server that asks for one. It may hold the key, too.
    type: path
  client_key:
    description: The key of O(client_cert), if it is in a file of its own.
    type: path
  timeout:
    description: How long one request may take, in seconds.
    type: float
    default: 30
  retries:
    description:
      - How often a request is repeated, with growing pauses, when the server cannot be reached, does not answer in
        time, or fails in a way that may pass.
      - Only what is safe to repeat is repeated, that is reading, and setting a log level.
    type: int
    default: 2
requirements:
  - requests (Python library) where the task runs
"""

    # For plugins, whose options Ansible itself looks up: merged with the texts above, option by option.
    PLUGIN = r"""
options:
  url:
    env:
      - name: POLARIS_URL
  token:
    env:
      - name: POLARIS_TOKEN
    vars:
      - name: polaris_token
  username:
    env:
      - name: POLARIS_USERNAME
    vars:
      - name: polaris_username
  password:
    env:
      - name: POLARIS_PASSWORD
    vars:
      - name: polaris_password
  owner:
    env:
      - name: POLARIS_OWNER
    vars:
      - name: polaris_owner
  validate_certs:
    vars:
      - name: polaris_validate_certs
  ca_path:
    vars:
      - name: polaris_ca_path
  client_cert:
    vars:
      - name: polaris_client_cert
  client_key:
    vars:
      - name: polaris_client_key
  timeout:
    vars:
      - name: polaris_timeout
"""

    PARALLEL = r"""
options:
  parallel:
    description: How many requests may be under way to the server at one time, from 1 to 64.
    type: int
    default: 8
"""
