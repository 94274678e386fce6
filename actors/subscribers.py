"""Which subscriptions are active, so that whoever has committed events knows at once whom to tell."""

from collections.abc import Iterable

from opencognit.domain.events import Published
from opencognit.domain.subscription import Subscription, SubscriptionStatus


class Subscribers:
    """The active subscriptions of all companies, asleep or awake; their actors keep it, and a start fills it."""

    def __init__(self) -> None:
        self._types: dict[str, dict[str, frozenset[str]]] = {}

    def note(self, subscription: Subscription) -> None:
        """This is how a subscription is from now on."""
        if subscription.status is SubscriptionStatus.ACTIVE:
            of_company = self._types.setdefault(subscription.company_id, {})
            of_company[subscription.id] = frozenset(subscription.event_types)
        else:
            self.forget(subscription)

    def forget(self, subscription: Subscription) -> None:
        """This one is sent nothing any more."""
        of_company = self._types.get(subscription.company_id, {})
        of_company.pop(subscription.id, None)
        if not of_company:
            self.forget_company(subscription.company_id)

    def forget_company(self, company_id: str) -> None:
        """The company is no more, or has no active subscription."""
        self._types.pop(company_id, None)

    def wanting(self, events: Iterable[Published]) -> set[str]:
        """Those who want at least one of these events."""
        return {
            subscription_id
            for event in events
            for subscription_id, types in self._types.get(event.company_id, {}).items()
            if not types or event.type in types
        }
