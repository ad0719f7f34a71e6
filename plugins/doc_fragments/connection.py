# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    # The table COMMON of module_utils/_options.py in words, and the kinds of module_utils/_errors.py; a test compares.
    DOCUMENTATION = r"""
options:
  url:
    description:
      - The base URL of the HTTP API of one Polaris server, such as V(http://10.0.0.1:8090).
      - Credentials in the URL are refused, and redirects are never followed.
      - Taken from the host variable C(polaris_url), then from the environment variable E(POLARIS_URL), where a task
        does not give it. One of them is needed.
    type: str
  token:
    description:
      - The token of a Polaris account, as its console shows it.
      - Released servers let every account read, but only the main (owner) account write.
      - O(token), O(username), O(password) and O(owner) are one account. Where a task gives none of them, they are taken
        from the host variables C(polaris_token), C(polaris_username), C(polaris_password) and C(polaris_owner). Where
        these are not set either, the environment variables E(POLARIS_TOKEN), E(POLARIS_USERNAME), E(POLARIS_PASSWORD)
        and E(POLARIS_OWNER) are used.
      - The account of host variables is sent only to the server that the variables of the host name, which is
        C(polaris_url) or, without that, C(http://<ansible_host>:<polaris_http_port>), with 8090 as the default port.
      - The environment is that of the controller, also where the task runs on another host or as another user. What the
        task itself sets by C(environment) goes before it, and before the host variables.
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
      - Whether the certificate of an C(https) server must be valid. Only switch it off where nobody can intercept the
        connection.
      - The host variable is C(polaris_validate_certs).
    type: bool
    default: true
  ca_path:
    description:
      - A file (or a folder made by C(openssl rehash)) of the certificate authorities to trust, in PEM form.
      - The host variable is C(polaris_ca_path).
    type: path
  client_cert:
    description:
      - A client certificate in PEM form, for a server that asks for one. It may hold the key, too.
      - The host variable is C(polaris_client_cert).
    type: path
  client_key:
    description:
      - The key of O(client_cert), if it is in a file of its own.
      - The host variable is C(polaris_client_key).
    type: path
  timeout:
    description:
      - How long one request may take, in seconds.
      - The host variable is C(polaris_timeout).
    type: float
    default: 30
  retries:
    description:
      - How often a request is repeated, with growing pauses, when the server cannot be reached, does not answer in
        time, or fails in a way that may pass.
      - Only what is safe to repeat is repeated, which is reading, and setting a log level.
      - The host variable is C(polaris_retries).
    type: int
    default: 2
requirements:
  - requests (Python library) where the task runs
notes:
  - An empty or null host variable counts as not set.
  - "A failed result has C(msg), one sentence, and C(error), a dictionary of C(kind), C(status), C(code), C(info),
    C(method) and C(path). The kinds are V(unreachable) (nothing answers at that address), V(timeout) (no answer in
    time), V(tls) (certificates, or HTTP and HTTPS mixed up), V(auth) (the account is not accepted, or missing),
    V(permission) (the account may not do that), V(not_found) (the server does not know what was named),
    V(unsupported) (this server has no such call), V(refused) (the server, or the check of the input, refused the
    request), V(guard) (this collection refused, to keep live data or connections safe), V(server) (the server failed, or
    closed the connection) and V(protocol) (that is not a Polaris server, or something stands before it)."
"""

    # For plugins, whose options Ansible itself looks up: merged with the texts above, option by option.
    PLUGIN = r"""
options:
  url:
    env:
      - name: POLARIS_URL
    vars:
      - name: polaris_url
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
  retries:
    vars:
      - name: polaris_retries
"""

    PARALLEL = r"""
options:
  parallel:
    description: How many requests may be under way to the server at one time, from 1 to 64.
    type: int
    default: 8
"""
