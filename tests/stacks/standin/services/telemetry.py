"""CloudWatch's logs, alarms and dashboards, and SNS's topics that alarms tell."""

import json
import uuid

from ..account import Account
from ..kinds import Call, Kind, Made, Named, crud, one_of, unique, within
from ..policies import parse
from ..refusal import Refused
from ..wire import Inputs, is_known

LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup"
METRIC_FILTER = "aws:cloudwatch/logMetricFilter:LogMetricFilter"
ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
COMPOSITE = "aws:cloudwatch/compositeAlarm:CompositeAlarm"
DASHBOARD = "aws:cloudwatch/dashboard:Dashboard"
TOPIC = "aws:sns/topic:Topic"
TOPIC_POLICY = "aws:sns/topicPolicy:TopicPolicy"
SUBSCRIPTION = "aws:sns/topicSubscription:TopicSubscription"

RETENTION = (0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)
_COMPARISONS = (
    "GreaterThanOrEqualToThreshold",
    "GreaterThanThreshold",
    "LessThanThreshold",
    "LessThanOrEqualToThreshold",
    "LessThanLowerOrGreaterThanUpperThreshold",
    "LessThanLowerThreshold",
    "GreaterThanUpperThreshold",
)
_STATISTICS = ("SampleCount", "Average", "Sum", "Minimum", "Maximum")
_MISSING = ("missing", "ignore", "breaching", "notBreaching")
_DAY, _WEEK = 86_400, 604_800


def returned(queries: list[Inputs]) -> int:
    """How many of a metric expression's parts are its result; a part is, unless it says that it is not."""
    return sum(query.get("returnData", True) is not False for query in queries)


def _metric(inputs: Inputs) -> None:
    queries = inputs.get("metricQueries") or []
    if bool(queries) == bool(inputs.get("metricName")):
        raise Refused("ValidationError", "exactly one of metricName and metricQueries must be given")
    if queries and sum(query.get("returnData") is True for query in queries) != 1:
        raise Refused("ValidationError", "Exactly one element of the metrics list should return data.")
    if not queries:
        if not inputs.get("statistic") and not inputs.get("extendedStatistic"):
            raise Refused("MissingParameter", "The parameter Statistic or ExtendedStatistic is required")
        _period(inputs.get("period"), inputs["evaluationPeriods"])
    for query in queries:
        if metric := query.get("metric"):
            _period(metric.get("period"), inputs["evaluationPeriods"])


def _period(period: int | None, evaluations: int) -> None:
    if period is None or (period not in (10, 20, 30) and period % 60):
        raise Refused("ValidationError", f"Period must be 10, 20, 30 or a multiple of 60, and is {period}")
    if period * evaluations > (_DAY if period < 3600 else _WEEK):
        raise Refused(
            "ValidationError",
            "Metrics cannot be checked across more than a day (EvaluationPeriods * Period must be <= 86400)",
        )


def _datapoints(inputs: Inputs) -> None:
    if (inputs.get("datapointsToAlarm") or 0) > inputs["evaluationPeriods"]:
        raise Refused("ValidationError", "DatapointsToAlarm must be smaller than or equal to EvaluationPeriods")


def _actions(call: Call) -> None:
    for name in ("alarmActions", "okActions", "insufficientDataActions"):
        for arn in call.inputs.get(name) or []:
            if not is_known(arn):
                continue
            if arn.startswith("arn:aws:sns:") and call.account.find(TOPIC, arn) is None:
                raise Refused("ValidationError", f"Invalid arn: {arn}")
            if not arn.startswith(
                ("arn:aws:sns:", "arn:aws:automate:", "arn:aws:autoscaling:", "arn:aws:lambda:", "arn:aws:ssm:")
            ):
                raise Refused("ValidationError", f"Invalid arn syntax: {arn}")


def _alarm_rule(call: Call) -> None:
    names = {alarm["name"] for alarm in call.account.of(ALARM)}
    for part in str(call.inputs["alarmRule"]).replace("(", " ").replace(")", " ").split():
        name = part.strip('"').rsplit(":alarm:", 1)[-1]
        if part not in ("ALARM", "OK", "INSUFFICIENT_DATA", "AND", "OR", "NOT", "TRUE", "FALSE") and name not in names:
            raise Refused("ValidationError", f"AlarmRule contains an invalid alarm: {name}")


def _dashboard(inputs: Inputs) -> None:
    body = inputs.get("dashboardBody")
    if not isinstance(body, str) or not is_known(body):
        return
    try:
        widgets = json.loads(body)["widgets"]
    except (ValueError, KeyError, TypeError) as error:
        raise Refused(
            "InvalidParameterInput", "The field DashboardBody must be a valid JSON object with widgets"
        ) from error
    for index, widget in enumerate(widgets):
        _widget(index, widget)


def _widget(index: int, widget: Inputs) -> None:
    where = f"/widgets/{index}"
    if widget.get("type") not in ("metric", "log", "text", "alarm", "explorer"):
        raise Refused("InvalidParameterInput", f"{where}/type: should be one of metric, log, text, alarm, explorer")
    if not isinstance(widget.get("properties"), dict):
        raise Refused("InvalidParameterInput", f"{where}/properties: should be object")
    if widget["type"] in ("metric", "log") and not widget["properties"].get("region"):
        raise Refused("InvalidParameterInput", f"{where}/properties: should have required property 'region'")
    for name, highest in (("x", 23), ("width", 24)):
        if not 0 <= widget.get(name, 0) <= highest:
            raise Refused("InvalidParameterInput", f"{where}/{name}: should be <= {highest}")


def _topic_policy(call: Call) -> None:
    call.need(TOPIC, call.inputs["arn"], "NotFound")
    parse(call.inputs["policy"], "InvalidParameter")


