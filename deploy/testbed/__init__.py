"""A real Kafka, broker and nodes for integration tests, in this project or anybody else's.

The way: `bed` runs them and answers what a test asks, `plain` is the same for tests that know no event loop, `writing`
makes whole records of labels, `decision` tells what was decided. The fixture `testbed` is in `deploy.pytest_plugin`.
"""

from deploy.testbed.bed import Testbed
from deploy.testbed.decision import Decision
from deploy.testbed.plain import PlainTestbed

__all__ = ["Decision", "PlainTestbed", "Testbed"]
