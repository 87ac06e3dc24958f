"""The service's program: what a task is, who may do what, what is told and what scales."""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import pulumi
import pytest
from pulumi.runtime import mocks

from stacks.contract import Stack
from stacks.service import container, metrics
from stacks.service.alarms import ALARMS
from stacks.service.dashboard import GRAPHS
from tests.stacks.recording import ACCOUNT, DIGEST, REGION, Cloud, Program, run, run_all, settings_of

OTHER = "sha256:" + "7" * 64


@cache
def upstream(environment: str) -> Mapping[str, Mapping[str, Any]]:
    programs = run_all(environment, settings_of(environment))
    return {f"organization/{stack.project}/{environment}": program.outputs for stack, program in programs.items()}


def service(environment: str = "dev", *, missing: tuple[str, ...] = (), **changes: str) -> Program:
    deployed = upstream(environment)
    cloud = Cloud(deployed, frozenset(missing))
    return run(Stack.SERVICE, environment, settings_of(environment, **changes), deployed, cloud=cloud)


@cache
def committed(environment: str) -> Program:
    return service(environment)


def the_container(program: Program) -> dict[str, Any]:
    (only,) = json.loads(program.one("aws:ecs/taskDefinition:TaskDefinition").inputs["containerDefinitions"])
    return only


def statements(program: Program, role: str) -> dict[str, Any]:
    """By its first action, a statement of a role's policy."""
    document = json.loads(program.one("aws:iam/rolePolicy:RolePolicy", role).inputs["policy"])
    return {statement["Action"][0]: statement for statement in document["Statement"]}


# The image


def test_image_is_built_and_named_by_digest() -> None:
    program = committed("dev")
    image = program.one("docker-build:index:Image")
    assert image.retained, "a rollback takes the resource away, and tasks may run the image"
    assert image.inputs["context"] == {"location": "../.."}
    assert (image.inputs["push"], image.inputs["buildOnPreview"]) == (True, False)
    assert image.inputs["platforms"] == ["linux/arm64"]
    assert image.inputs["target"] == "api"
    assert program.outputs["image_digest"] == DIGEST
    assert the_container(program)["image"] == program.outputs["image"]
    assert program.outputs["image"].endswith(f"/transcriber-dev@{DIGEST}")


def test_password_of_the_registry_is_a_secret() -> None:
    signature = "4dabf18193072939515e22adb298388d"
    request = committed("dev").one("docker-build:index:Image").options
    registry = request.object.fields["registries"].list_value.values[0].struct_value.fields
    assert signature in registry["password"].struct_value.fields


def test_image_of_the_local_engine_is_another() -> None:
    assert service(engine="local").one("docker-build:index:Image").inputs["target"] == "local"


def test_pinned_image_is_looked_up_and_nothing_is_built() -> None:
    program = service(image_digest=OTHER)
    assert program.all("docker-build:index:Image") == []
    assert the_container(program)["image"].endswith(f"@{OTHER}")
    asked = [arguments for token, arguments in program.calls if token == "aws:ecr/getImage:getImage"]
    assert [(one["repositoryName"], one["imageDigest"]) for one in asked] == [("transcriber-dev", OTHER)]


def test_image_of_another_environment_is_from_its_registry() -> None:
    deployed = {**upstream("dev"), **upstream("prod")}
    config = settings_of("prod", image_environment="dev", image_digest=OTHER)
    program = run(Stack.SERVICE, "prod", config, deployed)
    assert "/transcriber-dev@" in the_container(program)["image"]
    assert statements(program, "transcriber-prod-execution")["ecr:BatchCheckLayerAvailability"]["Resource"] == [
        deployed["organization/transcriber-ecr/dev"]["repository_arn"]
    ]


