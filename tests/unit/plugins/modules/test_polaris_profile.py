# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Profiles as files: written atomically, and a clear message if the server has none."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import shutil
import socket
import stat
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.polarismesh.maintenance.plugins.module_utils._client import Client
from ansible_collections.polarismesh.maintenance.plugins.module_utils._errors import PolarisError
from ansible_collections.polarismesh.maintenance.plugins.modules import polaris_pprof
from ansible_collections.polarismesh.maintenance.plugins.modules.polaris_profile import (
    KINDS,
    destination,
    file_name,
    is_profile,
    recording,
    run,
)
from tests.simulator import Fault, Fleet

MakeFleet = Callable[..., Fleet]
MakeClient = Callable[..., Client]


def packed(content: bytes) -> bytes:
    """Without the time, which would otherwise be part of the test's name."""
    return gzip.compress(content, mtime=0)


def save(client: Client, dest: Path | str, check_mode: bool = False, **options: Any) -> dict[str, Any]:
    return run(client, {"kind": "heap", "seconds": 1, "dest": str(dest), **options}, check_mode)


def test_only_what_is_recorded_takes_time() -> None:
    assert recording("heap", 10) is None
    assert recording("goroutine", 999) is None
    assert recording("profile", 1) == 1
    assert recording("trace", 55) == 55


@pytest.mark.parametrize("seconds", [0, -1, 56, 60, 3600])
def test_longer_than_the_server_allows_is_refused(seconds: int) -> None:
    with pytest.raises(PolarisError) as caught:
        recording("profile", seconds)
    assert caught.value.kind == "refused"
    assert "from 1 to 55" in caught.value.msg


@pytest.mark.parametrize(
    ("url", "kind", "name"),
    [
        ("http://10.0.0.1:8090", "heap", "10.0.0.1_8090-heap-20240102T030405Z.pb.gz"),
        ("https://polaris.example/api", "goroutine", "polaris.example-goroutine-20240102T030405Z.pb.gz"),
        ("http://[2001:db8::1]:8090", "trace", "2001_db8__1_8090-trace-20240102T030405Z.trace"),
    ],
)
def test_a_name_of_the_server_the_kind_and_the_time(url: str, kind: str, name: str) -> None:
    assert file_name(url, kind, 1704164645.9) == name


def test_a_folder_gets_the_name_and_must_exist(tmp_path: Path) -> None:
    assert destination(str(tmp_path), "name") == tmp_path / "name"
    assert destination(f"{tmp_path}/", "name") == tmp_path / "name"
    assert destination(f"{tmp_path}/mine.pb.gz", "name") == tmp_path / "mine.pb.gz"
    for dest in (f"{tmp_path}/nowhere/", f"{tmp_path}/nowhere/mine.pb.gz"):
        with pytest.raises(PolarisError) as caught:
            destination(dest, "name")
        assert caught.value.kind == "refused"
        assert f"a folder that does not exist: {tmp_path}/nowhere" in caught.value.msg


@pytest.mark.parametrize(
    ("content", "kind", "whole"),
    [
        # Go starts with the field period_type, others with sample_type.
        (packed(b"\x5a\x04\x08\x01\x10\x02"), "heap", True),
        (packed(b"\x0a\x04\x08\x01\x10\x02"), "profile", True),
        (packed(b"\x0a\x04\x08\x01\x10\x02")[:-1], "heap", False),
        (packed(b"<html>Welcome</html>"), "heap", False),
        (packed(b""), "heap", False),
        (b"<html>Welcome</html>", "heap", False),
        (b"heap profile: 1: 2 [3: 4] @ heap/1048576", "heap", False),
        (b"", "heap", False),
        (b"go 1.21 trace\x00\x00\x00\x01", "trace", True),
        (b"go 1.21 trace\x00\x00\x00\x01", "heap", False),
        (b"go 1.", "trace", False),
        (packed(b"\x0a\x04\x08\x01\x10\x02"), "trace", False),
    ],
)
def test_what_is_a_complete_profile(content: bytes, kind: str, whole: bool) -> None:
    assert is_profile(io.BytesIO(content), kind) is whole


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "trace"])
def test_saved_as_a_file_that_pprof_opens(kind: str, fleet: Fleet, make_client: MakeClient, tmp_path: Path) -> None:
    result = save(make_client(fleet.nodes[0]), tmp_path, kind=kind)
    path = Path(result["dest"])
    assert list(tmp_path.iterdir()) == [path]
    assert path.name.startswith(f"{fleet.nodes[0].host}_{fleet.nodes[0].port}-{kind}-")
    assert result["changed"]
    assert result["size"] == path.stat().st_size > 0
    assert result["seconds"] == (1 if kind == "profile" else None)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if go is None:
        pytest.skip("Go is not on this machine")
    top = subprocess.run([go, "tool", "pprof", "-top", str(path)], capture_output=True, text=True, check=True)
    assert "Showing nodes accounting for" in top.stdout


def test_a_trace_if_the_server_has_one(make_fleet: MakeFleet, make_client: MakeClient, tmp_path: Path) -> None:
    result = save(make_client(make_fleet(profile="head").nodes[0]), tmp_path / "x.trace", kind="trace")
    assert Path(result["dest"]).read_bytes().startswith(b"go 1.")


