"""Which caption of several a visit reads."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Literal

from concord.data.source import BadSample, Source, probes, read_captions
from concord.data.views.drawing import generator
from concord.errors import ConfigError, nearest
from concord.types import role_of

CaptionPolicy = Literal["first", "random", "all"] | dict[str, float]

PLAIN_ROLE = "original"
"""The role of captions of which nothing was said."""


def role_in_policy(caption: str) -> str:
    """The role of a caption, as policies and views name it."""
    return role_of(caption) or PLAIN_ROLE


class CaptionChoice:
    """Chooses captions as a pure function of (seed, epoch, index).

    Args:
        policy: "first"; "random", any of them, all as likely; "all", every one in turn: n visits read each of n captions once,
            and where an example begins is random; or weights by role, such as {original: 0.3, synthetic: 0.7}: a role is drawn
            among those that the example has, then one of its captions, all as likely. Captions without a role count as
            "original". "random" over a caption and its rewrites is LaCLIP's choice (Fan et al. 2023).
        seed: of all draws.

    Raises:
        ConfigError: when there are no weights, or one is not above 0.
    """

    def __init__(self, policy: CaptionPolicy = "random", seed: int = 0) -> None:
        self.policy = policy
        self.seed = seed
        if isinstance(policy, dict):
            if not policy:
                raise ConfigError("data.caption_policy holds no role; give weights, such as {original: 0.3, synthetic: 0.7}")
            for role, weight in policy.items():
                if not 0 < weight < math.inf:
                    raise ConfigError(f"data.caption_policy.{role} must be a number above 0, got {weight}")

    def __call__(self, captions: Sequence[str], epoch: int, index: int, key: str = "") -> int:
        """Position of the caption that this visit reads.

        Args:
            captions: of the example, at least one.
            epoch: visits of the example before this one.
            index: of the example.
            key: its name, for the error.

        Raises:
            BadSample: when no caption has a role of the policy.
        """
        if self.policy == "first":
            return 0
        if self.policy == "all":
            return (generator(self.seed, 0, index, "first caption").randrange(len(captions)) + epoch) % len(captions)
        rng = generator(self.seed, epoch, index, "caption")
        if self.policy == "random":
            return rng.randrange(len(captions))
        assert isinstance(self.policy, dict)
        here = Counter(role_in_policy(caption) for caption in captions)
        roles = [role for role in sorted(self.policy) if role in here]
        if not roles:
            raise BadSample("no caption of a role in data.caption_policy", key or f"example {index}", f"it has {', '.join(here)}")
        role = rng.choices(roles, [self.policy[role] for role in roles])[0]
        return rng.choice(positions(captions, (role,)))

    def several(self, captions: Sequence[str], first: int, count: int) -> list[int]:
        """Positions of `count` captions: the first, then those after it that the policy may read, round and round."""
        wanted = positions(captions, self.policy) if isinstance(self.policy, dict) else list(range(len(captions)))
        start = wanted.index(first)
        return [wanted[(start + draw) % len(wanted)] for draw in range(count)]


def positions(captions: Sequence[str], roles: Collection[str]) -> list[int]:
    """Where the captions of some roles stand."""
    return [position for position, caption in enumerate(captions) if role_in_policy(caption) in roles]


def require_roles(source: Source, roles: Collection[str], asked_by: str) -> None:
    """Look at up to `PROBED` examples spread over the source and refuse roles that none of their captions has.

    Args:
        source: what training will read; of a mixture every part is looked at.
        roles: that are asked for.
        asked_by: what asks, for the message, such as "data.caption_policy".

    Raises:
        ConfigError: naming the role and the nearest that are there.
    """
    if not roles:
        return
    found = [{role_in_policy(caption) for caption in read_captions(part, index)} for part, index in probes(source)]
    known = set().union(*found)
    for role in roles:
        if role not in known:
            raise ConfigError(
                f"{asked_by}: none of {len(found)} examples of {source.name} has a caption of role {role!r}; {nearest(role, known)}"
            )
