"""What moto's server has of AWS: S3, judged by the policies of the task's role, and a key of KMS."""

import json
import time
import urllib.request
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import boto3

from .standin.account import Account
from .standin.services import identity

REGION = "us-east-1"
_EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


class MotoAccount:
    """From the moment on in which a task asks for its role's credentials, whoever has none is refused."""

    def __init__(self, url: str) -> None:
        self.url = url
        first = {"AccessKeyId": "first", "SecretAccessKey": "first"}
        users = self._client("iam", first)
        users.create_user(UserName="admin")
        users.put_user_policy(UserName="admin", PolicyName="all", PolicyDocument=json.dumps(_EVERYTHING))
        self._admin = users.create_access_key(UserName="admin")["AccessKey"]
        self._assumed: dict[str, Any] = {}

    def _client(self, service: str, keys: Mapping[str, str]) -> Any:
        return boto3.client(  # type: ignore[call-overload]
            service,
            region_name=REGION,
            endpoint_url=self.url,
            aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"],
        )

    @property
    def environment(self) -> dict[str, str]:
        """Of whoever may do everything."""
        return {
            "AWS_ACCESS_KEY_ID": self._admin["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": self._admin["SecretAccessKey"],
            "AWS_ENDPOINT_URL_KMS": self.url,
        }

    @cached_property
    def secrets_provider(self) -> str:
        """A new key, as Pulumi is told of one."""
        key = self._client("kms", self._admin).create_key()["KeyMetadata"]["Arn"]
        return f"awskms:///{key}?region={REGION}"

    def credentials(self, account: Account) -> dict[str, str]:
        """Those of the task's role, with its policies; its bucket is there as well."""
        if not self._assumed:
            (bucket,) = account.of("aws:s3/bucket:Bucket")
            self._client("s3", self._admin).create_bucket(Bucket=bucket["bucket"])
            self._assumed = self._assume(account)
            headers = {"Content-Type": "text/plain"}
            request = urllib.request.Request(f"{self.url}/moto-api/reset-auth", b"0", headers, method="POST")
            urllib.request.urlopen(request, timeout=10).close()
        return {
            "RoleArn": "task",
            "AccessKeyId": self._assumed["AccessKeyId"],
            "SecretAccessKey": self._assumed["SecretAccessKey"],
            "Token": self._assumed["SessionToken"],
            "Expiration": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600)),
        }

    def _assume(self, account: Account) -> dict[str, Any]:
        roles = self._client("iam", self._admin)
        (definition, *_) = account.of("aws:ecs/taskDefinition:TaskDefinition")
        role = account.find(identity.ROLE, definition["taskRoleArn"])
        assert role is not None
        made = roles.create_role(RoleName=role["name"], AssumeRolePolicyDocument=role["assumeRolePolicy"])
        for number, document in enumerate(identity.policies_of(account, role)):
            # S3 lets whoever may list a bucket ask whether it is there; moto has an action of its own for that.
            text = json.dumps(document).replace('"s3:ListBucket"', '"s3:ListBucket", "s3:HeadBucket"')
            roles.put_role_policy(RoleName=role["name"], PolicyName=str(number), PolicyDocument=text)
        tokens = self._client("sts", self._admin)
        answer = tokens.assume_role(RoleArn=made["Role"]["Arn"], RoleSessionName="task")
        return dict(answer["Credentials"])

    def objects(self, bucket: str) -> list[str]:
        listed = self._client("s3", self._admin).list_objects_v2(Bucket=bucket)
        return [item["Key"] for item in listed.get("Contents", ())]
