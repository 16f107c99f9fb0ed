"""What can go wrong in a node, by what the caller does next."""


class NodeError(Exception):
    """Base of the node's own errors. `retriable`: the same act may be tried again."""

    retriable = False


class DraftRefused(NodeError):
    """The draft cannot be sealed as it is; the message names portion and field."""


class BadKeys(NodeError):
    """The key folder of the settings lacks a key, or holds something else."""


class RestoredCopy(NodeError):
    """The outbox is older than what this agency has published: it was restored. Nothing may be published."""


class NotOurEntry(NodeError):
    """The arrangement's entry for this agency is not what its own keystore says."""


class Unsure(NodeError):
    """The store's server went away in a commit: whether it was kept, only a look at the store tells."""

    retriable = True


class StoreStopped(NodeError):
    """The node stops while its store is away or held by somebody else. Nothing was written."""


class PositionMoved(NodeError):
    """Another process moved a position of ours, in a deliver topic or in the ledger: two nodes share one store."""


class NotServed(NodeError):
    """The officers' API cannot be served as the settings say."""
