"""The one comment on a pull request that is written anew each time: `post_comment.py NUMBER FILE`. The file's first
line marks it; nobody else's comment is touched. Needs GITHUB_REPOSITORY and gh's GH_TOKEN."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

AUTHOR = "github-actions[bot]"


def earlier(comments: Iterable[dict[str, Any]], marker: str) -> int | None:
    """The id of the comment with this marker: of several, the first."""
    ours = (each for each in comments if each["user"]["login"] == AUTHOR and each["body"].startswith(marker))
    return next((int(each["id"]) for each in ours), None)


def api(*arguments: str) -> Any:
    """What GitHub answers.

    Raises:
        subprocess.CalledProcessError: it refuses; gh has said why.
    """
    done = subprocess.run(["gh", "api", *arguments], check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout or "null")


def main(arguments: Sequence[str]) -> int:
    number, file = arguments
    repository = f"repos/{os.environ['GITHUB_REPOSITORY']}"
    marker = Path(file).read_text().splitlines()[0]
    try:
        pages = api("--paginate", "--slurp", f"{repository}/issues/{number}/comments?per_page=100")
        found = earlier((comment for page in pages for comment in page), marker)
        if found is None:
            written = api("--method", "POST", f"{repository}/issues/{number}/comments", "--field", f"body=@{file}")
        else:
            written = api("--method", "PATCH", f"{repository}/issues/comments/{found}", "--field", f"body=@{file}")
    except subprocess.CalledProcessError as problem:
        return problem.returncode
    sys.stdout.write(f"{written['html_url']}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
