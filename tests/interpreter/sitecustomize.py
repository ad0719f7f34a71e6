# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each Python that the tests start imports this. It keeps the compiled code of what is imported from an archive.

Ansible sends a module with its imports, as source code in an archive. Compiling them takes a third of the CPU time of
a task.
"""

# (Only what takes no time to import.)
import _imp
import marshal
import os
import sys
import zipimport
from types import CodeType

FOLDER = os.environ.get("POLARIS_TEST_CODE", "")
compile_source = zipimport._compile_source  # type: ignore[attr-defined]


def kept(path: str, source: bytes) -> CodeType:
    """The compiled source: from a file, or compiled now, and kept if this account may write there."""
    name = f"{os.path.basename(path)}-{sys.implementation.cache_tag}-{_imp.source_hash(0, source).hex()}"
    file = os.path.join(FOLDER, name)
    code: CodeType
    try:
        with open(file, "rb") as found:
            code = marshal.loads(found.read())
            return code
    except OSError:
        code = compile_source(path, source)
    try:
        own = f"{file}-{os.getpid()}"
        with open(own, "wb") as output:
            output.write(marshal.dumps(code))
        os.replace(own, file)
    except OSError:
        pass
    return code


if os.path.isdir(FOLDER):
    zipimport._compile_source = kept  # type: ignore[attr-defined]
