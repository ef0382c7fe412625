"""What tests know of the deliberately wrong builds of the simulator."""

PROFILE_OF = dict.fromkeys(
    (
        "rc-deletes-running-first",
        "rc-accepts-any-policy",
        "restart-keeps-time-outs",
        "binds-to-cordoned-node",
        "cordon-evicts-pods",
        "ignores-uncordon",
        "reaps-unasked",
        "registers-machines-again",
        "keeps-hand-made-nodes",
        "deletes-pods-with-record",
    ),
    "v0.17.0",
)
"""By wrong build, the profile that has the rule which it breaks, where that is not the document."""
