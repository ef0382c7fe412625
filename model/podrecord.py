"""How a pod's phase and restart policy are written on the wire, by API version (PHASE-1, RESTART-1)."""

from __future__ import annotations

from collections.abc import Mapping

OLD = ("v1beta1", "v1beta2")
"""The versions that write both otherwise than the model does."""

PHASES = {"Waiting": "Pending", "Running": "Running", "Succeeded": "Succeeded", "Terminated": "Failed",
          "Unknown": "Unknown"}  # fmt: skip
"""The phases as the old versions write them (pod.phase.wire-names)."""

POLICIES = {"always": "Always", "onFailure": "OnFailure", "never": "Never"}
"""The policies as the old versions write them: an object with one of these keys (pod.restart.wire-names)."""

DEFAULT_POLICY = "Always"
"""The policy of a pod that names none (pod.restart.default-always)."""


def phase_of(word: str, version: str) -> str:
    """The phase that a word means in an API version. A word that the version does not have is left as it is, marked as
    that version's."""
    if version not in OLD or not word:
        return word
    return PHASES.get(word, f"{word} of {version}")


def policy_of(value: str | Mapping[str, object] | None) -> str:
    """The restart policy that a value means: a word, an object with one key, or nothing."""
    if not value:
        return DEFAULT_POLICY
    if isinstance(value, str):
        return value
    [key] = value
    return POLICIES.get(key, key)
