"""Payloads of Sparkplug B: metrics as protocol buffers, and the topics on which an edge node speaks.

After the Eclipse Sparkplug Specification 3.0.0, chapters 4 and 6. The schema stands here as data and is handed to protobuf's
own runtime: of the packages that bring it compiled, none follows protobuf's releases, and of its fields we write a dozen.
Fields that others send beyond those are skipped by the runtime, as protocol buffers have it.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

NAMESPACE = "spBv1.0"
BD_SEQ = "bdSeq"  # tells which birth a death belongs to
REBIRTH = "Node Control/Rebirth"
ROUND = 256  # sequence numbers begin again after 255
FORBIDDEN = re.compile(r"[+/#\x00-\x1f]")  # in a part of a topic

Value = bool | int | float | str | datetime | None
# Sparkplug's number of each kind of value, and the field that holds it.
KINDS: dict[type, tuple[int, str]] = {
    bool: (11, "boolean_value"), int: (8, "long_value"), float: (10, "double_value"), str: (12, "string_value"),
    datetime: (13, "long_value"),
}  # fmt: skip

_TYPES = descriptor_pb2.FieldDescriptorProto
_METRIC = (
    ("name", 1, _TYPES.TYPE_STRING), ("alias", 2, _TYPES.TYPE_UINT64), ("timestamp", 3, _TYPES.TYPE_UINT64),
    ("datatype", 4, _TYPES.TYPE_UINT32), ("is_null", 7, _TYPES.TYPE_BOOL),
)  # fmt: skip
_VALUES = (
    ("int_value", 10, _TYPES.TYPE_UINT32), ("long_value", 11, _TYPES.TYPE_UINT64), ("float_value", 12, _TYPES.TYPE_FLOAT),
    ("double_value", 13, _TYPES.TYPE_DOUBLE), ("boolean_value", 14, _TYPES.TYPE_BOOL),
    ("string_value", 15, _TYPES.TYPE_STRING), ("bytes_value", 16, _TYPES.TYPE_BYTES),
)  # fmt: skip


def _payload_class() -> Any:
    file = descriptor_pb2.FileDescriptorProto(
        name="shadowline/sparkplug_b.proto", package="shadowline.sparkplug", syntax="proto2"
    )
    payload = file.message_type.add(name="Payload")
    metric = payload.nested_type.add(name="Metric")
    metric.oneof_decl.add(name="value")
    optional, repeated = _TYPES.LABEL_OPTIONAL, _TYPES.LABEL_REPEATED
    for name, number, kind in _METRIC:
        metric.field.add(name=name, number=number, type=kind, label=optional)
    for name, number, kind in _VALUES:
        metric.field.add(name=name, number=number, type=kind, label=optional, oneof_index=0)
    payload.field.add(name="timestamp", number=1, type=_TYPES.TYPE_UINT64, label=optional)
    payload.field.add(
        name="metrics",
        number=2,
        type=_TYPES.TYPE_MESSAGE,
        label=repeated,
        type_name=".shadowline.sparkplug.Payload.Metric",
    )
    payload.field.add(name="seq", number=3, type=_TYPES.TYPE_UINT64, label=optional)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("shadowline.sparkplug.Payload"))


Payload = _payload_class()


def encoded(metrics: Mapping[str, tuple[type, Value]], *, at: datetime, seq: int | None = None) -> bytes:
    """A payload of metrics by name, each with its kind and its value; None is a metric that has no value now.

    >>> from datetime import timezone
    >>> moment = datetime(2026, 1, 1, tzinfo=timezone.utc)
    >>> decoded(encoded({"Halted": (bool, False), "Parts": (int, 7)}, at=moment, seq=3))
    {'Halted': False, 'Parts': 7}
    """
    payload = Payload(timestamp=_milliseconds(at))
    if seq is not None:
        payload.seq = seq
    for name, (kind, value) in metrics.items():
        datatype, field = KINDS[kind]
        metric = payload.metrics.add(name=name, timestamp=payload.timestamp, datatype=datatype)
        if value is None:
            metric.is_null = True
        else:
            setattr(metric, field, _milliseconds(value) if isinstance(value, datetime) else value)
    return payload.SerializeToString()


def decoded(body: bytes) -> dict[str, Any]:
    """The metrics of a payload by name; {} for what is no payload. Moments are milliseconds, null is None."""
    payload = Payload()
    try:
        payload.ParseFromString(body)
    except Exception:  # the runtime's own error, which differs between its implementations
        return {}
    return {metric.name: _value(metric) for metric in payload.metrics}


def _value(metric: Any) -> Any:
    field = metric.WhichOneof("value")
    return getattr(metric, field) if field and not metric.is_null else None


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def topic(group: str, kind: str, node: str, device: str = "") -> str:
    """Where a message goes: `topic("Factory", "DDATA", "site", "line-a")`."""
    return "/".join(part for part in (NAMESPACE, group, kind, node, device) if part)


def fits_topic(name: str) -> bool:
    """Whether a name may be a part of a topic."""
    return bool(name) and not FORBIDDEN.search(name)