def test_an_existing_file_is_replaced(fleet: Fleet, make_client: MakeClient, tmp_path: Path) -> None:
    path = tmp_path / "heap.pb.gz"
    path.write_text("old")
    save(make_client(fleet.nodes[0]), path)
    assert path.read_bytes().startswith(b"\x1f\x8b")
    assert [each.name for each in tmp_path.iterdir()] == ["heap.pb.gz"]


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o400])
def test_an_existing_file_keeps_its_mode(mode: int, fleet: Fleet, make_client: MakeClient, tmp_path: Path) -> None:
    path = tmp_path / "heap.pb.gz"
    path.write_text("old")
    path.chmod(mode)
    save(make_client(fleet.nodes[0]), path)
    assert path.read_bytes().startswith(b"\x1f\x8b")
    assert stat.S_IMODE(path.stat().st_mode) == mode


@pytest.mark.parametrize("there", [True, False])
def test_a_symbolic_link_is_followed(there: bool, fleet: Fleet, make_client: MakeClient, tmp_path: Path) -> None:
    real, link = tmp_path / "folder" / "real", tmp_path / "link"
    real.parent.mkdir()
    link.symlink_to("folder/real")
    if there:
        real.write_text("old")
        real.chmod(0o644)
    assert save(make_client(fleet.nodes[0]), link)["dest"] == str(link)
    assert link.is_symlink()
    assert real.read_bytes().startswith(b"\x1f\x8b")
    assert stat.S_IMODE(real.stat().st_mode) == (0o644 if there else 0o600)
    assert [each.name for each in real.parent.iterdir()] == ["real"]


@pytest.mark.parametrize("what", ["device", "fifo", "socket", "link to a fifo", "loop"])
@pytest.mark.parametrize("check_mode", [True, False])
def test_anything_but_a_regular_file_is_refused_and_stays(
    what: str, check_mode: bool, fleet: Fleet, make_client: MakeClient, tmp_path: Path
) -> None:
    path = tmp_path / "x"
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as bound:
        if what == "device":
            path = Path("/dev/null")
        elif what == "socket":
            bound.bind(str(path))
        elif what == "loop":
            path.symlink_to(path)
        else:
            os.mkfifo(tmp_path / "fifo")
            path = tmp_path / "fifo"
            if what == "link to a fifo":
                path = tmp_path / "link"
                path.symlink_to("fifo")
        before = path.lstat()
        with pytest.raises(PolarisError) as caught:
            run(make_client(fleet.nodes[0]), {"dest": str(path), "kind": "heap", "seconds": 1}, check_mode)
    assert caught.value.kind == "refused"
    assert "dest is not a regular file" in caught.value.msg
    assert path.lstat().st_ino == before.st_ino
    assert not list(tmp_path.glob(".*.part"))
    assert fleet.requests == []


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault("truncate"), "server"),
        (Fault("status", status=200, body="<html>Welcome</html>"), "protocol"),
        (Fault("status", status=500, body="boom"), "server"),
        (Fault("status", status=302, body=""), "protocol"),
        (Fault("cut"), "server"),
        (Fault("hang"), "timeout"),
    ],
)
def test_a_failure_leaves_the_old_file_and_nothing_else(
    fault: Fault, kind: str, fleet: Fleet, make_client: MakeClient, tmp_path: Path
) -> None:
    path = tmp_path / "heap.pb.gz"
    path.write_text("old")
    fleet.nodes[0].fault("GET", "/debug/pprof/heap", fault)
    with pytest.raises(PolarisError) as caught:
        save(make_client(fleet.nodes[0], timeout=1.0), path)
    assert caught.value.kind == kind
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["heap.pb.gz"]


def test_an_attempt_that_was_cut_off_is_replaced_by_the_next(
    fleet: Fleet, make_client: MakeClient, tmp_path: Path
) -> None:
    fleet.nodes[0].fault("GET", "/debug/pprof/heap", Fault("truncate"), times=1)
    result = save(make_client(fleet.nodes[0], retries=1), tmp_path / "heap.pb.gz")
    assert is_profile(io.BytesIO((tmp_path / "heap.pb.gz").read_bytes()), "heap")
    assert result["size"] == (tmp_path / "heap.pb.gz").stat().st_size


def test_the_timeout_counts_from_the_end_of_the_recording(
    fleet: Fleet, make_client: MakeClient, tmp_path: Path
) -> None:
    result = save(make_client(fleet.nodes[0], timeout=0.9), tmp_path / "cpu", kind="profile", seconds=2)
    assert result["seconds"] == 2


