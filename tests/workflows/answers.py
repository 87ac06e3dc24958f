"""What the programs on a machine answer in a dry run, where all is well."""

import json
from pathlib import Path

from tests.workflows.standin import Runner
from tests.workflows.states import has_state

EVENTS = Path(__file__).parent / "events"
BUILT = "sha256:" + "0123456789abcdef" * 4
"""What dev runs, and dev's deployment ends with."""
OLDER = "sha256:" + "fedcba9876543210" * 4
"""What prod runs, and what a version, a commit or a tag is found to be."""
URL = "https://transcriber.example.com"
MANIFEST = {
    "imageManifest": '{"schemaVersion": 2}',
    "imageManifestMediaType": "application/vnd.oci.image.index.v1+json",
}
UNCHANGED = '{"summaryEvent": {"resourceChanges": {"same": 30}}}\n'


def installed(runner: Runner) -> None:
    """On every machine."""
    runner.answer("make --silent list-heavy", "test-browser test-stacks\n")
    runner.answer("make sbom", writes={"sbom.cdx.json": "{}"})
    runner.answer("make")
    runner.answer("curl", '{"status":"ok"}')
    runner.answer("go")
    runner.answer("stacks-python")
    runner.answer("docker buildx build", writes={"--metadata-file": json.dumps({"containerimage.digest": BUILT})})
    runner.answer("docker run", "container-1\n")
    runner.answer("docker port", "127.0.0.1:49153\n")
    runner.answer("docker")
    runner.answer("gh api --paginate", "[[]]")
    runner.answer("gh api --method POST", json.dumps({"html_url": "https://github.com/owner/transcriber/pull/7"}))
    runner.answer("gh issue list", "[]")
    runner.answer("gh release create")


def pulumi(runner: Runner) -> None:
    for environment, digest in (("dev", BUILT), ("prod", OLDER)):
        runner.answer(f"pulumi stack output image_digest --stack {environment}", digest)
    runner.answer("pulumi stack output url", URL)
    runner.answer("pulumi stack select")
    runner.answer("pulumi stack ls", '[{"name": "dev"}, {"name": "prod"}]')
    runner.answer("pulumi up")
    runner.answer("pulumi plugin install")
    runner.answer("pulumi preview", writes={"--event-log": (EVENTS / "preview.jsonl").read_text()})
    runner.answer("pulumi refresh", writes={"--event-log": UNCHANGED})


def aws(runner: Runner) -> None:
    has_state(runner, dev=BUILT, prod=OLDER)
    runner.answer(
        f"aws ecr describe-images imageDigest={BUILT}", json.dumps({"imageDetails": [{"imageDigest": BUILT}]})
    )
    runner.answer("aws ecr describe-images", json.dumps({"imageDetails": [{"imageDigest": OLDER}]}))
    runner.answer("aws ecr batch-get-image", json.dumps({"images": [MANIFEST]}))
    runner.answer("aws ecr put-image", "{}")
    runner.answer("aws ssm get-parameter", "trk_smoke\n")


def cosign(runner: Runner) -> None:
    runner.answer("cosign")
