"""What can go wrong in the broker, by what the caller does next."""


class BrokerError(Exception):
    """Base of the broker's own errors. `retriable`: the same step may be tried again."""

    retriable = False


class StepFailed(BrokerError):
    """The step could not be committed, or nobody can know whether it was: rebuild and fold again."""

    retriable = True


class Zombie(BrokerError):
    """Another worker owns the shard by a later generation: stop, write nothing."""


class HungTransaction(BrokerError):
    """A partition that only this shard writes has an open transaction after InitProducerId ended ours.

    The state read then may be older than what becomes visible later (kafka-notes 9, F1), so going on could
    commit a message twice. An operator has to look.
    """


class Moved(BrokerError):
    """A lane's shard is another one now, and its state is not there yet: stop until `entente reshard` has run."""


class NoKey(BrokerError):
    """The private half of a key that a version names for the broker is not in its folder: stop until it is.

    What was signed by the key before is committed or will be folded again; nothing is lost by waiting.
    """


class Stuck(BrokerError):
    """The same message failed three times in the same way: stop loudly, skip nothing."""
