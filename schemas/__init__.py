"""What travels between agencies and the broker: the shared language, without any I/O.

Nothing here opens a socket, a file or a database, and nothing here can open content: the code that
unwraps keys lives in `agencies.opening`, which the broker cannot import.
"""
