"""What Fargate and CloudWatch sell: sizes of tasks, times that logs are kept."""

MEMORY_MIB: dict[int, tuple[int, ...]] = {
    256: (512, 1024, 2048),
    512: tuple(range(1024, 4096 + 1, 1024)),
    1024: tuple(range(2048, 8192 + 1, 1024)),
    2048: tuple(range(4096, 16384 + 1, 1024)),
    4096: tuple(range(8192, 30720 + 1, 1024)),
    8192: tuple(range(16384, 61440 + 1, 4096)),
    16384: tuple(range(32768, 122880 + 1, 8192)),
}
"""By CPU units (1024 are one vCPU), what memory a Fargate task may have."""

LOG_DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)
"""For how many days CloudWatch keeps logs."""

IMAGE_GIB = 8
"""What image and system take of a task's disk, at most."""
DISK_GIB = (21, 200)
"""What can be asked for beyond the 20 GiB that every task has."""


def memory_problem(cpu: int, memory_mib: int) -> str | None:
    """Why Fargate has no such task."""
    if cpu not in MEMORY_MIB:
        return None
    allowed = MEMORY_MIB[cpu]
    if memory_mib in allowed:
        return None
    return f"{cpu} CPU units go with {allowed[0]} to {allowed[-1]} MiB, in steps of {allowed[-1] - allowed[-2]}"


def disk_gib(spool_gib: int) -> int:
    """The disk of a task whose spool may take so much."""
    return max(DISK_GIB[0], spool_gib + IMAGE_GIB)
