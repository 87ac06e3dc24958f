"""Which images the registry keeps: by number, so that what runs and what can be gone back to is there however long
nothing is deployed."""

from typing import Any

BUILT = "build-"
"""What the tags of built images begin with."""
PROMOTED = "release-"
"""What the tags of images begin with that another environment runs."""
CACHE = "buildcache"
"""The one tag that moves."""
UNTAGGED_DAYS = 7
"""Layers of the build cache that a newer one has replaced."""


def rules(keep: int) -> dict[str, Any]:
    """An image that a rule holds is left alone by those behind it, so promoted ones aren't counted with the built."""
    return {
        "rules": [
            _newest(1, PROMOTED, keep, "Promoted images: what other environments run or go back to"),
            _newest(2, BUILT, keep, "Built images: what runs here and what can be gone back to"),
            {
                "rulePriority": 3,
                "description": "What no tag names any more",
                "selection": {
                    "tagStatus": "untagged",
                    "countType": "sinceImagePushed",
                    "countUnit": "days",
                    "countNumber": UNTAGGED_DAYS,
                },
                "action": {"type": "expire"},
            },
        ]
    }


def _newest(priority: int, prefix: str, keep: int, description: str) -> dict[str, Any]:
    return {
        "rulePriority": priority,
        "description": description,
        "selection": {
            "tagStatus": "tagged",
            "tagPrefixList": [prefix],
            "countType": "imageCountMoreThan",
            "countNumber": keep,
        },
        "action": {"type": "expire"},
    }
