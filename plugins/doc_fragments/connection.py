# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    # Describes COMMON of module_utils/_options.py and the kinds of module_utils/_errors.py; a test compares them.
    DOCUMENTATION = r"""
options:
  url:
    description:
      - The base URL of the HTTP API of one Polaris server, such as V(http://10.0.0.1:8090).
      - Credentials in the URL are refused, and redirects are never followed.
      - If a task does not give it, it is taken from the host variable C(polaris_url), then from the environment
        variable E(POLARIS_URL). One of them is required.
    type: str
  token:
    description:
      - The token of a Polaris account, as its console shows it.
      - Released servers let every account read, but only the main (owner) account write.
      - O(token), O(username), O(password) and O(owner) together are the account. If a task gives none of them, they are
        taken from the host variables C(polaris_token), C(polaris_username), C(polaris_password) and C(polaris_owner).
        If none of these is set, the environment variables E(POLARIS_TOKEN), E(POLARIS_USERNAME), E(POLARIS_PASSWORD)
        and E(POLARIS_OWNER) are used.
      - The account in the host variables is sent only to the server that the host variables name. That is
        C(polaris_url) or, if this is not set, C(http://<ansible_host>:<polaris_http_port>), with 8090 as the default
        port.
      - The environment is that of the controller, even if the task runs on another host or as another user.
        C(environment) of the task takes precedence over it, and over the host variables.
      - A server with authentication switched off needs no account.
    type: str
  username:
    description: The name of a Polaris account. The task logs in with it once, so that no O(token) is needed.
    type: str
  password:
    description: The password of O(username).
    type: str
  owner:
    description: The name of the main account that O(username) belongs to, if it is a sub-account.
    type: str
  validate_certs:
    description:
      - Whether the certificate of an C(https) server must be valid. Switch this off only where nobody can intercept the
        connection.
      - The host variable is C(polaris_validate_certs).
    type: bool
    default: true
  ca_path:
    description:
      - A file with the certificates of the authorities to trust, in PEM format, or a directory prepared with C(openssl
        rehash).
      - The host variable is C(polaris_ca_path).
    type: path
  client_cert:
    description:
      - A client certificate in PEM format, for a server that requires one. The file may also contain the key.
      - The host variable is C(polaris_client_cert).
    type: path
  client_key:
    description:
      - The key of O(client_cert), if it is in a separate file.
      - The host variable is C(polaris_client_key).
    type: path
  timeout:
    description:
      - The maximum duration of one request, in seconds.
      - The host variable is C(polaris_timeout).
    type: float
    default: 30
  retries:
    description:
      - How many times a request is repeated, with increasing pauses, if the server cannot be reached, does not answer
        in time, or fails temporarily.
      - Only requests that are safe to repeat are repeated, which are reading, and setting a log level.
      - The host variable is C(polaris_retries).
    type: int
    default: 2
requirements:
  - requests (Python library) where the task runs
notes:
  - A host variable that is empty or null counts as not set.
  - "A failed result has C(msg), one sentence, and C(error), a dictionary with C(kind), C(status), C(code), C(info),
    C(method) and C(path). The kinds are V(unreachable) (nothing answers at that address), V(timeout) (no answer in
    time), V(tls) (a certificate problem, or HTTP and HTTPS confused), V(auth) (the account is missing or not accepted),
    V(permission) (the account is not allowed to do that), V(not_found) (the server does not have what was named),
    V(unsupported) (this server does not have the call), V(refused) (the server or the input check refused the request),
    V(guard) (this collection refused, to protect live data or connections), V(server) (the server failed or closed the
    connection) and V(protocol) (not a Polaris server, or a proxy or gateway in front of it answered)."
"""

    # For plugins, whose options Ansible itself looks up. Ansible merges this with the texts above, option by option.
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
    description: The maximum number of simultaneous requests to the server, from 1 to 64.
    type: int
    default: 8
"""