# The task


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_task_is_what_fargate_takes(environment: str) -> None:
    task = committed(environment).one("aws:ecs/taskDefinition:TaskDefinition").inputs
    assert task["networkMode"] == "awsvpc"
    assert task["requiresCompatibilities"] == ["FARGATE"]
    assert task["runtimePlatform"] == {"cpuArchitecture": "ARM64", "operatingSystemFamily": "LINUX"}
    assert task["skipDestroy"] is True, "a service goes back to it"
    only = the_container(committed(environment))
    assert only["stopTimeout"] == 120
    assert only["readonlyRootFilesystem"] is True
    assert only["user"] == "10001:10001"
    assert only["healthCheck"]["command"][0] == "CMD"


def test_spool_is_where_the_image_has_its_volume() -> None:
    program = committed("prod")
    task = program.one("aws:ecs/taskDefinition:TaskDefinition").inputs
    assert task["volumes"] == [{"name": "spool"}]
    mounted = {mount["sourceVolume"]: mount["containerPath"] for mount in the_container(program)["mountPoints"]}
    assert mounted == {"spool": "/data"}
    assert task["ephemeralStorage"]["sizeInGib"] == 21


def test_shells_have_their_volumes() -> None:
    program = committed("dev")
    task = program.one("aws:ecs/taskDefinition:TaskDefinition").inputs
    assert {volume["name"] for volume in task["volumes"]} == {"spool", "managed-agents", "ssm", "ssm-log"}
    assert program.one("aws:ecs/service:Service").inputs["enableExecuteCommand"] is True
    assert "ssmmessages:CreateControlChannel" in statements(program, "transcriber-dev-task")
    assert "ssmmessages:CreateControlChannel" not in statements(committed("prod"), "transcriber-prod-task")


def test_service_is_told_where_it_is() -> None:
    program = committed("dev")
    given = {each["name"]: each["value"] for each in the_container(program)["environment"]}
    host = program.outputs["url"].removeprefix("http://")
    assert given["S3_BUCKET"] == f"transcriber-dev-recordings-{ACCOUNT}"
    assert given["ALLOWED_HOSTS"] == host
    assert given["TRUSTED_PROXIES"] == "10.0.0.0/16"
    assert given["EMF_NAMESPACE"] == "Transcriber/dev"
    assert program.outputs["websocket_url"] == f"ws://{host}/ws"
    assert committed("prod").outputs["websocket_url"] == "wss://transcriber.example.com/ws"


def _waits_for(program: Program, kind: str) -> set[str]:
    """What its resource of a type is made behind, by type and name."""
    urns = program.one(kind).options.dependencies
    return {f"{urn.split('::')[2].rpartition('$')[2]} {urn.rpartition('::')[2]}" for urn in urns}


def test_a_task_is_defined_behind_what_its_roles_may() -> None:
    permission = "aws:iam/rolePolicy:RolePolicy transcriber-dev"
    assert _waits_for(committed("dev"), "aws:ecs/taskDefinition:TaskDefinition") >= {
        f"{permission}-execution",
        f"{permission}-task",
    }


def test_tasks_are_started_behind_what_leads_to_them() -> None:
    assert _waits_for(committed("dev"), "aws:ecs/service:Service") >= {
        "aws:lb/listenerRule:ListenerRule service",
        "aws:lb/listenerRule:ListenerRule metrics",
        "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule tasks-from-alb",
        "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule alb-to-tasks",
        "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule tasks-to-https",
    }


# Secrets


def test_secrets_are_named_and_never_read() -> None:
    program = committed("dev")
    named = {each["name"]: each["valueFrom"] for each in the_container(program)["secrets"]}
    folder = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/transcriber/dev"
    assert named == {
        "API_KEYS": f"{folder}/api-keys",
        "OPENAI_API_KEY": f"{folder}/openai-api-key",
        "TOKEN_SECRET": f"{folder}/token-secret",
    }
    assert sorted(statements(program, "transcriber-dev-execution")["ssm:GetParameters"]["Resource"]) == sorted(
        named.values()
    )
    asked = [(token, arguments) for token, arguments in program.calls if token.startswith("aws:ssm/")]
    assert asked == [
        (
            "aws:ssm/getParametersByPath:getParametersByPath",
            {"path": "/transcriber/dev", "withDecryption": False},
        )
    ]


