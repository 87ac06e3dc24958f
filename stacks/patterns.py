"""What settings look like whose values are words: of ASCII alone, as AWS has them."""

import re


def _like(pattern: str, problem: str) -> tuple[re.Pattern[str], str]:
    return re.compile(pattern, re.ASCII), problem


ENVIRONMENT = re.compile(r"[a-z][a-z0-9]{0,11}")
PATTERNS = {
    "account": _like(r"\d{12}", "is the number of an account, 12 digits in quotes"),
    "accounts": _like(r"\d{12}(,\d{12})*", "is a list of accounts, 12 digits each, with commas and in quotes"),
    "digest": _like(r"sha256:[0-9a-f]{64}", "is sha256: and 64 hexadecimal digits"),
    "domain": _like(r"(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}", "is no domain name"),
    "email": _like(r"[^@\s]+@[^@\s]+\.[^@\s]+", "is no e-mail address"),
    "environment": (ENVIRONMENT, "is no environment's name"),
    "image": _like(
        r"[a-z0-9][a-z0-9./_:-]*@sha256:[0-9a-f]{64}",
        "is an image by its digest, such as python:3.12-slim-bookworm@sha256:...",
    ),
    "key": _like(r"arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/[\w-]+", "is the ARN of a key, not of an alias"),
    "origins": _like(
        r"https?://[\w.:-]+(,https?://[\w.:-]+)*", "is a list such as https://app.example.com,https://example.com"
    ),
    "parameter": _like(r"(/[\w.-]+){1,15}", "is the whole name of an SSM parameter, such as /transcriber/dev/x"),
    "policy": _like(r"[\w+=,.@-]{1,128}", "is the name of a policy, such as transcriber-boundary-dev"),
    "token": _like(r"[\w.:-]{1,64}", "is letters, digits and ._:- only, up to 64; a date is in quotes"),
    "url": _like(r"https://[\w.-]+(:443)?(/[\w.-]+)*", "is no URL such as https://engine.internal.example.com/v1"),
}
"""By kind, with what is said of a value that is none."""
