# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps the compiled code of what is imported from a zip archive, in a folder that all processes of the tests share.

Ansible packs a module and what it imports into such an archive, as source code. Compiling that takes a third of the CPU
time of a task. Python imports this file when it starts, because tests/support.py puts this folder on PYTHONPATH.
"""

# Import only what takes no time.
import _imp
import marshal
import os
import sys
import zipimport
from types import CodeType

FOLDER = os.environ.get("POLARIS_TEST_CODE", "")
compile_source = zipimport._compile_source  # type: ignore[attr-defined]


def kept(path: str, source: bytes) -> CodeType:
    """The compiled source: from a file, or compiled now, and kept if this account may write to the folder.

    The file's name has the version of Python and the hash of the source, so no file is ever out of date.
    """
    name = f"{os.path.basename(path)}-{sys.implementation.cache_tag}-{_imp.source_hash(0, source).hex()}"
    file = os.path.join(FOLDER, name)
    code: CodeType
    try:
        with open(file, "rb") as found:
            code = marshal.loads(found.read())
        # Otherwise a traceback would name the file that was compiled first.
        _imp._fix_co_filename(code, path)  # type: ignore[attr-defined]
        return code
    except (OSError, EOFError, ValueError, TypeError):
        # The other exceptions: the file is damaged, for example because the machine lost power.
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
