"""On what kind of file system a path lies, by the table of mounts, and what that means for reading weights."""

from pathlib import Path

import pytest

from retort.base import filesystems
from retort.base.filesystems import backend_for, filesystem_of, read_at_once

# As /proc/self/mountinfo has them: shared mounts with optional fields, an escaped blank, one mount over another.
MOUNTS = """\
22 1 259:2 / / rw,relatime shared:1 - ext4 /dev/nvme0n1p2 rw
23 22 0:21 / /proc rw,nosuid - proc proc rw
30 22 0:40 / /home rw,relatime shared:5 master:2 - nfs4 server:/export/home rw,vers=4.2,addr=10.0.0.1
31 30 8:17 / /home/scratch rw - xfs /dev/sdb1 rw
32 22 0:41 / /lustre rw - lustre 10.0.0.2@o2ib:/lfs rw,flock
33 22 0:42 / /gpfs/project rw - gpfs gpfs0 rw
34 22 0:43 / /mnt/my\\040disk rw - beegfs beegfs_nodev rw
35 22 0:44 / /mnt/cloud rw - fuse.juicefs JuiceFS:data rw
36 22 0:45 / /share rw - cifs //server/share rw
37 22 0:46 / /twice rw - ext4 /dev/sdc1 rw
38 37 0:47 / /twice rw - nfs server:/twice rw
39 22 0:48 / /strange rw - newfs somewhere rw
40 22 0:49 / /dev/shm rw - tmpfs tmpfs rw
a line that is none
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/etc/fstab", "ext4"),
        ("/", "ext4"),
        ("/home/me/results", "nfs4"),
        ("/home", "nfs4"),
        ("/homes/me", "ext4"),  # a longer name is no place below
        ("/home/scratch/results", "xfs"),
        ("/home/scratches", "nfs4"),
        ("/lustre/a/b", "lustre"),
        ("/gpfs/other", "ext4"),
        ("/gpfs/project/x", "gpfs"),
        ("/mnt/my disk/x", "beegfs"),
        ("/twice/x", "nfs"),
        ("/dev/shm/x", "tmpfs"),
    ],
)
def test_the_longest_mount_point_above_a_path_counts(path, kind):
    assert filesystem_of(path, MOUNTS) == kind


def test_without_a_table_nothing_is_known():
    assert filesystem_of("/home", "") is None


@pytest.fixture
def mounted(tmp_path, monkeypatch):
    """A function that mounts a kind of file system, by the table alone, at tmp_path/place."""

    def mount(kind: str) -> Path:
        (tmp_path / "place").mkdir(exist_ok=True)
        table = f"1 0 0:1 / / rw - ext4 /dev/sda rw\n2 1 0:2 / {tmp_path / 'place'} rw - {kind} source rw\n"
        (tmp_path / "mountinfo").write_text(table)
        monkeypatch.setattr(filesystems, "MOUNTS", tmp_path / "mountinfo")
        return tmp_path / "place"

    return mount


@pytest.mark.parametrize(
    ("kind", "at_once"),
    [
        *((kind, True) for kind in ("nfs", "nfs4", "lustre", "gpfs", "beegfs", "cifs", "smb3", "fuse.sshfs", "fuse")),
        *((kind, True) for kind in ("ceph", "9p", "virtiofs", "newfs")),
        *((kind, False) for kind in ("ext4", "xfs", "btrfs", "zfs", "tmpfs", "overlay")),
    ],
)
def test_files_are_read_at_once_where_the_file_system_is_not_known_to_be_local(mounted, kind, at_once):
    place = mounted(kind)
    assert read_at_once(place / "weights.safetensors") == at_once
    assert backend_for(place / "weights.safetensors") == ("pread" if at_once else "mmap")
    assert not read_at_once(place.parent)


@pytest.mark.parametrize("kind", ["nfs", "ext4"])
def test_a_config_decides_whatever_the_file_system(mounted, kind):
    place = mounted(kind)
    assert read_at_once(place, "eager")
    assert not read_at_once(place, "mmap")


def test_a_link_is_followed_to_where_the_file_lies(mounted, tmp_path):
    place = mounted("lustre")
    (place / "weights").write_bytes(b"")
    (tmp_path / "link").symlink_to(place / "weights")
    assert read_at_once(tmp_path / "link")


def test_where_no_mounts_can_be_read_files_are_mapped(tmp_path, monkeypatch):
    monkeypatch.setattr(filesystems, "MOUNTS", tmp_path / "none")
    assert not read_at_once(tmp_path)


@pytest.mark.skipif(not filesystems.MOUNTS.exists(), reason="no /proc on this system")
def test_the_kernels_own_table_is_understood():
    assert filesystem_of("/proc/self", filesystems.MOUNTS.read_text()) == "proc"
