"""Whether something leads back to itself: reporting lines, parents, what waits for what."""

from collections import deque
from collections.abc import Collection, Mapping


def circle(leads_to: Mapping[str, Collection[str]]) -> list[str]:
    """The members of one circle in order; empty where there is none. Takes time in proportion to the arrows."""
    open_ends = {one: sum(other in leads_to for other in others) for one, others in leads_to.items()}
    backwards: dict[str, list[str]] = {one: [] for one in leads_to}
    for one, others in leads_to.items():
        for other in others:
            if other in backwards:
                backwards[other].append(one)
    free = deque(one for one, count in open_ends.items() if count == 0)
    while free:
        for behind in backwards[free.popleft()]:
            open_ends[behind] -= 1
            if open_ends[behind] == 0:
                free.append(behind)
    # All that is left leads to a circle or lies in it, so following it long enough ends in one.
    left = [one for one, count in open_ends.items() if count > 0]
    way: dict[str, None] = {}
    at = left[0] if left else None
    while at is not None and at not in way:
        way[at] = None
        at = next(other for other in leads_to[at] if open_ends.get(other, 0) > 0)
    members = list(way)
    return members[members.index(at) :] if at is not None else []
