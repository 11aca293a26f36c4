"""What others may know of notifications: events."""

from __future__ import annotations

from uuid import UUID

from hometrip.kernel.events import Event


class NotificationEvent(Event):
    about = ("notification", "notification_id")

    notification_id: UUID
    user_id: UUID
    kind: str


class NotificationCreated(NotificationEvent):
    name = "notification.created"


class NotificationDelivered(NotificationEvent):
    name = "notification.delivered"

    channel: str


class NotificationFailed(NotificationEvent):
    name = "notification.failed"

    channel: str
    why: str


class DeliveryDue(Event):
    """Timer: a delivery is to be tried now. Nobody else needs to hear it."""

    name = "notification.delivery_due"
    about = ("delivery", "delivery_id")

    delivery_id: UUID
