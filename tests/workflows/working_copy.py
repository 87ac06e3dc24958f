"""A copy of the repository for scripts that change it."""

import shutil
import subprocess
from pathlib import Path

from tests.workflows.standin import ROOT

COPIED = (
    ".github",
    "stacks",
    "Pulumi.dev.yaml",
    "Pulumi.prod.yaml",
    "CHANGELOG.md",
    "requirements/stacks.txt",
    "services/transcriber/__init__.py",
)


def cloned(root: Path) -> Path:
    """With one commit on main, which is what origin has."""
    for name in COPIED:
        source, target = ROOT / name, root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, target)
    git(root, "init", "--quiet", "--initial-branch=main")
    commit(root)
    git(root, "update-ref", "refs/remotes/origin/main", "HEAD")
    return root


def git(root: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", *identity, *arguments], cwd=root, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def commit(root: Path) -> str:
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--allow-empty", "--message", "Change")
    return git(root, "rev-parse", "HEAD")
