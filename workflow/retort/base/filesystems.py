"""What kind of file system a path lies on: whether mapping a large file into memory is quick and safe there."""

import os
from pathlib import Path
from typing import Literal

LOCAL = {
    *("ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "jfs", "reiserfs", "bcachefs", "vfat", "exfat", "ntfs3"),
    *("tmpfs", "ramfs", "devtmpfs", "overlay", "overlayfs", "aufs", "squashfs", "erofs", "iso9660", "rootfs"),
}
"""Kinds whose pages come from a disk or the memory of this machine; NFS, Lustre, GPFS, BeeGFS and FUSE are others."""
MOUNTS = Path("/proc/self/mountinfo")


def read_at_once(path: str | Path, load: str = "auto") -> bool:
    """Whether a file of weights at `path` is read from its first byte to its last, rather than mapped into memory.

    load: auto, mmap or eager. auto reads what lies on a file system that is not known to be local: a map asks such a
    one for a few pages at a time, which can take many times as long (diffusers' pull request 10305 has 16 minutes
    against one), and ends the process without a word (SIGBUS) where the server fails. Where no mounts can be read, as
    on macOS, it maps.
    """
    if load != "auto":
        return load == "eager"
    try:
        mounts = MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return False
    kind = filesystem_of(os.path.realpath(path), mounts)
    return kind is not None and kind not in LOCAL


def backend_for(path: str | Path) -> Literal["mmap", "pread"]:
    """How safetensors reads a file of ours: by reads where `read_at_once` says so, by a map elsewhere."""
    return "pread" if read_at_once(path) else "mmap"


def filesystem_of(path: str, mounts: str) -> str | None:
    """The kind of the file system that an absolute path without links lies on; None where no line tells.

    mounts: the text of /proc/self/mountinfo (proc_pid_mountinfo(5)). The longest mount point that the path lies under
    counts, and of those mounted at the same place the last one, which hides the others.
    """
    longest, kind = -1, None
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        fields, kinds = before.split(" "), after.split(" ")
        if len(fields) < 5 or not kinds[0]:
            continue
        place = _unescaped(fields[4])
        inside = place == "/" or path == place or path.startswith(f"{place}/")
        if inside and len(place) >= longest:
            longest, kind = len(place), kinds[0]
    return kind


def _unescaped(place: str) -> str:
    """Mount points have blanks, tabs, line ends and backslashes as three octal digits."""
    for escape, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        place = place.replace(escape, character)
    return place
