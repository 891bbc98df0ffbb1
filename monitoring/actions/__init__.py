"""Every write of the watch, by name."""

from monitoring.actions.alarms import acknowledge_alarm, close_alarm, open_alarm
from monitoring.actions.channels import deliver_again, remove_channel, renew_secret, write_channel
from monitoring.actions.dead_letters import drop_dead_letter, send_dead_letters_again
from monitoring.actions.finding import add_finding
from monitoring.actions.watching import policy_of, relearn, write_watch_policy

__all__ = [
    "acknowledge_alarm",
    "add_finding",
    "close_alarm",
    "deliver_again",
    "drop_dead_letter",
    "open_alarm",
    "policy_of",
    "relearn",
    "remove_channel",
    "renew_secret",
    "send_dead_letters_again",
    "write_channel",
    "write_watch_policy",
]
