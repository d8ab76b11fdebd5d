"""Attacks on what a project holds."""
# ruff: noqa: PTH102, PTH104, PTH108, PTH211  # the system's own calls are the attacks

from __future__ import annotations

import mmap
import os
import shutil
import socket
import stat
import subprocess

from hostile.ground import HOME, LAST, PROJECT, TRACKED, attack, first_of, put


@attack("content")
def write() -> None:
    put(TRACKED)


@attack("content")
def append() -> None:
    put(TRACKED, os.O_WRONLY | os.O_APPEND)


@attack("content")
def create() -> None:
    put(f"{PROJECT}/planted")


@attack("content")
def create_in_git() -> None:
    put(f"{PROJECT}/.git/hooks/post-checkout")


@attack("content")
def make_nodes() -> None:
    first_of(
        [
            lambda: os.mkdir(f"{PROJECT}/d"),
            lambda: os.mkfifo(f"{PROJECT}/f"),
            lambda: os.symlink("/", f"{PROJECT}/l"),
            lambda: os.link(TRACKED, f"{PROJECT}/h"),
            lambda: socket.socket(socket.AF_UNIX).bind(f"{PROJECT}/s"),
            lambda: os.mknod(f"{PROJECT}/c", 0o666 | stat.S_IFCHR, os.makedev(1, 3)),
        ]
    )


@attack("content", LAST)
def unlink() -> None:
    os.unlink(f"{PROJECT}/untracked.txt")


@attack("content", LAST)
def remove_folder() -> None:
    shutil.rmtree(f"{PROJECT}/folder")


@attack("content", LAST)
def rename() -> None:
    os.rename(TRACKED, f"{PROJECT}/moved")


@attack("content")
def rename_into() -> None:
    put(f"{HOME}/mine")
    os.rename(f"{HOME}/mine", TRACKED)


@attack("content", LAST)
def move_out() -> None:
    os.rename(f"{PROJECT}/.gitignore", f"{HOME}/taken")


@attack("content")
def write_through_hard_link() -> None:
    os.link(TRACKED, f"{HOME}/hard")
    put(f"{HOME}/hard")


@attack("content")
def write_through_symlink() -> None:
    os.symlink(PROJECT, f"{HOME}/soft")
    put(f"{HOME}/soft/through")


@attack("content")
def nameless_file() -> None:
    file = os.open(PROJECT, os.O_TMPFILE | os.O_WRONLY, 0o600)
    os.link(f"/proc/self/fd/{file}", f"{PROJECT}/nameless", follow_symlinks=True)


@attack("content")
def reopen() -> None:
    file = os.open(TRACKED, os.O_RDONLY)
    put(f"/proc/self/fd/{file}", os.O_WRONLY)


@attack("content")
def reopen_path_descriptor() -> None:
    put(f"/proc/self/fd/{os.open(TRACKED, os.O_PATH)}", os.O_WRONLY)


@attack("content")
def map_shared() -> None:
    file = os.open(TRACKED, os.O_RDWR)
    mmap.mmap(file, 4, mmap.MAP_SHARED, mmap.PROT_WRITE)[:4] = b"evil"


@attack("content")
def copy_range() -> None:
    os.copy_file_range(os.open("/bin/sh", os.O_RDONLY), os.open(TRACKED, os.O_WRONLY), 4)


@attack("content")
def git_commit() -> None:
    who = ["-c", "user.name=x", "-c", "user.email=x@y", "-c", "safe.directory=*"]
    done = subprocess.run(
        ["git", *who, "-C", PROJECT, "commit", "-qam", "evil", "--allow-empty"],
        check=False,
        capture_output=True,
    )
    if done.returncode:
        raise OSError(done.returncode, "git")


@attack("truncation")
def truncate() -> None:
    os.truncate(TRACKED, 0)


@attack("truncation")
def truncate_by_reading() -> None:
    os.close(os.open(f"{PROJECT}/folder/inner.txt", os.O_RDONLY | os.O_TRUNC))