def test_missing_secrets_are_told_all_at_once_before_anything_is_made() -> None:
    with pytest.raises(pulumi.RunError) as raised:
        service(missing=("/transcriber/dev/api-keys", "/transcriber/dev/openai-api-key"))
    told = str(raised.value).splitlines()
    assert told[0] == "secrets are missing:"
    assert [line.split()[0] for line in told[1:]] == ["/transcriber/dev/api-keys", "/transcriber/dev/openai-api-key"]
    assert all("aws ssm put-parameter --type SecureString --name /transcriber/dev/" in line for line in told[1:])


def test_a_secret_that_everybody_could_read_is_refused() -> None:
    with pytest.raises(pulumi.RunError, match=r"/transcriber/dev/plain .API_KEYS. is no SecureString"):
        service(api_keys_parameter="/transcriber/dev/plain")


def test_key_of_the_secrets_may_be_used_where_there_is_one() -> None:
    key = "arn:aws:kms:us-east-1:123456789012:key/12345678-1234-1234-1234-123456789012"
    assert statements(service(secrets_key_arn=key), "transcriber-dev-execution")["kms:Decrypt"]["Resource"] == [key]
    assert "kms:Decrypt" not in statements(committed("dev"), "transcriber-dev-execution")


# Roles


def test_task_may_what_it_does_and_no_more() -> None:
    program = committed("prod")
    may = statements(program, "transcriber-prod-task")
    bucket = f"arn:aws:s3:::transcriber-prod-recordings-{ACCOUNT}"
    assert may["s3:ListBucket"]["Resource"] == [bucket]
    assert may["s3:AbortMultipartUpload"]["Resource"] == [f"{bucket}/*"]
    assert may["ecs:UpdateTaskProtection"]["Resource"] == [f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/transcriber-prod/*"]
    assert len(may) == 3


def test_logs_are_written_to_streams_of_the_group() -> None:
    program = committed("dev")
    group = program.one("aws:cloudwatch/logGroup:LogGroup").inputs["name"]
    writes = statements(program, "transcriber-dev-execution")["logs:CreateLogStream"]
    assert writes["Resource"] == [f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}:*"]
    options = the_container(program)["logConfiguration"]["options"]
    assert options["awslogs-group"] == group
    assert options["mode"] == "non-blocking", "a log that can't be written must not hold up who speaks"


@pytest.mark.parametrize("role", ["transcriber-dev-execution", "transcriber-dev-task"])
def test_roles_are_taken_on_for_this_account_alone(role: str) -> None:
    trust = json.loads(committed("dev").one("aws:iam/role:Role", role).inputs["assumeRolePolicy"])
    assert trust["Statement"][0]["Condition"] == {
        "StringEquals": {"aws:SourceAccount": ACCOUNT},
        "ArnLike": {"aws:SourceArn": f"arn:aws:ecs:{REGION}:{ACCOUNT}:*"},
    }


# Traffic


def test_tasks_are_reached_from_the_load_balancer_alone() -> None:
    program = committed("dev")
    (inwards,) = program.all("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule")
    balancer = upstream("dev")["organization/transcriber-alb/dev"]["security_group_id"]
    assert inwards.inputs["referencedSecurityGroupId"] == balancer
    assert (inwards.inputs["fromPort"], inwards.inputs["toPort"]) == (container.PORT, container.PORT)
    outwards = {
        rule.name: rule.inputs for rule in program.all("aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule")
    }
    assert outwards["alb-to-tasks"]["securityGroupId"] == balancer
    assert outwards["tasks-to-https"]["toPort"] == 443
    network = program.one("aws:ecs/service:Service").inputs["networkConfiguration"]
    assert network["subnets"] == upstream("dev")["organization/transcriber-network/dev"]["private_subnet_ids"]
    assert not network["assignPublicIp"]


def test_metrics_are_hidden_before_the_service_is_reached() -> None:
    rules = {rule.name: rule.inputs for rule in committed("dev").all("aws:lb/listenerRule:ListenerRule")}
    assert rules["metrics"]["priority"] < rules["service"]["priority"]
    assert rules["metrics"]["actions"][0]["fixedResponse"]["statusCode"] == "404"
    assert rules["metrics"]["conditions"][0]["pathPattern"]["values"] == ["/metrics", "/metrics/*"]
    assert rules["service"]["actions"][0]["type"] == "forward"


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_times_of_a_deployment_fit(environment: str) -> None:
    program = committed(environment)
    targets = program.one("aws:lb/targetGroup:TargetGroup").inputs
    assert targets["loadBalancingAlgorithmType"] == "least_outstanding_requests", "sessions differ in length"
    delay = targets["deregistrationDelay"]
    longest = next(
        int(each["value"]) for each in the_container(program)["environment"] if each["name"] == "MAX_SESSION_SECONDS"
    )
    waits = program.one("aws:ecs/service:Service").options.customTimeouts
    assert longest <= delay <= 3600 < int(waits.update.removesuffix("s"))
    assert int(waits.create.removesuffix("s")) < 300


# The service


def test_service_rolls_back_and_keeps_what_scaling_decided() -> None:
    made = committed("prod").one("aws:ecs/service:Service")
    assert made.inputs["deploymentCircuitBreaker"] == {"enable": True, "rollback": True}
    assert made.inputs["waitForSteadyState"] is True
    assert made.inputs["availabilityZoneRebalancing"] == "DISABLED"
    assert made.inputs["propagateTags"] == "SERVICE", "a bill tells tasks of one environment from those of another"
    assert list(made.options.ignoreChanges) == ["desiredCount"]
    assert "triggers" not in made.inputs
    assert service(redeploy="again-1").one("aws:ecs/service:Service").inputs["triggers"] == {"redeploy": "again-1"}


def test_tasks_beyond_the_fewest_may_be_on_spot() -> None:
    assert committed("dev").one("aws:ecs/service:Service").inputs["capacityProviderStrategies"] == [
        {"capacityProvider": "FARGATE", "base": 0, "weight": 1}
    ]
    assert service(spot="overflow").one("aws:ecs/service:Service").inputs["capacityProviderStrategies"] == [
        {"capacityProvider": "FARGATE", "base": 1, "weight": 0},
        {"capacityProvider": "FARGATE_SPOT", "base": 0, "weight": 1},
    ]


def test_scaling_is_by_sessions_and_by_cpu() -> None:
    program = committed("prod")
    target = program.one("aws:appautoscaling/target:Target").inputs
    made = program.outputs["service_name"]
    assert target["resourceId"] == f"service/transcriber-prod/{made}"
    assert (target["minCapacity"], target["maxCapacity"]) == (2, 10)
    policies = {
        policy.name: policy.inputs["targetTrackingScalingPolicyConfiguration"]
        for policy in program.all("aws:appautoscaling/policy:Policy")
    }
    assert policies["sessions"]["targetValue"] == 30
    assert policies["sessions"]["customizedMetricSpecification"] == {
        "namespace": "Transcriber/prod",
        "metricName": "ActiveSessions",
        "statistic": "Average",
    }
    predefined = policies["cpu"]["predefinedMetricSpecification"]["predefinedMetricType"]
    assert predefined == "ECSServiceAverageCPUUtilization"
    waits = [(policy["scaleOutCooldown"], policy["scaleInCooldown"]) for policy in policies.values()]
    assert all(longer >= 10 * shorter for shorter, longer in waits), "a task goes slowly"


# What is kept


@pytest.mark.parametrize(
    ("environment", "protected", "versions"), [("dev", False, "Suspended"), ("prod", True, "Enabled")]
)
def test_recordings_are_kept_where_they_are_protected(environment: str, protected: bool, versions: str) -> None:
    program = committed(environment)
    bucket = program.one("aws:s3/bucket:Bucket")
    assert bucket.protected is protected
    assert bucket.inputs["forceDestroy"] is not protected
    versioning = program.one("aws:s3/bucketVersioning:BucketVersioning").inputs["versioningConfiguration"]
    assert versioning["status"] == versions


def test_recordings_expire_where_it_is_wanted() -> None:
    def ids(program: Program) -> list[str]:
        rules = program.one("aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration").inputs["rules"]
        return [rule["id"] for rule in rules]

    assert ids(committed("dev")) == ["unfinished-uploads", "old-versions", "expire"]
    assert ids(committed("prod")) == ["unfinished-uploads", "old-versions"]


def test_what_was_overwritten_can_be_brought_back_for_a_month() -> None:
    lifecycle = committed("prod").one("aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration").inputs
    (old,) = (rule for rule in lifecycle["rules"] if rule["id"] == "old-versions")
    assert old["noncurrentVersionExpiration"] == {"noncurrentDays": 30}


# What is told


def test_alarms_tell_somebody() -> None:
    program = service(alarm_email="who@example.com")
    topic = program.one("aws:sns/topicSubscription:TopicSubscription").inputs
    assert (topic["protocol"], topic["endpoint"]) == ("email", "who@example.com")
    alarms = {alarm.name: alarm.inputs for alarm in program.all("aws:cloudwatch/metricAlarm:MetricAlarm")}
    assert set(alarms) == {alarm.name for alarm in ALARMS}
    assert all(alarm["alarmActions"] == [topic["topic"]] for alarm in alarms.values())
    assert alarms["no-task"]["treatMissingData"] == "breaching"
    assert alarms["engine-lag"]["namespace"] == "Transcriber/dev"
    assert "dimensions" not in alarms["engine-lag"] or alarms["engine-lag"]["dimensions"] == {}
    assert alarms["unhealthy"]["dimensions"]["TargetGroup"].startswith("targetgroup/")


def test_alarms_that_nobody_is_told_of_are_said_where_people_rely_on_it() -> None:
    assert any("NOBODY IS TOLD OF ALARMS" in warning for warning in committed("prod").warnings)
    assert committed("dev").warnings == service("prod", alarm_email="who@example.com").warnings == []


def test_dashboard_shows_every_metric_once() -> None:
    body = json.loads(committed("dev").one("aws:cloudwatch/dashboard:Dashboard").inputs["dashboardBody"])
    shown = [
        (line[0], line[1], line[-1]["stat"]) for widget in body["widgets"] for line in widget["properties"]["metrics"]
    ]
    assert len(shown) == len(set(shown)) == sum(len(graph) for _, graph in GRAPHS)
    known = [value for value in vars(metrics).values() if isinstance(value, metrics.Metric)]
    assert {(name, statistic) for _, name, statistic in shown} == {(each.name, each.statistic) for each in known}
    assert all(widget["x"] + widget["width"] <= 24 for widget in body["widgets"])


def test_a_deployment_that_ecs_took_back_fails_the_program() -> None:
    class TakenBack(Cloud):
        """Runs what ran before."""

        def call(self, args: mocks.MockCallArgs) -> dict[str, Any]:
            answer = super().call(args)
            return {**answer, "taskDefinition": "earlier:1"} if args.token.startswith("aws:ecs/getService") else answer

    with pytest.raises(pulumi.RunError, match="rolled back") as raised:
        run(Stack.SERVICE, "dev", settings_of("dev"), upstream("dev"), cloud=TakenBack(upstream("dev")))
    assert "has reached a steady state." in str(raised.value)
