"""Apache Kafka as a child process: its jars, its settings, its life.

Only for a cluster of our own. A cluster that somebody else runs is reached by settings alone, with nothing
from here.
"""
