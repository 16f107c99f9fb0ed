"""Everything that brings Entente up on a machine: keys, cluster, processes, the command line.

Nobody imports `deploy` (checked by import-linter): what runs does not know how it was started. Importing a
module of it does nothing.
"""