def test_a_folder_that_disappears_is_one_sentence(fleet: Fleet, make_client: MakeClient, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    fleet.nodes[0].fault("GET", "/debug/pprof/heap", Fault("delay", seconds=1))
    thread = threading.Timer(0.5, shutil.rmtree, [folder])
    thread.start()
    with pytest.raises(PolarisError) as caught:
        save(make_client(fleet.nodes[0]), folder / "x")
    thread.join()
    assert caught.value.kind == "refused"
    assert "cannot be written" in caught.value.msg


@pytest.mark.parametrize(
    ("profile", "words"),
    [
        ("v1.18.1", "Set enablePprof to true in the option of the api-http apiserver"),
        ("head", "Switch them on with the module polaris_pprof"),
    ],
)
@pytest.mark.parametrize("check_mode", [False, True])
def test_switched_off_says_how_to_switch_on(
    profile: str, words: str, check_mode: bool, make_fleet: MakeFleet, make_client: MakeClient, tmp_path: Path
) -> None:
    fleet = make_fleet(profile=profile, pprof=False)
    with pytest.raises(PolarisError) as caught:
        save(make_client(fleet.nodes[0]), tmp_path, check_mode)
    assert caught.value.kind == "unsupported"
    assert "has profiles switched off" in caught.value.msg
    assert words in caught.value.msg
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault("status", status=200, body="<html>Welcome</html>"), "protocol"),
        (Fault("status", status=404, body="<html>Not here</html>"), "protocol"),
        (Fault("status", status=502, body="<html>Bad Gateway</html>"), "server"),
        (Fault("status", status=403, body="<html>Forbidden</html>"), "permission"),
    ],
)
def test_another_server_is_not_said_to_have_profiles_switched_off(
    fault: Fault, kind: str, fleet: Fleet, make_client: MakeClient, tmp_path: Path
) -> None:
    fleet.nodes[0].fault("*", "*", fault)
    client = make_client(fleet.nodes[0])
    tasks: list[Callable[[], dict[str, Any]]] = [
        lambda: save(client, tmp_path),
        lambda: save(client, tmp_path, check_mode=True),
        lambda: switch(client, enabled=False),
    ]
    for task in tasks:
        with pytest.raises(PolarisError) as caught:
            task()
        assert caught.value.kind == kind, caught.value.msg
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("check_mode", [False, True])
def test_no_trace_in_any_release(check_mode: bool, fleet: Fleet, make_client: MakeClient, tmp_path: Path) -> None:
    with pytest.raises(PolarisError) as caught:
        save(make_client(fleet.nodes[0]), tmp_path, check_mode, kind="trace")
    assert caught.value.kind == "unsupported"
    assert "v1.19.0" in caught.value.msg


def test_check_mode_takes_no_profile_and_writes_nothing(
    make_fleet: MakeFleet, make_client: MakeClient, tmp_path: Path
) -> None:
    fleet = make_fleet(profile="head")
    for kind in ("heap", "trace"):
        result = save(make_client(fleet.nodes[0]), tmp_path / "x", check_mode=True, kind=kind)
        assert result["changed"]
        assert result["dest"] == str(tmp_path / "x")
        assert result["size"] is None
    assert list(tmp_path.iterdir()) == []
    assert {request.path for request in fleet.requests} == {"/debug/pprof/", "/maintain/v1/pprof/enable"}
    assert {request.method for request in fleet.requests} == {"GET"}


# The switch


def switch(client: Client, enabled: bool, check_mode: bool = False) -> dict[str, Any]:
    return polaris_pprof.run(client, {"enabled": enabled}, check_mode)


def test_the_switch_looks_first(make_fleet: MakeFleet, make_client: MakeClient) -> None:
    fleet = make_fleet(profile="head")
    client = make_client(fleet.nodes[0])

    def posts() -> int:
        return sum(request.method == "POST" for request in fleet.requests)

    assert not switch(client, True)["changed"]
    assert switch(client, False, check_mode=True)["changed"]
    assert posts() == 0
    off = switch(client, False)
    assert off["changed"]
    assert off["enabled"] is False
    assert off["diff"] == {"before": {"enabled": True}, "after": {"enabled": False}}
    assert vars(fleet.nodes[0].config)["pprof"] is False
    assert not switch(client, False)["changed"]
    assert switch(client, True)["changed"]
    assert vars(fleet.nodes[0].config)["pprof"] is True
    assert posts() == 2


@pytest.mark.parametrize("enabled", [False, True])
@pytest.mark.parametrize("check_mode", [False, True])
def test_a_release_has_no_such_switch_and_the_file_is_named(
    enabled: bool, check_mode: bool, make_fleet: MakeFleet, make_client: MakeClient
) -> None:
    fleet = make_fleet(pprof=not enabled)
    client = make_client(fleet.nodes[0])
    assert not switch(client, not enabled, check_mode)["changed"]
    with pytest.raises(PolarisError) as caught:
        switch(client, enabled, check_mode)
    assert caught.value.kind == "unsupported"
    assert f"Set enablePprof to {'true' if enabled else 'false'}" in caught.value.msg


def test_a_switch_without_effect_is_a_failure(make_fleet: MakeFleet, make_client: MakeClient) -> None:
    fleet = make_fleet(profile="head")
    fleet.nodes[0].fault("POST", "*", Fault("status", status=200, body='"ok"'))
    with pytest.raises(PolarisError) as caught:
        switch(make_client(fleet.nodes[0]), False)
    assert "still on" in caught.value.msg