def _endpoint(inputs: Inputs) -> None:
    protocol, endpoint = inputs.get("protocol"), str(inputs.get("endpoint"))
    wrong = {"email": "@" not in endpoint, "https": not endpoint.startswith("https://"), "sqs": ":sqs:" not in endpoint}
    if is_known(endpoint) and wrong.get(str(protocol)):
        raise Refused("InvalidParameter", f"Invalid parameter: {protocol} endpoint")


def _topic_exists(call: Call) -> None:
    call.need(TOPIC, call.inputs["topic"], "NotFound")


def _group_exists(call: Call) -> None:
    call.need(LOG_GROUP, call.inputs["logGroupName"], "ResourceNotFoundException")


def _not_made_outside(call: Call) -> None:
    if call.before is None and call.account.made_outside("log_groups", call.inputs["name"]):
        raise Refused("ResourceAlreadyExistsException", "The specified log group already exists")


def _named(service: str, path: str, name: str = "name") -> "_Maker":
    return _Maker(service, path, name)


class _Maker:
    """Makes what is known by its name alone."""

    def __init__(self, service: str, path: str, name: str) -> None:
        self._service, self._path, self._name = service, path, name

    def __call__(self, call: Call) -> Made:
        name = call.inputs[self._name]
        arn = call.account.arn(self._service, f"{self._path}{name}")
        return Made(name, {"arn": arn})


def _make_dashboard(call: Call) -> Made:
    name = call.inputs["dashboardName"]
    return Made(name, {"dashboardArn": f"arn:aws:cloudwatch::{call.account.number}:dashboard/{name}"})


def _make_topic(call: Call) -> Made:
    arn = call.account.arn("sns", call.inputs["name"])
    return Made(arn, {"arn": arn, "owner": call.account.number})


def _make_subscription(call: Call) -> Made:
    arn = f"{call.inputs['topic']}:{uuid.uuid4()}"
    pending = call.inputs["protocol"] in ("email", "https", "http")
    return Made(arn, {"arn": arn, "ownerId": call.account.number, "pendingConfirmation": pending})


def log_group_of(account: Account, name: str) -> bool:
    return account.find(LOG_GROUP, name) is not None


_ALARM_NAME = Named(longest=255, pattern=r"[^\x00-\x1f]+")

KINDS = (
    Kind(
        LOG_GROUP,
        _named("logs", "log-group:"),
        crud("logs", "CreateLogGroup", read="DescribeLogGroups", update="PutRetentionPolicy"),
        frozenset({"name", "logGroupClass"}),
        named=Named(longest=512, pattern=r"[.\-_/#A-Za-z0-9]+", code="InvalidParameterException"),
        checks=(one_of("retentionInDays", RETENTION, "InvalidParameterException"),),
        rules=(unique(LOG_GROUP, ("name",), "ResourceAlreadyExistsException"), _not_made_outside),
    ),
    Kind(
        METRIC_FILTER,
        lambda call: Made(call.inputs["name"]),
        crud("logs", "PutMetricFilter", read="DescribeMetricFilters", delete="DeleteMetricFilter"),
        frozenset({"name", "logGroupName"}),
        named=Named(longest=512, pattern=r"[^:*]+", code="InvalidParameterException"),
        rules=(_group_exists,),
    ),
    Kind(
        ALARM,
        _named("cloudwatch", "alarm:"),
        crud("cloudwatch", "PutMetricAlarm", read="DescribeAlarms", delete="DeleteAlarms"),
        frozenset({"name"}),
        named=_ALARM_NAME,
        checks=(
            one_of("comparisonOperator", _COMPARISONS),
            one_of("statistic", _STATISTICS),
            one_of("treatMissingData", _MISSING),
            within("evaluationPeriods", 1, _DAY),
            _metric,
            _datapoints,
        ),
        rules=(_actions,),
    ),
    Kind(
        COMPOSITE,
        _named("cloudwatch", "alarm:", "alarmName"),
        crud("cloudwatch", "PutCompositeAlarm", read="DescribeAlarms", delete="DeleteAlarms"),
        frozenset({"alarmName"}),
        rules=(_actions, _alarm_rule),
    ),
    Kind(
        DASHBOARD,
        _make_dashboard,
        crud("cloudwatch", "PutDashboard", read="GetDashboard", delete="DeleteDashboards"),
        frozenset({"dashboardName"}),
        named=Named("dashboardName", 255, r"[A-Za-z0-9_-]+", "InvalidParameterInput", automatic=False),
        checks=(_dashboard,),
    ),
    Kind(
        TOPIC,
        _make_topic,
        crud("sns", "CreateTopic", read="GetTopicAttributes", update="SetTopicAttributes"),
        frozenset({"name", "fifoTopic"}),
        named=Named(longest=256, pattern=r"[A-Za-z0-9_-]+(?:\.fifo)?", code="InvalidParameter"),
        rules=(unique(TOPIC, ("name",), "TopicAlreadyExists"),),
    ),
    Kind(
        TOPIC_POLICY,
        lambda call: Made(call.inputs["arn"], {"owner": call.account.number}),
        crud("sns", "SetTopicAttributes", read="GetTopicAttributes", delete="SetTopicAttributes"),
        frozenset({"arn"}),
        rules=(_topic_policy,),
    ),
    Kind(
        SUBSCRIPTION,
        _make_subscription,
        crud("sns", "Subscribe", read="GetSubscriptionAttributes", delete="Unsubscribe"),
        frozenset({"topic", "protocol", "endpoint"}),
        checks=(
            one_of("protocol", ("email", "email-json", "https", "http", "sqs", "lambda", "sms"), "InvalidParameter"),
            _endpoint,
        ),
        rules=(_topic_exists,),
    ),
)
