# Copyright (c) 2026, PolarisMesh Maintenance contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Go heap that grows, is collected and is released, and the three formats in which a server shows it.

The names of runtime/metrics as client_golang writes them, the classic go_memstats names, and the text of runtime/pprof
with debug=1. HeapIdle = free + released, HeapInuse = objects + unused.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from decimal import Decimal

MIB = 1024 * 1024


@dataclass
class Heap:
    """All sizes in bytes."""

    live: int = 96 * MIB
    garbage: int = 32 * MIB
    """Dead objects that the next collection frees."""
    unused: int = 6 * MIB
    free: int = 224 * MIB
    """Could be returned to the system, but has not been."""
    released: int = 16 * MIB
    stacks: int = 2 * MIB
    other: int = 7 * MIB
    cycles: int = 40
    forced: int = 0
    last_cycle: float = 0.0
    started: float = 0.0

    def __post_init__(self) -> None:
        self.started = self.last_cycle = time.time()

    @property
    def objects(self) -> int:
        """Live and dead objects."""
        return self.live + self.garbage

    @property
    def system(self) -> int:
        """All memory that the runtime has mapped."""
        return self.objects + self.unused + self.free + self.released + self.stacks + self.other

    def give_back(self) -> None:
        """debug.FreeOSMemory: a full collection, then release as much as possible; a page or two always stay."""
        rest = min(self.free, 64 * 1024)
        self.released += self.garbage + self.free - rest
        self.garbage = 0
        self.free = rest
        self.cycles += 1
        self.forced += 1
        self.last_cycle = time.time()

    def surge(self, size: int) -> None:
        """Simulate the end of a memory peak: this much is free now."""
        self.released = max(0, self.released - size)
        self.free += size

    def figures(self) -> dict[str, int]:
        """Metrics with the names of runtime/metrics."""
        return {
            "go_gc_cycles_automatic_gc_cycles_total": self.cycles - self.forced,
            "go_gc_cycles_forced_gc_cycles_total": self.forced,
            "go_gc_cycles_total_gc_cycles_total": self.cycles,
            "go_gc_heap_goal_bytes": self.live * 2,
            "go_gc_heap_live_bytes": self.live,
            "go_gc_heap_objects_objects": self.objects // 96,
            "go_memory_classes_heap_free_bytes": self.free,
            "go_memory_classes_heap_objects_bytes": self.objects,
            "go_memory_classes_heap_released_bytes": self.released,
            "go_memory_classes_heap_stacks_bytes": self.stacks,
            "go_memory_classes_heap_unused_bytes": self.unused,
            "go_memory_classes_metadata_other_bytes": self.other // 2,
            "go_memory_classes_other_bytes": self.other - self.other // 2,
            "go_memory_classes_total_bytes": self.system,
        }

    def memstats(self) -> dict[str, int]:
        """Metrics with the classic names."""
        return {
            "go_memstats_alloc_bytes": self.objects,
            "go_memstats_heap_alloc_bytes": self.objects,
            "go_memstats_heap_idle_bytes": self.free + self.released,
            "go_memstats_heap_inuse_bytes": self.objects + self.unused,
            "go_memstats_heap_objects": self.objects // 96,
            "go_memstats_heap_released_bytes": self.released,
            "go_memstats_heap_sys_bytes": self.objects + self.unused + self.free + self.released,
            "go_memstats_next_gc_bytes": self.live * 2,
            "go_memstats_stack_inuse_bytes": self.stacks,
            "go_memstats_sys_bytes": self.system,
        }

    def pprof_text(self) -> str:
        """GET /debug/pprof/heap?debug=1."""
        objects = self.objects // 96
        sampled = f"{self.objects // MIB}: {self.objects} [{self.objects // MIB * 2}: {self.objects * 2}]"
        idle = self.free + self.released
        pauses = " ".join(["120000"] * min(self.cycles, 256) + ["0"] * max(0, 256 - self.cycles))
        ends = " ".join([str(int(self.last_cycle * 1e9))] * min(self.cycles, 256) + ["0"] * max(0, 256 - self.cycles))
        lines = [
            f"heap profile: {sampled} @ heap/1048576",
            f"{sampled} @ 0x48acf3 0x41b0ed 0xa43752",
            "#\t0xa43751\tsimulated.(*InstanceCache).Update+0x91\tcache/service/instance.go:84",
            "",
            "# runtime.MemStats",
            f"# Alloc = {self.objects}",
            f"# TotalAlloc = {self.objects * 9}",
            f"# Sys = {self.system}",
            "# Lookups = 0",
            f"# Mallocs = {objects * 9}",
            f"# Frees = {objects * 8}",
            f"# HeapAlloc = {self.objects}",
            f"# HeapSys = {self.objects + self.unused + idle}",
            f"# HeapIdle = {idle}",
            f"# HeapInuse = {self.objects + self.unused}",
            f"# HeapReleased = {self.released}",
            f"# HeapObjects = {objects}",
            f"# Stack = {self.stacks} / {self.stacks}",
            "# MSpan = 198560 / 212160",
            "# MCache = 4592 / 16072",
            "# BuckHashSys = 1458793",
            "# GCSys = 3701488",
            f"# OtherSys = {self.other}",
            f"# NextGC = {self.live * 2}",
            f"# LastGC = {int(self.last_cycle * 1e9)}",
            f"# PauseNs = [{pauses}]",
            f"# PauseEnd = [{ends}]",
            f"# NumGC = {self.cycles}",
            f"# NumForcedGC = {self.forced}",
            "# GCCPUFraction = 0.0008503031237695248",
            "# DebugGC = false",
            f"# MaxRSS = {self.system}",
        ]
        return "\n".join(lines) + "\n"


def number(value: float) -> str:
    """A float as Go's strconv writes it with format 'g': with an exponent from a million on."""
    exact = Decimal(repr(float(value))).normalize()
    exponent = exact.adjusted()
    if value == 0:
        return "0"
    if -4 <= exponent < 21 and (exponent < 6 or exponent < len(exact.as_tuple().digits) <= 6):
        return f"{exact:f}"
    digits = "".join(map(str, exact.as_tuple().digits))
    mantissa = digits[0] + ("." + digits[1:] if len(digits) > 1 else "")
    return f"{'-' if value < 0 else ''}{mantissa}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"
