"""The stage: brings a whole federation up on one machine, watches it, breaks it on request, and counts.

The director talks to broker and nodes by topics and databases only; it never uses counters that the code
under test keeps.
"""
